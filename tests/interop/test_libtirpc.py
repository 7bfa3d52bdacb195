"""Servers and clients of libtirpc, compiled here from a ``.x``, find each other through us.

Each claim is checked against the C port mapper too: a test that fails there is wrong.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc.programs.rpcb import rpcb
from support.hosts import C_RPCBIND, Host, compiled, finished, portmap, until
from support.namespace import need

pytestmark = pytest.mark.interop

GREET_PROG = 400500
SOURCES = Path(__file__).parent / "greet"
GENERATED = {"greet.h": "-h", "greet_clnt.c": "-l", "greet_svc.c": "-m"}
BINARIES = {
    "client": ("greet_client.c", "greet_clnt.c"),
    "server": ("greet_server.c", "greet_svc.c", "greet_impl.c"),
    "old_server": ("greet_main.c", "greet_impl.c"),
}
NETIDS = ("udp", "tcp", "udp6", "tcp6", "local")
HOSTS = {"udp": "127.0.0.1", "tcp": "10.9.0.1", "udp6": "::1", "tcp6": "::1", "local": "localhost"}
WORDS = {1: "hello, world\n", 2: "how do you do, world?\n"}


class Peers(NamedTuple):
    """A host with a port mapper, and where the compiled programs are."""

    host: Host
    folder: Path

    def client(self, words: str) -> str:
        """What a command of the client prints; it has to succeed."""
        status, printed, errors = self.ask(words)
        assert status == 0, errors
        return printed

    def ask(self, words: str) -> tuple[int, str, str]:
        """Status, output and errors of a command of the client."""
        done = self.host.run([str(self.folder / "client"), *words.split()])
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs: of ``old_server`` even ``main`` is as rpcgen writes it."""
    need("rpcgen", "gcc", "/usr/include/tirpc/rpc/rpc.h")
    folder = tmp_path_factory.mktemp("greet")
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
    for name, option in GENERATED.items():
        compiled(["rpcgen", "-C", "-N", option, "-o", name, "greet.x"], folder)
    compiled(
        ["rpcgen", "-C", "-N", "-s", "udp", "-s", "tcp", "-o", "greet_main.c", "greet.x"], folder
    )
    for name, sources in BINARIES.items():
        compiled(
            ["gcc", "-w", "-I.", "-I/usr/include/tirpc", "-o", name, *sources, "-ltirpc"], folder
        )
    return folder


MAPPERS = {"C rpcbind": C_RPCBIND, "portmap": portmap("-r")}


@pytest.fixture(scope="module", params=MAPPERS)
def peers(request: pytest.FixtureRequest, binaries: Path) -> Iterator[Peers]:
    """The TI-RPC server runs, and is registered."""
    with Host() as host:
        host.start(MAPPERS[request.param])
        _serve(host, binaries)
        yield Peers(host, binaries)


@pytest.fixture(params=MAPPERS)
def fresh(request: pytest.FixtureRequest, binaries: Path) -> Iterator[Peers]:
    """Nobody has registered."""
    with Host() as host:
        host.start(MAPPERS[request.param])
        yield Peers(host, binaries)


def _serve(host: Host, binaries: Path) -> None:
    server = host.popen([str(binaries / "server")])
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


@pytest.mark.parametrize("netid", NETIDS)
def test_clnt_tp_create_finds_svc_create(peers: Peers, netid: str) -> None:
    printed = peers.client(f"tp {netid} {HOSTS[netid]} 1")

    assert printed == WORDS[1]


@pytest.mark.parametrize("nettype", ["udp", "tcp", "visible", "datagram_n", "circuit_v", "netpath"])
@pytest.mark.parametrize("vers", WORDS)
def test_it_is_found_by_clnt_create(peers: Peers, nettype: str, vers: int) -> None:
    printed = peers.client(f"create {nettype} localhost {vers}")

    assert printed == WORDS[vers]


def test_clnt_create_vers_settles_on_the_highest_version(peers: Peers) -> None:
    printed = peers.client("versions 127.0.0.1")

    assert printed == "version 2\n"


def test_svc_create_registers_every_visible_transport(peers: Peers) -> None:
    found = [
        (entry.r_vers, entry.r_netid, entry.r_owner) for entry in peers.host.registered(GREET_PROG)
    ]

    visible = [(v, n, b"superuser") for v in (1, 2) for n in (b"udp", b"tcp", b"udp6", b"tcp6")]
    assert found == [*visible, (1, b"local", b"superuser")]


def test_svc_unreg_takes_back_all_of_them(fresh: Peers) -> None:
    server = fresh.host.popen([str(fresh.folder / "server")])
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"

    server.terminate()

    assert finished(server) == 0
    assert fresh.host.registered(GREET_PROG) == []


def test_a_server_of_rpcgen_registers_by_svc_register(fresh: Peers) -> None:
    fresh.host.popen([str(fresh.folder / "old_server")])

    until(lambda: len(fresh.host.registered(GREET_PROG)) == 4, "both versions on udp and tcp")
    assert {entry.r_netid for entry in fresh.host.registered(GREET_PROG)} == {b"udp", b"tcp"}
    assert fresh.client("tp udp 127.0.0.1 1") == WORDS[1]
    assert fresh.client("tp tcp 127.0.0.1 2") == WORDS[2]


def test_restarted_server_replaces_its_registration(fresh: Peers) -> None:
    for _ in range(2):
        _serve(fresh.host, fresh.folder)

    printed = fresh.client("tp udp 127.0.0.1 1")

    assert printed == WORDS[1]
    assert len(fresh.host.registered(GREET_PROG)) == 9


@pytest.mark.parametrize(("netid", "asked"), [("udp", "127.0.0.1"), ("udp6", "::1")])
def test_rpcb_rmtcall_is_answered_with_result_and_address(
    peers: Peers, netid: str, asked: str
) -> None:
    printed = peers.client(f"rmtcall {netid} {asked} 5")

    assert printed == f"hello, world from {_uaddr(peers, netid, asked)}\n"


def test_rpc_broadcast_is_answered(peers: Peers) -> None:
    printed = peers.client("broadcast udp 2000")

    where = {_uaddr(peers, "udp", host) for host in ("10.9.0.1", "10.77.0.1")}
    assert printed in {f"hello, world from {uaddr}\n" for uaddr in where}


def test_clnt_broadcast_is_answered(peers: Peers) -> None:
    printed = peers.client("clnt_broadcast")

    assert printed in {f"hello, world from {host}\n" for host in ("10.9.0.1", "10.77.0.1")}


def _uaddr(peers: Peers, netid: str, host: str) -> str:
    found = next(
        entry for entry in peers.host.registered(GREET_PROG) if entry.r_netid == netid.encode()
    )
    return host + "." + ".".join(found.r_addr.decode().rsplit(".", 2)[1:])


def test_pmap_set_getport_getmaps_and_unset_agree(peers: Peers) -> None:
    asked = (
        "pmap_set 400501 1 17 99", "pmap_set 400501 1 17 99", "pmap_set 400501 1 17 98",
        "pmap_set 400501 1 6 97", "pmap_getport 400501 1 17", "pmap_getport 400501 9 6",
        "pmap_getmaps 400501", "pmap_unset 400501 1", "pmap_getport 400501 1 17",
        "pmap_unset 400501 1",
    )  # fmt: skip

    printed = [peers.client(words) for words in asked]

    maps = "400501 1 17 99\n400501 1 6 97\n"
    assert printed == ["1\n", "1\n", "0\n", "1\n", "99\n", "97\n", maps, "1\n", "0\n", "1\n"]


@pytest.mark.parametrize("netid", ["udp", "tcp", "udp6", "tcp6"])
def test_rpcb_getaddr_gives_the_address_that_was_asked(peers: Peers, netid: str) -> None:
    printed = peers.client(f"getaddr {netid} {HOSTS[netid]} {GREET_PROG} 1")

    assert printed == _uaddr(peers, netid, HOSTS[netid]) + "\n"


def test_rpcb_getaddr_reports_a_missing_program(peers: Peers) -> None:
    status, printed, errors = peers.ask("getaddr udp 127.0.0.1 400555 1")

    assert (status, printed) == (1, "")
    assert errors == "no address: RPC: Program not registered\n"


@pytest.mark.parametrize("netid", ["tcp", "udp", "tcp6"])
def test_rpcb_getmaps_lists_the_registrations(peers: Peers, netid: str) -> None:
    printed = peers.client(f"rpcb_getmaps {netid} {HOSTS[netid]} {GREET_PROG}")

    assert printed == "".join(map(_line, peers.host.registered(GREET_PROG)))


def _line(entry: rpcb) -> str:
    names = (entry.r_netid, entry.r_addr, entry.r_owner)
    return f"{entry.r_prog} {entry.r_vers} {' '.join(name.decode() for name in names)}\n"


@pytest.mark.parametrize("asked", ["127.0.0.1", "localhost"])
def test_rpcb_gettime_is_the_time(peers: Peers, asked: str) -> None:
    before = int(time.time())

    printed = peers.client(f"gettime {asked}")

    assert before <= int(printed) <= time.time()


@pytest.mark.parametrize("path", ["/tmp/x", "/run/a_long_name" * 6])
def test_addresses_are_converted_there_and_back(peers: Peers, path: str) -> None:
    """libtirpc asks over the local socket, so that only local addresses can be meant."""
    printed = peers.client(f"convert local {path}")

    assert printed == f"{len(path) + 2} bytes, {path}\n"


@pytest.fixture(scope="module")
def without_local(binaries: Path) -> Iterator[Peers]:
    """Our port mapper has no local socket."""
    with Host() as host:
        host.popen(portmap("--no-local").command)
        until(lambda: host.serves("tcp6", "::1"), "the port mapper answers over TCP")
        yield Peers(host, binaries)


def test_without_a_local_socket_libtirpc_registers_over_tcp(without_local: Peers) -> None:
    _serve(without_local.host, without_local.folder)

    printed = without_local.client("tp udp6 ::1 2")

    owners = {entry.r_owner for entry in without_local.host.registered(GREET_PROG)}
    assert printed == WORDS[2]
    assert owners == {b"superuser"}  # it calls from a reserved port


@pytest.fixture(scope="module")
def without_forwarding(binaries: Path) -> Iterator[Peers]:
    """Our port mapper does not call for others, which is the default."""
    with Host() as host:
        host.start(portmap())
        _serve(host, binaries)
        yield Peers(host, binaries)


@pytest.mark.parametrize("words", ["broadcast udp 300", "rmtcall udp 127.0.0.1 1"])
@pytest.mark.slow
def test_without_forwarding_calls_are_dropped(without_forwarding: Peers, words: str) -> None:
    status, printed, errors = without_forwarding.ask(words)

    assert (status, printed) == (1, "")
    assert errors.endswith("RPC: Timed out\n")
