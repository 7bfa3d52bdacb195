"""nfs-ganesha, unchanged, registers with us; showmount and libnfs find it through us."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest

from oncrpc import rpc, sync, xdr
from oncrpc.addr import split_uaddr
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping
from oncrpc.rpc import Procedure, Version
from oncrpc.xdr import Opaque, String, UInt
from support.ganesha import MOUNT_PORT, NFS_PORT, NLM_PORT, start_ganesha
from support.hosts import Host, finished, portmap
from support.namespace import PYTHON, need
from support.words import words

pytestmark = pytest.mark.interop

NFS, MOUNT, NLM = 100003, 100005, 100021
MNT3_OK = NFS3_OK = 0
NF3DIR = 2


@xdr.struct
class mountres3_ok:
    """The result of MNT without the list of flavors (RFC 1813 §5.2.1)."""

    status: UInt
    fhandle: Opaque
    auth_flavors: Annotated[list[UInt], xdr.array(16)]


@xdr.struct
class GETATTR3resok:
    """The result of GETATTR; the first attribute is the file's type."""

    status: UInt
    obj_attributes: Annotated[bytes, xdr.fixed(84)]


class MOUNT_V3(Version, prog=MOUNT, vers=3):
    """The MNT procedure of the mount protocol."""

    MNT = Procedure[mountres3_ok, bytes](1, String, result=mountres3_ok)

    class Client(rpc.Client):
        """Calls it."""

        async def MNT(self, path: bytes) -> mountres3_ok:
            return await self.call(MOUNT_V3.MNT, path)


class NFS_V3(Version, prog=NFS, vers=3):
    """GETATTR, the NFS procedure that every client calls first."""

    GETATTR = Procedure[GETATTR3resok, bytes](1, Opaque, result=GETATTR3resok)

    class Client(rpc.Client):
        """Calls it."""

        async def GETATTR(self, handle: bytes) -> GETATTR3resok:
            return await self.call(NFS_V3.GETATTR, handle)


class Ganesha(NamedTuple):
    """A host that exports ``/srv/nfs``, and the server's process there."""

    host: Host
    server: subprocess.Popen[str]


@pytest.fixture(scope="module")
def ganesha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ganesha]:
    need("ganesha.nfsd")
    with Host() as host:
        host.start(portmap())
        yield Ganesha(host, start_ganesha(host, tmp_path_factory.mktemp("ganesha")))


@pytest.mark.slow
def test_ganesha_registers_its_programs(ganesha: Ganesha) -> None:
    found = {
        (entry.r_prog, entry.r_vers, entry.r_netid): split_uaddr(entry.r_addr.decode())[1]
        for prog in (NFS, MOUNT, NLM)
        for entry in ganesha.host.registered(prog)
    }

    netids = (b"udp", b"tcp", b"udp6", b"tcp6")
    ports = {(NFS, 3): NFS_PORT, (MOUNT, 1): MOUNT_PORT, (MOUNT, 3): MOUNT_PORT, (NLM, 4): NLM_PORT}
    assert found == {(*key, netid): port for key, port in ports.items() for netid in netids}


@pytest.mark.parametrize("asked", ["127.0.0.1", "::1", "10.77.0.1"])
def test_showmount_lists_the_export(ganesha: Ganesha, asked: str) -> None:
    need("showmount")

    done = ganesha.host.run(["showmount", "-e", asked])

    assert done.stdout == f"Export list for {asked}:\n/srv/nfs (everyone)\n", done.stderr


@pytest.mark.parametrize("option", ["-e", "-a", "-d", "--no-headers"])
def test_our_showmount_prints_what_c_prints(ganesha: Ganesha, option: str) -> None:
    need("showmount")
    ours = [PYTHON, "-m", "oncrpc.cli.showmount"]

    found = [ganesha.host.run([*tool, option, "127.0.0.1"]) for tool in (["showmount"], ours)]

    assert (found[0].returncode, found[0].stderr) == (0, "")
    assert (found[1].returncode, found[1].stdout) == (0, found[0].stdout)


def test_nfs_ls_lists_the_folder(ganesha: Ganesha) -> None:
    need("nfs-ls")

    done = ganesha.host.run(["nfs-ls", "nfs://127.0.0.1/srv/nfs"])

    assert {line.split()[-1] for line in done.stdout.splitlines()} == {"folder", "hello.txt"}


def test_nfs_cat_reads_a_file(ganesha: Ganesha) -> None:
    need("nfs-cat")

    done = ganesha.host.run(["nfs-cat", "nfs://127.0.0.1/srv/nfs/hello.txt"])

    assert done.stdout == "hello from ganesha\n", done.stderr


def test_nfs_ls_discovers_the_export(ganesha: Ganesha) -> None:
    need("nfs-ls")

    done = ganesha.host.run(["nfs-ls", "-D", "nfs://127.0.0.1"])

    assert done.stdout == "nfs://127.0.0.1/srv/nfs\n", done.stderr


def test_nfs_cp_writes_a_file(ganesha: Ganesha) -> None:
    need("nfs-cp")

    done = ganesha.host.run(["nfs-cp", "/srv/nfs/hello.txt", "nfs://127.0.0.1/srv/nfs/folder/copy"])

    assert done.returncode == 0, done.stderr
    copied = Path(ganesha.host.path("/srv/nfs/folder/copy")).read_text()
    assert copied == "hello from ganesha\n"


@pytest.mark.parametrize(
    ("source", "proto", "found"),
    [
        ("127.0.0.1", "udp", "127.0.0.1 prog {} vers 3 prot UDP port {}\n"),
        ("127.0.0.1", "tcp", "127.0.0.1 prog {} vers 3 prot TCP port {}\n"),
        ("[::1]", "tcp6", "::1 prog {} vers 3 prot TCP port {}\n"),
    ],
    ids=["udp", "tcp", "tcp6"],
)
def test_mount_nfs_finds_both_ports(ganesha: Ganesha, source: str, proto: str, found: str) -> None:
    """This does not check that the kernel can mount it."""
    need("mount.nfs")
    ganesha.host.sh("mkdir -p /run/mounted")
    command = ["mount.nfs", "-v", f"{source}:/srv/nfs", "/run/mounted"]

    done = ganesha.host.run([*command, "-o", f"vers=3,nolock,proto={proto},mountproto={proto}"])

    ganesha.host.run(["umount", "-f", "-l", "/run/mounted"])
    assert found.format(NFS, NFS_PORT) in done.stderr
    assert found.format(MOUNT, MOUNT_PORT) in done.stderr


@pytest.mark.parametrize(("netid", "prot"), [("tcp", IPPROTO_TCP), ("udp", IPPROTO_UDP)])
def test_python_client_follows_an_nfs_client(ganesha: Ganesha, netid: str, prot: int) -> None:
    """GETPORT of mount, MNT, GETPORT of NFS, GETATTR of what was mounted."""
    with sync.run(ganesha.host.dial(netid, "127.0.0.1")) as link:
        mapper = PMAP_VERS.Client(link)
        mount_port = sync.run(mapper.PMAPPROC_GETPORT(mapping(MOUNT, 3, prot, 0)))
        nfs_port = sync.run(mapper.PMAPPROC_GETPORT(mapping(NFS, 3, prot, 0)))

    assert (mount_port, nfs_port) == (MOUNT_PORT, NFS_PORT)
    with sync.run(ganesha.host.dial(netid, "127.0.0.1", mount_port)) as link:
        mounted = sync.run(MOUNT_V3.Client(link).MNT(b"/srv/nfs"))
    assert mounted.status == MNT3_OK
    with sync.run(ganesha.host.dial(netid, "127.0.0.1", nfs_port)) as link:
        attributes = sync.run(NFS_V3.Client(link).GETATTR(mounted.fhandle))
    assert attributes.status == NFS3_OK
    assert attributes.obj_attributes[:4] == words(NF3DIR)


@pytest.mark.slow
def test_ganesha_unregisters_when_it_ends(tmp_path: Path) -> None:
    need("ganesha.nfsd")
    with Host() as host:
        host.start(portmap())
        server = start_ganesha(host, tmp_path)

        server.terminate()

        finished(server)
        assert [host.registered(prog) for prog in (NFS, MOUNT, NLM)] == [[], [], []]
