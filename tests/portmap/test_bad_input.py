"""Hostile peers: the daemon still serves others, with bounded memory and a short log."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from oncrpc import sync
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.record import encode_record
from support.daemon_process import RunningDaemon
from support.words import words

pytestmark = pytest.mark.slow  # each starts a daemon
MIB = 1 << 20
IDLE = 10_000
RESET = struct.pack("@ii", 1, 0)
"""SO_LINGER with time 0: closing resets the connection."""

CAP = 1000
"""The daemon's limit of connections."""

calls = Calls(first_xid=1, retransmit=False)
NULL_CALL = calls.start(PMAP_VERS.PMAPPROC_NULL, (), now=0, timeout=1).message
DUMP_CALL = calls.start(RPCBVERS4.RPCBPROC_DUMP, (), now=0, timeout=1).message
GETADDR_CALL = calls.start(
    RPCBVERS4.RPCBPROC_GETADDR, (rpcb(100000, 4, b"tcp", b"", b""),), now=0, timeout=1
).message


@contextlib.contextmanager
def under_attack(*options: str, growth: int = 16 * MIB) -> Iterator[RunningDaemon]:
    """A daemon that after the attack still answers, has not grown, and has not filled the log."""
    with RunningDaemon("-d", *options) as daemon:
        assert daemon.answers()
        before = daemon.resident()

        yield daemon

        assert daemon.answers()
        assert daemon.resident() - before < growth
        cause, times = daemon.noisiest()
        assert times <= time.monotonic() - daemon.started + 1, cause


def mangled(message: bytes, source: random.Random) -> bytes:
    """The message cut, lengthened, or with some bytes changed."""
    kind = source.randrange(4)
    if kind == 0:
        return message[: source.randrange(len(message))]
    if kind == 1:
        return message + source.randbytes(source.choice((1, 3, 400, 9000, 60000)))
    changed = bytearray(message)
    for _ in range(source.randrange(1, 9)):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed) if kind == 2 else source.randbytes(source.randrange(1200))


def test_random_and_mangled_datagrams_do_not_disturb_others() -> None:
    source = random.Random(5531)
    messages = (NULL_CALL, DUMP_CALL, GETADDR_CALL)

    with under_attack() as daemon, daemon.datagrams() as sock:
        for number in range(5000):
            sock.send(mangled(source.choice(messages), source))
            if number % 500 == 0:
                assert daemon.answers()


def test_random_and_mangled_records_do_not_disturb_others() -> None:
    source = random.Random(4506)
    messages = (NULL_CALL, DUMP_CALL, GETADDR_CALL)

    with under_attack() as daemon:
        for _ in range(500):
            with daemon.connect() as sock, contextlib.suppress(ConnectionError):
                for _ in range(source.randrange(1, 5)):
                    record = encode_record(mangled(source.choice(messages), source)[:8000])
                    sock.sendall(mangled(record, source) if source.random() < 0.3 else record)
        assert daemon.answers()


HUGE = (0x7FFFFFFF).to_bytes(4, "big")
ENDLESS = bytes(4) * 200_000
WRONG_RECORDS = {
    "a fragment of 2 GiB is announced": HUGE + b"x" * 1000,
    "a last fragment of 2 GiB is announced": b"\xff\xff\xff\xff" + b"x" * 1000,
    "empty fragments without end": ENDLESS,
    "a record of many fragments that is too long": (b"\0\0\x10\0" + b"y" * 4096) * 1000,
    "an empty record": b"\x80\0\0\0",
    "a string longer than the record": encode_record(GETADDR_CALL[:48] + HUGE),
    "fragments of a byte, and no last one": (b"\0\0\0\1z") * 1000,
    "a credential of 401 bytes": encode_record(NULL_CALL[:24] + words(1, 401) + bytes(412)),
    "a credential of 4 GiB": encode_record(NULL_CALL[:24] + words(1, -1) + bytes(412)),
}


@pytest.mark.parametrize("data", WRONG_RECORDS.values(), ids=WRONG_RECORDS)
def test_wrong_lengths_end_only_their_connection(data: bytes) -> None:
    with under_attack() as daemon:
        for _ in range(20):
            with daemon.connect() as sock, contextlib.suppress(ConnectionError):
                sock.sendall(data)
        assert daemon.answers()


def test_half_records_do_not_disturb_others() -> None:
    half = encode_record(bytes(8900))[:-1]

    with under_attack() as daemon, contextlib.ExitStack() as held:
        for _ in range(240):
            held.enter_context(daemon.connect()).sendall(half)
        assert daemon.answers()


def test_small_fragments_do_not_delay_others() -> None:
    grinding = (bytes(4) * 1000 + encode_record(NULL_CALL)) * 10

    with under_attack() as daemon, contextlib.ExitStack() as held:
        for _ in range(50):
            held.enter_context(daemon.connect()).sendall(grinding)
        assert daemon.answers()


def test_reset_connections_leave_nothing_behind() -> None:
    source = random.Random(793)
    record = encode_record(DUMP_CALL)

    with under_attack() as daemon:
        before = open_descriptors(daemon)
        for _ in range(300):
            with daemon.connect() as sock:
                sock.sendall((record * 3)[: source.randrange(3 * len(record))])
                if source.random() < 0.5:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert daemon.answers()

        deadline = time.monotonic() + 10
        while open_descriptors(daemon) > before and time.monotonic() < deadline:
            assert daemon.answers()
        assert open_descriptors(daemon) <= before


def test_half_closed_connection_gets_its_replies() -> None:
    with under_attack() as daemon, daemon.connect() as sock:
        record = encode_record(NULL_CALL)
        sock.sendall(record + record[:20])
        sock.shutdown(socket.SHUT_WR)

        assert len(sock.recv(100, socket.MSG_WAITALL)) == 28


def test_equal_xids_get_their_own_replies() -> None:
    with under_attack() as daemon, daemon.datagrams() as sock:
        sock.settimeout(10)
        for _ in range(50):
            for message, has_results in ((NULL_CALL, False), (GETADDR_CALL, True)):
                sock.send(NULL_CALL[:4] + message[4:])
                assert (len(sock.recv(9000)) > 24) is has_results


@contextlib.contextmanager
def descriptors(wanted: int) -> Iterator[None]:
    """Let this process open that many files, or skip the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip(f"this process may open {before[1]} files at most, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_ten_thousand_idle_connections_leave_room_for_others() -> None:
    with descriptors(IDLE + 500), contextlib.ExitStack() as held, under_attack() as daemon:
        for number in range(IDLE):
            held.enter_context(daemon.connect())
            if number % 1000 == 999:
                assert daemon.answers()

        assert open_descriptors(daemon) < CAP + 100


def open_descriptors(daemon: RunningDaemon) -> int:
    import os

    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def registered(daemon: RunningDaemon, count: int) -> None:
    """Register many programs, so that a DUMP is long."""
    with sync.run(sync.dial("tcp", "127.0.0.1", daemon.port)) as link:
        client = RPCBVERS4.Client(link)
        for prog in range(400000, 400000 + count):
            entry = rpcb(prog, 1, b"tcp", b"0.0.0.0.8.1", b"")
            assert sync.run(client.RPCBPROC_SET(entry))


def test_clients_that_never_read_are_not_read_from() -> None:
    flood = encode_record(DUMP_CALL) * 2000

    with RunningDaemon("-d") as daemon:
        registered(daemon, 1000)
        before = daemon.resident()
        with contextlib.ExitStack() as held:
            for _ in range(20):
                sock = held.enter_context(daemon.connect())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.sendall(flood)
                assert daemon.answers()

            assert daemon.resident() - before < 32 * MIB


def test_slow_senders_do_not_disturb_others() -> None:
    record = encode_record(NULL_CALL)

    with under_attack() as daemon, contextlib.ExitStack() as held:
        slow = [held.enter_context(daemon.connect()) for _ in range(100)]
        for byte in record[:-1]:
            for sock in slow:
                sock.sendall(bytes([byte]))
            assert daemon.answers()
        slow[0].sendall(record[-1:])

        assert len(slow[0].recv(100)) == 28


def test_refused_registrations_are_logged_once_a_second() -> None:
    entry = rpcb(400000, 1, b"tcp", b"0.0.0.0.8.1", b"")
    call = calls.start(RPCBVERS4.RPCBPROC_SET, (entry,), now=0, timeout=1)

    with under_attack("-h", "127.0.0.2") as daemon:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", 0))
            for _ in range(500):
                sock.sendto(call.message, ("127.0.0.2", daemon.port))

        assert daemon.answers()
        assert any("declined" in line for line in daemon.lines)
