"""Our NFS client with nfsd, with ganesha and with the server of the Linux kernel."""

from __future__ import annotations

import stat as modes
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs import SyncRemoteFileSystem, sync_connect
from support.ganesha import start_ganesha
from support.hosts import Host, portmap
from support.kernel_server import FOLDER, end_grace, start_kernel_server
from support.lan_guests import Lan
from support.namespace import need
from support.nfs_host import NfsHost

pytestmark = pytest.mark.interop

EXPORTS = "/srv/tmpfs *(rw,no_root_squash,fsid=1)\n/srv/ext4 *(rw,no_root_squash,fsid=2)"
LOCAL = "nfs://127.0.0.1"
DATA = bytes(range(256)) * 20_001


@pytest.fixture(scope="module")
def nfsd() -> Iterator[NfsHost]:
    with NfsHost(EXPORTS) as host:
        yield host


def programme(fs: SyncRemoteFileSystem) -> None:
    """Use every call."""
    fs.mkdir("top/folder", parents=True)
    fs.write_bytes("top/file", DATA)
    assert fs.read_bytes("top/file") == DATA
    with fs.open("top/new", "xb", permissions=0o640) as file:
        for at in range(0, len(DATA), 100_000):
            file.write(DATA[at : at + 100_000])
        file.pwrite(b"changed", 5)
    with fs.open("top/new") as file:
        assert file.read(20) == DATA[:5] + b"changed" + DATA[12:20]
        assert file.pread(100, len(DATA) - 50) == DATA[-50:]
    with pytest.raises(FileExistsError):
        fs.open("top/new", "xb")
    fs.link("top/file", "top/folder/linked")
    fs.symlink("../file", "top/folder/pointer")
    fs.rename("top/new", "top/folder/moved")
    assert fs.read_bytes("top/folder/pointer") == DATA
    assert fs.readlink("top/folder/pointer") == "../file"
    assert sorted(fs.listdir("top/folder")) == ["linked", "moved", "pointer"]
    kinds = {entry.name: entry.is_symlink() for entry in fs.scandir("top/folder")}
    assert kinds == {"linked": False, "moved": False, "pointer": True}
    set_attributes(fs)
    if fs.version == 3:
        lock_each_other(fs)
    remove_everything(fs)


def lock_each_other(fs: SyncRemoteFileSystem) -> None:
    """Two owners use locks on the same file."""
    with fs.lock("top/file", length=10):
        found = fs.lock_holder("top/file", exclusive=False, offset=5)
        assert found is not None
        assert (found.exclusive, found.offset, found.length) == (True, 0, 10)
        with pytest.raises(BlockingIOError), fs.lock("top/file", timeout=0):
            pass
        with fs.lock("top/file", offset=10, timeout=0):
            pass
    with fs.lock("top/file", exclusive=False), fs.lock("top/file", exclusive=False, timeout=0):
        pass
    assert fs.lock_holder("top/file") is None


def set_attributes(fs: SyncRemoteFileSystem) -> None:
    """Use the calls about attributes."""
    fs.chmod("top/file", 0o600)
    fs.chown("top/file", 1000, 100)
    fs.truncate("top/file", 100)
    fs.utime("top/file", ns=(10**18, 10**18 + 1000))
    found = fs.stat("top/file")
    assert modes.filemode(found.mode) == "-rw-------"
    assert (found.uid, found.gid, found.size, found.nlink) == (1000, 100, 100, 2)
    assert found.mtime_ns == 10**18 + 1000
    assert fs.fsstat().total_bytes > 0
    assert fs.fsinfo().read_max >= 8192
    if fs.version == 3:
        fs.mknod("top/pipe", modes.S_IFIFO | 0o600)
        assert modes.S_ISFIFO(fs.stat("top/pipe").mode)
        assert fs.access("top/file", 4)
        assert fs.pathconf().name_max >= 255
        fs.unlink("top/pipe")


def remove_everything(fs: SyncRemoteFileSystem) -> None:
    with pytest.raises(OSError, match="NOTEMPTY"):
        fs.rmdir("top/folder")
    for name in ("linked", "moved", "pointer"):
        fs.unlink(f"top/folder/{name}")
    fs.rmdir("top/folder")
    fs.unlink("top/file")
    fs.rmdir("top")
    assert not fs.exists("top")


@pytest.mark.parametrize("version", [3, 2])
def test_every_call_works_with_nfsd(nfsd: NfsHost, version: int) -> None:
    url = f"{LOCAL}/srv/ext4?version={version}"
    with nfsd.network(), sync_connect(url) as fs:
        assert fs.version == version
        programme(fs)


@pytest.mark.slow
def test_killed_server_loses_no_written_data(nfsd: NfsHost) -> None:
    content = DATA * 8
    with nfsd.network(), sync_connect(f"{LOCAL}/srv/ext4") as fs:
        with fs.open("copy", "wb") as file:
            for at in range(0, len(content), 1 << 20):
                file.write(content[at : at + (1 << 20)])
                if at in (5 << 20, 21 << 20):  # WRITEs are in progress
                    nfsd.kill_nfsd()
                    nfsd.nfsd = nfsd.start_nfsd()
        written = Path(nfsd.path("/srv/ext4/copy")).read_bytes()
        assert written == content
        assert fs.read_bytes("copy") == content


@pytest.mark.slow
def test_every_call_works_with_ganesha(tmp_path: Path) -> None:
    need("ganesha.nfsd")
    with Host() as host:
        host.start(portmap())
        server = start_ganesha(host, tmp_path)
        try:
            with host.network(), sync_connect(f"{LOCAL}/srv/nfs") as fs:
                programme(fs)
        finally:
            server.terminate()
            server.wait()


@pytest.mark.slow
def test_every_call_works_with_linux(guest_image: Path, tmp_path: Path) -> None:
    with Host() as host, Lan(host, guest_image, tmp_path) as lan:
        (server,) = lan.boot("srv")
        server.run("rpcbind -w")
        start_kernel_server(server)
        end_grace(server)
        with host.network(), sync_connect(f"nfs://{server.address}{FOLDER}") as fs:
            programme(fs)
