"""Clients that others wrote read and write ``nfsd``'s exports, found through our port mapper."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.namespace import PYTHON, need
from support.nfs_host import NfsHost

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent / "nfs_clients"
EXPORTS = "/srv/tmpfs  *(rw,no_root_squash,insecure)\n"
HELLO = "hello from nfsd\n"
JAR = "/usr/share/java/yanfs.jar"


@pytest.fixture(scope="module")
def host() -> Iterator[NfsHost]:
    with NfsHost(EXPORTS) as host:
        yield host


def succeeds(host: NfsHost, *argv: str) -> str:
    """The output of a command that has to succeed."""
    done = host.run(argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "made", "size"),
    [
        ("nfs_rs", "by-nfs-rs", 600_000),
        ("pynfsclient", "by-pynfsclient", 12),
        ("anfs", "by-anfs", 4),
    ],
)
def test_client_in_python_reads_and_writes(host: NfsHost, name: str, made: str, size: int) -> None:
    output = succeeds(host, PYTHON, str(HERE / f"with_{name}.py"), "127.0.0.1", "/srv/tmpfs")

    assert f"read {HELLO}" in output
    assert made in output
    assert Path(host.path(f"/srv/tmpfs/{made}")).stat().st_size == size


@pytest.fixture(scope="module")
def yanfs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the program in Java."""
    need("java", "javac", JAR)
    folder = tmp_path_factory.mktemp("yanfs")
    compiler = ["javac", "-cp", JAR, "-d", str(folder), str(HERE / "Yanfs.java")]
    subprocess.run(compiler, check=True)
    return f"{JAR}:{folder}"


@pytest.mark.parametrize(("version", "transport"), [("3", "tcp"), ("3", "udp"), ("2", "udp")])
def test_yanfs_reads_and_writes(host: NfsHost, yanfs: str, version: str, transport: str) -> None:
    output = succeeds(
        host, "java", "-cp", yanfs, "com.sun.nfs.Yanfs",
        "127.0.0.1", "/srv/tmpfs", version, transport,
    )  # fmt: skip

    assert f"read {HELLO}" in output
    assert Path(host.path(f"/srv/tmpfs/by-yanfs-{version}")).read_bytes() == b"y" * 50_000


def test_libnfs_tools_copy_both_ways(host: NfsHost) -> None:
    need("nfs-ls", "nfs-cp", "nfs-cat")
    url = "nfs://127.0.0.1/srv/tmpfs"
    host.sh("head -c 3000000 /dev/urandom > /srv/sent")

    succeeds(host, "nfs-cp", "/srv/sent", f"{url}/sent")
    succeeds(host, "nfs-cp", f"{url}/sent", "/srv/received")

    host.sh("cmp /srv/sent /srv/tmpfs/sent && cmp /srv/sent /srv/received")
    assert succeeds(host, "nfs-cat", f"{url}/hello.txt") == HELLO
    assert "hello.txt" in succeeds(host, "nfs-ls", url)
    assert "/srv/tmpfs" in succeeds(host, "nfs-ls", "-D", "nfs://127.0.0.1")


def test_qemu_makes_and_reads_a_disk(host: NfsHost) -> None:
    need("qemu-img")
    disk = "nfs://127.0.0.1/srv/tmpfs/disk.qcow2"

    succeeds(host, "qemu-img", "create", "-f", "qcow2", disk, "10M")

    assert "virtual size: 10 MiB" in succeeds(host, "qemu-img", "info", disk)
    assert "No errors were found" in succeeds(host, "qemu-img", "check", disk)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_showmount_of_c_lists_exports_and_mounts(host: NfsHost, address: str) -> None:
    need("showmount")

    assert succeeds(host, "showmount", "-e", address).splitlines()[1:] == ["/srv/tmpfs *"]
    assert succeeds(host, "showmount", "-d", address).startswith("Directories on")
