"""Hostile servers: rpcinfo and pmap_dump end, in bounded time and memory, with a clear error."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from oncrpc import rpc
from oncrpc.cli import pmap_dump
from oncrpc.cli.bounded_lists import MAX_ENTRIES, MAX_REPLY
from oncrpc.cli.rpcinfo import main
from oncrpc.cli.rpcinfo.ping import MAX_TIMEOUTS
from oncrpc.errors import ProgramMismatch
from oncrpc.programs.rpcb import RPCBVERS, rp__list, rpcb, rpcb_entry, rpcb_entry_list
from oncrpc.rpc.dispatch import refuse
from oncrpc.rpc.record import encode_record
from oncrpc.sync.link import MAX_STRAY
from support.fake_mapper import Mapper4
from support.scripted_server import Server, serving
from support.threaded_servers import Behaviour, behaving
from support.words import words


class Hostile4(Mapper4):
    """Answers with strings that are as long as they may be."""

    def RPCBPROC_GETADDRLIST(self, call: rpc.Call, arg: rpcb) -> list[rpcb_entry_list]:
        text = b"\x1b[2J" + b"A" * 9000
        return [rpcb_entry_list(rpcb_entry(text, text, 3, text, text))] * 10


class Hostile3(RPCBVERS.Service):
    """Lists a program with very many versions."""

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(rpcb(400001, vers, b"tcp", b"", b"")) for vers in range(20_000)]


def rpcinfo(line: str, *services: rpc.Service) -> int:
    """The status of rpcinfo, asking these."""
    server = Server(serving(*services))
    port = server.tcp("127.0.0.1")
    with server:
        return main(f"{line} --rpcbind-port {port}".split())


def test_long_server_strings_are_cut_and_printable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rpcinfo("-l 127.0.0.1 400001 1", Hostile4()) == 0

    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(line.isprintable() and len(line) < 2000 for line in lines)


@pytest.mark.slow
def test_very_many_versions_of_a_server_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert rpcinfo("-s 127.0.0.1", Hostile3()) == 0

    _, line = capsys.readouterr().out.splitlines()
    assert line.split()[1].count(",") == 19_999


TOO_LONG = f"RPC: Can't decode result: a record of over {MAX_REPLY} bytes\n"
TOO_MANY = f"RPC: Can't decode result: a list of over {MAX_ENTRIES} entries\n"
LISTS = ("-p", "-s", "", "--json", "-s --json")
NO_MAPPING = words(1) + bytes(16)
NO_REGISTRATION = words(1) + bytes(20)
END = bytes(4)
SUCCESS = words(1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS


def listing(size: int) -> Behaviour:
    """Replies to DUMP with about ``size`` bytes of empty entries."""

    def reply(connection: socket.socket) -> None:
        call = connection.recv(65536)[4:]
        vers = int.from_bytes(call[16:20], "big")
        entry = NO_MAPPING if vers == 2 else NO_REGISTRATION
        results = entry * (size // len(entry)) + END
        connection.sendall(encode_record(call[:4] + SUCCESS + results))

    return reply


def asked(line: str, server: Behaviour) -> int:
    """The status of rpcinfo over TCP, asking such a server."""
    with behaving("tcp", server) as (host, port):
        return main(f"{line} {host} --rpcbind-port {port}".split())


@pytest.mark.parametrize("line", LISTS)
def test_a_list_of_too_many_bytes_is_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(line, listing(MAX_REPLY + 64)) == 1

    out, err = capsys.readouterr()
    assert not out
    assert err.endswith(TOO_LONG)


@pytest.mark.slow
@pytest.mark.parametrize("line", LISTS)
def test_a_list_of_too_many_entries_is_refused(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(line, listing(MAX_REPLY - 64)) == 1

    out, err = capsys.readouterr()
    assert not out
    assert err.endswith(TOO_MANY)


def test_pmap_dump_refuses_a_huge_list(capsys: pytest.CaptureFixture[str]) -> None:
    with behaving("tcp", listing(MAX_REPLY + 64)) as (_, port):
        assert pmap_dump.main(["--host=127.0.0.1", f"--rpcbind-port={port}"]) == 1

    assert capsys.readouterr().err == (
        "pmap_dump: the port mapper does not answer as it should: PMAP_VERS.PMAPPROC_DUMP at "
        f"127.0.0.1 port {port} over tcp: a record of over {MAX_REPLY} bytes\n"
    )


MEASURED = """
import sys
from oncrpc.cli.rpcinfo import main
status = main(sys.argv[1:])
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(status, int(peak.split()[1]) // 1024)
"""
"""Not getrusage(2), whose peak is that of the process before exec(2) if that was higher."""

MOST_MEBIBYTES = 150


@pytest.mark.slow
@pytest.mark.parametrize("size", [MAX_REPLY - 64, 60 << 20])
def test_memory_for_a_huge_list_is_bounded(size: int) -> None:
    with behaving("tcp", listing(size)) as (_, port):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "127.0.0.1", "--rpcbind-port", str(port)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    status, mebibytes = map(int, done.stdout.split())
    assert status == 1
    assert mebibytes < MOST_MEBIBYTES


def flooding(connection: socket.socket) -> None:
    """Sends replies to calls that nobody made until the caller hangs up."""
    while True:
        connection.sendall(encode_record(words(1) + SUCCESS) * 100)


@pytest.mark.parametrize(
    ("line", "start"),
    [("-p", "127.0.0.1: "), ("-s", "rpcinfo: can't contact rpcbind: : ")],
)
def test_a_flood_of_other_xids_ends_the_command(
    line: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with behaving("tcp", flooding) as (host, port):
        assert main(f"{line} {host} --rpcbind-port {port}".split()) == 1

    reason = f"over {MAX_STRAY} messages that answer no call"
    assert capsys.readouterr().err == f"{start}RPC: Can't decode result: {reason}\n"


def test_few_silent_versions_end_a_ping(capsys: pytest.CaptureFixture[str]) -> None:
    def claiming(message: bytes) -> bytes | None:
        vers = int.from_bytes(message[16:20], "big")
        return refuse(message[:4], ProgramMismatch(1, 99)) if vers == 0 else None

    server = Server(claiming)
    port = server.tcp()

    with server:
        assert main(f"-t 127.0.0.1 400001 -n {port} --timeout 0.01".split()) == 1

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == MAX_TIMEOUTS
    assert err.splitlines()[-1] == "rpcinfo: versions 7 to 99 were not pinged"
