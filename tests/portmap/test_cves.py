"""Known attacks on port mappers and their clients, repeated against ours.

``ADVISORIES`` has every one: the trigger, what must hold, and where that is shown. An attack on the
daemon is a function here; all are made on one real process, which has to answer others meanwhile
and may not have grown afterwards.
"""

from __future__ import annotations

import ast
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc.rpc.record import encode_record
from support.daemon_process import DEADLINE, RunningDaemon
from support.words import words

MIB = 1 << 20
MOST_GROWTH = 5 * MIB
TESTS = Path(__file__).resolve().parents[1]
NONE = words(0, 0)
NULL = words(0, 2, 100000, 2, 0, NONE, NONE)
GARBAGE, TOO_WEAK = words(1, 0, 0, 0, 4), words(1, 1, 1, 5)
HUGE = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFF, 1_000_000_000)
"""Lengths that overflow when padded or multiplied, and lengths that are only large."""

CALL_OTHERS = ((2, 5), (3, 5), (4, 5), (4, 10))
"""CALLIT of both versions, BCAST, INDIRECT: version and procedure."""

CALLED = 400001
AS_ROOT = ("--user", "root") if os.geteuid() == 0 else ()
"""Needed because the daemon shares files and limits with the test."""


def called(vers: int, proc: int, *arguments: int | bytes, cred: bytes = NONE) -> bytes:
    """A call of program 100000, without its xid."""
    return words(0, 2, 100000, vers, proc, cred, NONE, *arguments)


def string(data: bytes) -> bytes:
    """A counted string, padded."""
    return words(len(data), data, bytes(-len(data) % 4))


def replies(sock: socket.socket, calls: Sequence[bytes]) -> list[bytes | None]:
    """The reply to each call without its xid; None if only two later calls got a reply.

    One is not enough: a call that may be forwarded is answered in the loop's next turn.
    """
    found: dict[bytes, bytes] = {}
    xids = [words(xid) for xid, _ in enumerate(calls, 1)]
    for xid, call in zip(xids, calls, strict=True):
        sock.send(xid + call)
        for probe in (words(0xFFFFFFFE), words(0xFFFFFFFF)):
            sock.send(probe + NULL)
            while (reply := sock.recv(65536))[:4] != probe:
                found[reply[:4]] = reply[4:]
    return [found.get(xid) for xid in xids]


def ask(daemon: RunningDaemon, calls: Sequence[bytes]) -> list[bytes | None]:
    """The same over UDP from 127.0.0.1."""
    with daemon.datagrams() as sock:
        sock.settimeout(DEADLINE)
        return replies(sock, calls)


def answered_elsewhere(daemon: RunningDaemon) -> None:
    """An untrusted host cannot register, by any procedure."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.bind(("127.0.0.2", 0))
        sock.connect(("127.0.0.2", daemon.port))
        entry = words(CALLED, 1, string(b"udp"), string(b"0.0.0.0.8.1"), string(b""))
        calls = [called(2, proc, CALLED, 1, 17, 2049) for proc in (1, 2)]
        calls += [called(vers, proc, entry) for vers in (3, 4) for proc in (1, 2)]

        assert replies(sock, calls) == [TOO_WEAK] * len(calls)


def used_as_a_proxy(daemon: RunningDaemon) -> None:
    """Calls are forwarded only if that is configured."""
    with registered(daemon, CALLED) as program:
        forbidden = [called(*how, 100003, 3, 1, string(b"")) for how in CALL_OTHERS]
        allowed = [called(*how, CALLED, 1, 1, string(b"")) for how in CALL_OTHERS]

        assert ask(daemon, forbidden) == [TOO_WEAK] * 4
        assert ask(daemon, allowed) == [None, None, None, words(1, 0, 0, 0, 5)]
        with pytest.raises(BlockingIOError):
            program.recv(1)


class registered:
    """A UDP socket that is registered as a program while the context lasts."""

    def __init__(self, daemon: RunningDaemon, prog: int) -> None:
        self.daemon, self.prog = daemon, prog
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> socket.socket:
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self._tell(1)
        return self.sock

    def __exit__(self, *_: object) -> None:
        self._tell(2)
        self.sock.close()

    def _tell(self, proc: int) -> None:
        port = self.sock.getsockname()[1]
        done = ask(self.daemon, [called(2, proc, self.prog, 1, 17, port)])
        assert done == [words(1, 0, 0, 0, 0, 1)]


def asked_on_other_ports(daemon: RunningDaemon) -> None:
    """The daemon opens no port that a packet filter would not know."""
    assert ports_of(daemon.process.pid) == {daemon.port}


def ports_of(pid: int) -> set[int]:
    """The ports of the UDP sockets and the listening TCP sockets of a process."""
    folder = f"/proc/{pid}"
    opened = (os.readlink(f"{folder}/fd/{name}") for name in os.listdir(f"{folder}/fd"))
    inodes = {name[8:-1] for name in opened if name.startswith("socket:[")}
    found = set()
    for table in ("udp", "udp6", "tcp", "tcp6"):
        path = Path(folder, "net", table)
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for fields in map(str.split, lines):
            if fields[9] in inodes and (table.startswith("udp") or fields[3] == "0A"):
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def told_huge_lengths(daemon: RunningDaemon) -> None:
    """A length is checked against the bytes present before anything is allocated."""
    short = words(CALLED, 1)
    places = [
        called(3, 1, short), called(3, 3, short), called(4, 3, short), called(4, 9, short),
        called(4, 11, short), called(3, 7), called(4, 7), called(3, 8, 16), called(4, 8, 16),
        called(3, 3, short, string(b"udp")), called(3, 1, short, string(b""), string(b"")),
        called(4, 10, CALLED, 1, 1),
    ]  # fmt: skip
    calls = [place + words(length) for place in places for length in HUGE]
    silent = [called(2, 5, CALLED, 1, 1, length) for length in HUGE]

    assert ask(daemon, calls) == [GARBAGE] * len(calls)
    assert ask(daemon, silent) == [None] * len(silent)
    for call in calls:
        assert over_tcp(daemon, words(1, call)) == words(1, GARBAGE)


def told_huge_lengths_of_credentials(daemon: RunningDaemon) -> None:
    """The same for arrays: the groups and machine name of AUTH_SYS, and credentials."""
    for length in HUGE:
        machine = words(1, 24, 0, length, 0, 0, 0, 0)
        groups = words(1, 24, 0, string(b""), 0, 0, length, 0)
        whole = words(1, length, 0, 0, 0)
        bad = words(1, 1, 1, 1)
        calls = [called(2, 3, CALLED, 1, 17, 0, cred=cred) for cred in (machine, groups, whole)]

        assert ask(daemon, calls) == [bad, bad, None]


def over_tcp(daemon: RunningDaemon, message: bytes) -> bytes:
    """The reply to a record on its own connection; empty if the connection ends."""
    with daemon.connect() as sock:
        sock.settimeout(DEADLINE)
        sock.sendall(encode_record(message))
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while received := sock.recv(65536):
            data += received
    return data[4:]


def asked_with_addresses_of_every_length(daemon: RunningDaemon) -> None:
    """TADDR2UADDR parses a socket address that the caller made."""
    families = [number.to_bytes(2, sys.byteorder) for number in (0, 1, 2, 10, 16, 0xFFFF)]
    addresses = [family + b"\xff" * size for family in families for size in range(0, 140, 3)]
    calls = [called(3, 8, len(data), string(data)) for data in addresses]
    longer = [called(4, 8, len(data) - 1, string(data)) for data in addresses]
    found = ask(daemon, calls)

    assert all(reply is not None and reply[:20] == words(1, 0, 0, 0, 0) for reply in found)
    assert ask(daemon, longer) == [GARBAGE] * len(longer)


def sent_cut_arguments(daemon: RunningDaemon) -> None:
    """Truncated arguments are garbage; bytes of an earlier call are not used."""
    entry = words(CALLED, 1, string(b"udp"), string(b"0.0.0.0.8.1"), string(b"0"))
    whole = [called(vers, proc, entry) for vers in (3, 4) for proc in (1, 2, 3)]
    whole += [called(2, proc, CALLED, 1, 17, 2049) for proc in (1, 2, 3)]
    cut = [call[:end] for call in whole for end in range(len(NULL), len(call), 4)]

    assert ask(daemon, cut) == [GARBAGE] * len(cut)


def sent_cut_headers(daemon: RunningDaemon) -> None:
    """A message that is not a call gets no reply and affects no other call."""
    cut = [NULL[:end] for end in range(len(NULL) - 1)]

    assert ask(daemon, cut) == [None] * len(cut)


def bombed(daemon: RunningDaemon) -> None:
    """Announced strings of a gigabyte take no memory: the trigger of the advisory, and more."""
    gigabyte = 1_000_000_000
    places = [called(3, 3, CALLED, 1), called(3, 7), called(3, 8, 16), called(4, 10, 1, 1, 1)]
    before = daemon.resident()

    for _ in range(50):
        ask(daemon, [place + words(gigabyte) for place in (*places, called(2, 5, 1, 1, 1))])

    assert daemon.resident() - before < MIB


def crowded(daemon: RunningDaemon) -> None:
    """Idle connections, and those with half a record, only displace each other."""
    with ExitStack() as held:
        for number in range(600):
            sock = held.enter_context(daemon.connect())
            sock.sendall(words(1 << 31 | 40, NULL)[: number % 8])
        assert daemon.answers()


Attack = Callable[[RunningDaemon], None]


class Advisory(NamedTuple):
    """An advisory: the attack, the expected behaviour, and the test that shows it."""

    trigger: str
    holds: str
    shown: Attack | str


HERE = "portmap/test_cves.py::"
FORGED = "interop/test_forged.py::"
CLIENT = "cli/rpcinfo/test_hostile.py::"
FORGED_CALL = FORGED + "test_forged_loopback_source_does_not_register"
REBOUND = HERE + "test_only_configured_addresses_are_served"
FORWARDED = HERE + "test_forwarded_replies_go_to_the_caller"
PLANTED = HERE + "test_planted_files_are_neither_read_nor_written"
STARVED = HERE + "test_without_descriptors_the_daemon_neither_spins_nor_ends"
LISTED = CLIENT + "test_long_server_strings_are_cut_and_printable"
SUMMED = CLIENT + "test_very_many_versions_of_a_server_are_listed"
ICMP = FORGED + "test_client_survives_a_flood_of_icmp_errors"

ADVISORIES = {
    "CVE-1999-0632": Advisory(
        "the port mapper can be reached (informational)",
        "it serves the addresses that it is told to, and others may only ask",
        REBOUND,
    ),
    "CVE-1999-0632, asked from elsewhere": Advisory(
        "SET and UNSET of every version from another host", "AUTH_TOOWEAK", answered_elsewhere
    ),
    "CVE-1999-0168": Advisory(
        "CALLIT, BCAST and INDIRECT of NFS, mount and another program",
        "nothing arrives there: forwarding is off",
        used_as_a_proxy,
    ),
    "CVE-1999-0168, with -r": Advisory(
        "the same with forwarding on",
        "what must not be called is not, and the rest has our loopback address",
        HERE + "test_forwarding_does_not_call_nfs_and_mount",
    ),
    "CVE-1999-0195": Advisory("SET over UDP, source 127.0.0.1 forged", "refused", FORGED_CALL),
    "CVE-1999-0461": Advisory("UNSET over UDP, source 127.0.0.1 forged", "refused", FORGED_CALL),
    "CVE-2011-0321": Advisory("both, where the kernel lets them in", "refused", FORGED_CALL),
    "CVE-1999-0189": Advisory(
        "calls on a high UDP port, past the filter", "there is no such port", asked_on_other_ports
    ),
    "CVE-2002-0391": Advisory(
        "arrays whose length overflows when multiplied",
        "AUTH_BADCRED, or silence",
        told_huge_lengths_of_credentials,
    ),
    "CVE-2003-0028": Advisory(
        "strings whose length overflows when padded", "GARBAGE_ARGS", told_huge_lengths
    ),
    "CVE-2005-2132": Advisory("headers that end too early", "silence", sent_cut_headers),
    "CVE-2007-0165": Advisory("arguments that end too early", "GARBAGE_ARGS", sent_cut_arguments),
    "CVE-2008-4619": Advisory(
        "TADDR2UADDR of addresses of every family and length",
        "a text, or GARBAGE_ARGS",
        asked_with_addresses_of_every_length,
    ),
    "CVE-2010-2061": Advisory(
        "portmap.xdr and rpcbind.xdr planted as links", "not read, not written", PLANTED
    ),
    "CVE-2010-2064": Advisory("the same, in the place of the file beside", "not written", PLANTED),
    "CVE-2013-1950": Advisory(
        "arguments that cannot be decoded", "GARBAGE_ARGS", sent_cut_arguments
    ),
    "CVE-2015-7236": Advisory(
        "many CALLITs from different hosts under way", "each gets its own reply", FORWARDED
    ),
    "CVE-2016-4429": Advisory(
        "a UDP client under a flood of ICMP errors", "a reply or a declared error", ICMP
    ),
    "CVE-2017-8779": Advisory(
        "strings of a gigabyte announced over UDP", "memory stays flat", bombed
    ),
    "CVE-2018-14621": Advisory("no descriptor left for accept", "no spinning", STARVED),
    "CVE-2018-14622": Advisory("no descriptor left for accept", "no crash", STARVED),
    "CVE-2021-46828": Advisory("many idle connections", "new ones take their place", crowded),
    "CVE-2026-16277": Advisory(
        "rpcinfo -l, and strings of 9000 bytes", "printable lines of bounded length", LISTED
    ),
    "CVE-2026-16461": Advisory(
        "rpcinfo -s, and 20,000 versions of a program", "all are listed", SUMMED
    ),
}

ATTACKS = {cve: each.shown for cve, each in ADVISORIES.items() if not isinstance(each.shown, str)}
ELSEWHERE = {cve: each.shown for cve, each in ADVISORIES.items() if isinstance(each.shown, str)}


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """One daemon for all attacks, not restarted between them."""
    with RunningDaemon() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_trigger_does_not_disturb_other_callers(daemon: RunningDaemon, attack: Attack) -> None:
    assert daemon.answers()
    before = daemon.resident()

    attack(daemon)

    assert daemon.answers()
    assert daemon.resident() - before < MOST_GROWTH


@pytest.mark.parametrize("shown", ELSEWHERE.values(), ids=ELSEWHERE)
def test_every_named_test_exists(shown: str) -> None:
    assert is_there(shown)


def test_tests_named_in_security_page_exist() -> None:
    page = TESTS.parent / "docs" / "explanation" / "security.md"
    named = re.findall(r"`tests/([\w/]+\.py(?:::\w+)?)`", page.read_text())

    assert len(named) > 10
    assert [name for name in named if not is_there(name)] == []


def is_there(test: str) -> bool:
    """True if that test exists; without a test name, if the module exists."""
    path, _, name = test.partition("::")
    tree = ast.parse((TESTS / path).read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return name in found if name else any(each.startswith("test_") for each in found)


@pytest.mark.slow
def test_only_configured_addresses_are_served() -> None:
    with RunningDaemon("-h", "127.0.0.3") as running:
        socket.create_connection(("127.0.0.3", running.port), DEADLINE).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.4", running.port), DEADLINE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(("127.0.0.4", running.port))
            sock.send(words(1, NULL))
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100)


@pytest.mark.slow
def test_forwarding_does_not_call_nfs_and_mount() -> None:
    with RunningDaemon("-r") as running:
        for prog in (100003, 100005, 100009, 100011):
            with registered(running, prog) as program:
                calls = [called(*how, prog, 1, 1, string(b"")) for how in CALL_OTHERS]

                assert ask(running, calls) == [TOO_WEAK] * 4
                with pytest.raises(BlockingIOError):
                    program.recv(1)
        with registered(running, CALLED) as program, running.datagrams() as caller:
            caller.send(words(7, called(2, 5, CALLED, 1, 1, string(b""))))
            program.settimeout(DEADLINE)

            message, source = program.recvfrom(9000)
            program.sendto(message[:4] + words(1, 0, 0, 0, 0), source)

            assert source[0] == "127.0.0.1"
            assert caller.recv(9000)[:8] == words(7, 1)


@pytest.mark.slow
def test_forwarded_replies_go_to_the_caller() -> None:
    with RunningDaemon("-r") as running, ExitStack() as held:
        program = held.enter_context(registered(running, CALLED))
        program.settimeout(DEADLINE)
        callers = [held.enter_context(caller_from(running, number)) for number in range(2, 34)]
        for number, caller in enumerate(callers):
            caller.send(words(9, called(2, 5, CALLED, 1, 1, 4, number)))
        under_way = [program.recvfrom(9000) for _ in callers]

        for message, source in reversed(under_way):
            program.sendto(message[:4] + words(1, 0, 0, 0, 0) + message[-4:], source)

        port = program.getsockname()[1]
        for number, caller in enumerate(callers):
            assert caller.recv(9000) == words(9, 1, 0, 0, 0, 0, port, 4, number)
        assert running.answers()


def caller_from(running: RunningDaemon, number: int) -> socket.socket:
    """A socket in another network namespace, since 127/8 is always this host."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(DEADLINE)
    sock.bind((f"127.0.0.{number}", 0))
    sock.connect(("127.0.0.1", running.port))
    return sock


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rpcbind.xdr", "portmap.xdr", "rpcbind.xdr.new"])
def test_planted_files_are_neither_read_nor_written(name: str, tmp_path: Path) -> None:
    folder, victim = tmp_path / "warm", tmp_path / "victim"
    folder.mkdir(mode=0o700)
    victim.write_bytes(b"precious")
    (folder / name).symlink_to(victim)

    with RunningDaemon(f"--warm-start={folder}", *AS_ROOT) as running, registered(running, CALLED):
        assert running.answers()

    assert victim.read_bytes() == b"precious"


@pytest.mark.slow
def test_state_directory_writable_by_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    command = [sys.executable, "-m", "oncrpc.cli.portmap", "-f", "--no-local", "--port", "0"]

    started = subprocess.run(
        [*command, *AS_ROOT, "--state-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip

    assert started.returncode == 1
    assert "is open to others" in started.stderr


@pytest.mark.slow
def test_without_descriptors_the_daemon_neither_spins_nor_ends() -> None:
    with RunningDaemon(*AS_ROOT) as running, ExitStack() as held:
        pid, before = running.process.pid, running.resident()
        opened = len(os.listdir(f"/proc/{pid}/fd"))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + 10, hard))
        for _ in range(30):
            held.enter_context(running.connect())
        running.answers()
        began, used = time.monotonic(), processor_time(pid)

        for _ in range(5):
            assert running.answers()

        assert any("cannot accept" in line for line in running.lines)
        assert processor_time(pid) - used < 0.5 * (time.monotonic() - began) + 0.1
        assert running.resident() - before < MOST_GROWTH


def processor_time(pid: int) -> float:
    """The CPU time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
