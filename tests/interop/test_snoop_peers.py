"""rpcsnoop and tshark count the same answered calls between programs of others.

Where they differ, ``docs/explanation/snoop-and-tshark.md`` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.programs.bootparam import BOOTPARAMVERS, bp_getfile_arg
from support.ganesha import start_ganesha
from support.hosts import C_RPCBIND, Host
from support.namespace import PYTHON, need
from support.nfs_host import NfsHost
from support.recorder import Recorder
from support.rpc_programs import RpcProgramsHost, program
from support.tshark import by_us, differences, explained

pytestmark = [pytest.mark.interop, pytest.mark.slow]

CLIENTS = Path(__file__).parent / "nfs_clients"
EXPORTS = "/srv/tmpfs  *(rw,no_root_squash,insecure)\n"
MAPPER, NFS, MOUNT, NIS, RSTAT, RUSERS, WALL, BOOTPARAM = (
    100000, 100003, 100005, 100004, 100001, 100002, 100008, 100026,
)  # fmt: skip
Act = Callable[[Host], None]


class Scene(NamedTuple):
    """What happens on a host, and programs with versions whose calls are answered there."""

    host: str
    act: Act
    answered: tuple[tuple[int, int], ...]
    interface: str = "lo"


def commands(*argvs: str) -> Act:
    """Run commands, each of which has to succeed; a program may be one of ``rpc_programs``."""

    def act(host: Host) -> None:
        for argv in argvs:
            name, *arguments = argv.split()
            done = host.run([program(name), *arguments], stdin="hello\n")
            assert done.returncode == 0, done.stderr

    return act


def ask_for_root(host: Host) -> None:
    """Ask the bootparam server for a file, as a diskless client does."""
    (found,) = host.registered(BOOTPARAM)[:1]
    with sync.run(host.dial("udp", "127.0.0.1", split_uaddr(found.r_addr.decode())[1])) as link:
        server = BOOTPARAMVERS.Client(link)
        sync.run(server.BOOTPARAMPROC_GETFILE(bp_getfile_arg(b"localhost", b"root")))


def broadcast(host: Host) -> None:
    """Find a program by broadcasts; rpcinfo goes on for ten seconds if nobody ends it."""
    host.run(["timeout", "2", "rpcinfo", "-b", "walld", "1"])


SCENES = {
    "libnfs": Scene(
        "nfsd",
        commands(
            "nfs-ls nfs://127.0.0.1/srv/tmpfs",
            "nfs-cp /srv/sent nfs://127.0.0.1/srv/tmpfs/sent",
            "nfs-cat nfs://127.0.0.1/srv/tmpfs/sent",
        ),
        ((MAPPER, 2), (MOUNT, 3), (NFS, 3)),
    ),
    "nfs-rs": Scene(
        "nfsd",
        commands(f"{PYTHON} {CLIENTS}/with_nfs_rs.py 127.0.0.1 /srv/tmpfs"),
        ((MOUNT, 3), (NFS, 3)),
    ),
    "pyNfsClient": Scene(
        "nfsd",
        commands(f"{PYTHON} {CLIENTS}/with_pynfsclient.py 127.0.0.1 /srv/tmpfs"),
        ((MOUNT, 3), (NFS, 3)),
    ),
    "showmount": Scene(
        "nfsd",
        commands("showmount -e 127.0.0.1", "showmount -e ::1", "showmount -a 127.0.0.1"),
        ((MAPPER, 4), (MOUNT, 3)),
    ),
    "ganesha and libnfs": Scene(
        "ganesha",
        commands("nfs-ls nfs://127.0.0.1/srv/nfs", "nfs-cat nfs://127.0.0.1/srv/nfs/hello.txt"),
        ((MAPPER, 2), (MOUNT, 3), (NFS, 3)),
    ),
    "ganesha and showmount": Scene(
        "ganesha", commands("showmount -e 127.0.0.1"), ((MAPPER, 4), (MOUNT, 3))
    ),
    "rpcinfo": Scene(
        "programs",
        commands(
            "rpcinfo -p 127.0.0.1",
            "rpcinfo -s 127.0.0.1",
            "rpcinfo -m 127.0.0.1",
            "rpcinfo -u 127.0.0.1 ypserv",
            "rpcinfo -t 127.0.0.1 ypserv 2",
            "rpcinfo -T udp6 ::1 portmapper 4",
        ),
        ((MAPPER, 2), (MAPPER, 3), (MAPPER, 4), (NIS, 1), (NIS, 2)),
    ),
    "NIS": Scene(
        "programs",
        commands(
            "ypcat -d example.org -h 127.0.0.1 passwd.byname",
            "yppoll -d example.org -h 127.0.0.1 passwd.byname",
        ),
        ((MAPPER, 4), (NIS, 2)),
    ),
    "rstat, rusers, rwall": Scene(
        "programs",
        commands("rup 127.0.0.1", "rusers -l 127.0.0.1", "rwall 127.0.0.1"),
        ((RSTAT, 5), (RUSERS, 2), (WALL, 1)),
    ),
    "broadcast": Scene("programs", broadcast, ((MAPPER, 2), (MAPPER, 3), (WALL, 1)), interface=""),
    "bootparam": Scene("programs", ask_for_root, ((BOOTPARAM, 1),)),
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    need("tshark", "nfs-ls", "showmount", "ganesha.nfsd", "rpcinfo")
    with NfsHost(EXPORTS) as nfsd, Host() as ganesha, RpcProgramsHost() as programs:
        nfsd.sh("seq 2000 > /srv/sent")
        ganesha.start(C_RPCBIND)
        start_ganesha(ganesha, tmp_path_factory.mktemp("ganesha"))
        yield {"nfsd": nfsd, "ganesha": ganesha, "programs": programs}


@pytest.mark.parametrize("name", SCENES)
def test_recorded_peers_differ_as_explained(
    name: str, hosts: dict[str, Host], tmp_path: Path
) -> None:
    scene = SCENES[name]
    host = hosts[scene.host]
    with Recorder(host, scene.interface) as recorder:
        scene.act(host)
        path = recorder.write(tmp_path, name.replace(",", "").replace(" ", "-"))

    counted = by_us(path)

    assert set(scene.answered) <= set(counted)
    assert differences(path) == explained(name)
