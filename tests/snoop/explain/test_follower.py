"""Messages and signals to attempts: where one ends, what is in it, and its bounds."""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack

import pytest

from oncrpc.snoop.explain import channels, follower
from oncrpc.snoop.explain.reading import mount_history
from oncrpc.snoop.explain.steps import MAX_STEPS, MountAttempt, StepEnd
from oncrpc.snoop.explain.verdicts import judged_attempts
from support.captured import ACK, SYN, UP, UP6, Ends, Timed, ethernet, ip, ipv4, tcp, udp
from support.conversations import (
    MILLISECOND,
    START,
    Connection,
    call,
    datagram,
    framed,
    record,
    reply,
)
from support.mount_client import MAPPER, MOUNT, NFS, NLM, opaque
from support.mount_scripts import HANDLE

SECOND = 1000 * MILLISECOND
TO_MAPPER, TO_MOUNT = Ends(target_port=111), Ends(target_port=20048)
MOUNTED = bytes(4) + opaque(HANDLE) + pack(">II", 1, 1)
ROOT = bytes(100)


class Wire:
    """Frames in the order of time; calls are numbered."""

    def __init__(self) -> None:
        self.time, self.xid = START, 0
        self.frames: list[Timed] = []

    def send(self, frame: bytes, *, after: int = MILLISECOND) -> None:
        self.time += after
        self.frames.append((self.time, frame))

    def ask(
        self,
        target: tuple[int, int, int],
        arguments: bytes = b"",
        results: bytes | None = b"",
        ends: Ends = UP,
    ) -> None:
        """A call over UDP, and its reply."""
        self.xid += 1
        prog, vers, proc = target
        self.send(datagram(call(self.xid, arguments, prog=prog, vers=vers, proc=proc), ends))
        if results is not None:
            self.send(datagram(reply(self.xid, results), ends.back()))

    def port(self, prog: int, vers: int, port: int, ends: Ends = TO_MAPPER) -> None:
        self.ask((MAPPER, 2, 3), pack(">IIII", prog, vers, 17, 0), pack(">I", port), ends)

    def mnt(self, path: bytes, results: bytes = MOUNTED) -> None:
        self.ask((MOUNT, 3, 1), opaque(path), results, TO_MOUNT)

    def mount(self, path: bytes = b"/srv") -> None:
        self.port(MOUNT, 3, 20048)
        self.mnt(path)
        self.ask((NFS, 3, 1), opaque(HANDLE), ROOT)

    def attempts(self) -> list[MountAttempt]:
        return mount_history(framed(self.frames)).attempts

    def causes(self) -> list[str]:
        attempts = self.attempts()
        return [each.verdict.cause.name for each in judged_attempts(attempts)]


def steps(attempt: MountAttempt) -> list[str]:
    return [step.question.text for step in attempt.steps]


def test_attempt_has_the_steps_in_order() -> None:
    wire = Wire()
    wire.mount()

    (attempt,) = wire.attempts()

    assert steps(attempt) == ["GETPORT of MOUNT version 3, udp", "MNT /srv", "GETATTR"]
    assert (attempt.path, attempt.mounted) == ("/srv", True)


def test_usual_calls_are_not_steps() -> None:
    wire = Wire()
    wire.mount()
    for _ in range(5):
        wire.ask((NFS, 3, 1), opaque(HANDLE), ROOT)

    (attempt,) = wire.attempts()

    assert len(attempt.steps) == 3


def test_failed_usual_call_is_a_step() -> None:
    wire = Wire()
    wire.mount()
    wire.ask((NFS, 3, 6), opaque(HANDLE), pack(">II", 70, 0))

    assert wire.causes() == ["handle-stale"]


def test_usual_error_before_success_does_not_count() -> None:
    wire = Wire()
    wire.mount()
    wire.ask((NFS, 3, 6), opaque(HANDLE), pack(">II", 70, 0))
    wire.ask((NFS, 3, 1), opaque(HANDLE), ROOT)

    assert wire.causes() == ["healthy"]


def test_errors_of_users_do_not_count() -> None:
    wire = Wire()
    wire.mount()
    wire.ask((NFS, 3, 3), opaque(HANDLE), pack(">II", 2, 0))

    assert wire.causes() == ["healthy"]


def test_second_mount_is_another_attempt() -> None:
    wire = Wire()
    wire.mount(b"/one")
    wire.mount(b"/two")

    assert [attempt.path for attempt in wire.attempts()] == ["/one", "/two"]


def test_failed_mount_of_another_path_is_another_attempt() -> None:
    wire = Wire()
    for path in (b"/one", b"/two"):
        wire.mnt(path, pack(">I", 13))

    assert [attempt.path for attempt in wire.attempts()] == ["/one", "/two"]


def test_equal_attempts_are_reported_once() -> None:
    wire = Wire()
    for _ in range(5):
        wire.port(MOUNT, 3, 20048)
        wire.mnt(b"/srv", pack(">I", 13))

    (one,) = judged_attempts(wire.attempts())

    assert (one.verdict.cause.name, one.repeats) == ("mount-denied", 4)


def test_success_after_failures_is_reported_last() -> None:
    wire = Wire()
    wire.port(MOUNT, 3, 0)
    wire.port(MOUNT, 3, 0)
    wire.mount()

    found = judged_attempts(wire.attempts())

    assert [each.verdict.cause.name for each in found] == ["mountd-not-registered", "healthy"]


def test_retry_with_another_version_continues_the_attempt() -> None:
    wire, range_ = Wire(), pack(">II", 2, 3)
    connection = Connection(Ends(source_port=800))
    connection.send(record(call(1, prog=NFS, vers=4, proc=0)))
    connection.send(record(reply(1, range_, stat=2)), up=False)
    wire.frames += connection.frames
    wire.time = connection.time
    wire.mount()

    assert wire.causes() == ["healthy"]


def test_retransmission_is_not_a_step() -> None:
    wire = Wire()
    message = datagram(
        call(1, pack(">IIII", MOUNT, 3, 17, 0), prog=MAPPER, vers=2, proc=3), TO_MAPPER
    )
    for _ in range(3):
        wire.send(message, after=SECOND)

    (attempt,) = wire.attempts()

    assert [(step.tries, step.result.end) for step in attempt.steps] == [(3, StepEnd.SILENT)]


def test_capture_may_end_before_the_answer() -> None:
    wire = Wire()
    wire.port(MOUNT, 3, 20048)
    wire.ask((MOUNT, 3, 1), opaque(b"/srv"), None, TO_MOUNT)

    assert wire.causes() == ["capture-ends"]


def test_icmp_for_a_connection_means_a_firewall() -> None:
    wire = Wire()
    syn = ip(tcp(b"", flags=SYN), protocol=6)
    wire.send(ethernet(syn))
    wire.send(ethernet(ipv4(pack(">BBHI", 3, 3, 0, 0) + syn, UP.back(), protocol=1)))

    assert wire.causes() == ["firewall-rejects-port"]


def test_silent_host_is_reported_without_other_attempts() -> None:
    wire, solicitation = Wire(), pack(">BBHI", 135, 0, 0, 0) + ip_address(UP6.target).packed
    for _ in range(2):
        wire.send(ethernet(ip(solicitation, UP6, protocol=58)), after=SECOND)

    (one,) = judged_attempts(wire.attempts())
    wire.mount()

    assert (one.verdict.cause.name, one.attempt.server) == ("host-silent", UP6.target)
    assert wire.causes() == ["healthy"]
    assert len(judged_attempts(wire.attempts(), client=UP6.source)) == 1


def test_router_may_demand_smaller_packets() -> None:
    wire = Wire()
    wire.mount()
    wire.ask((NFS, 3, 7), opaque(HANDLE) + bytes(500), None)
    packet = ipv4(udp(bytes(500)))
    wire.send(ethernet(ipv4(pack(">BBHHH", 3, 4, 0, 0, 576) + packet, UP.back(), protocol=1)))
    wire.send(ethernet(ipv4(udp(b""))), after=SECOND)

    (one,) = judged_attempts(wire.attempts())

    assert one.verdict.cause.name == "packet-too-big"
    assert "576 bytes" in one.verdict.sentence


def test_lock_failure_keeps_the_mount() -> None:
    wire = Wire()
    wire.mount()
    wire.port(NLM, 4, 0)

    (one,) = judged_attempts(wire.attempts())

    assert one.verdict.cause.name == "lockd-not-registered"
    assert one.attempt.mounted


def test_ports_alone_are_not_an_attempt() -> None:
    wire = Wire()
    wire.port(NFS, 3, 2049)
    wire.port(100099, 1, 0)

    assert wire.causes() == []


def test_reset_before_a_call_is_a_refusal() -> None:
    wire = Wire()
    wire.send(ethernet(ip(tcp(b"", flags=SYN), protocol=6)))
    wire.send(ethernet(ip(tcp(b"", UP.back(), flags=4 | ACK), UP.back(), protocol=6)))

    assert wire.causes() == ["nfs-not-running"]


def test_server_closing_an_unused_connection_is_a_failure() -> None:
    connection = Connection()
    wire = Wire()
    wire.frames = connection.frames
    wire.time = connection.time
    wire.send(ethernet(ip(tcp(b"", UP.back(), flags=1 | ACK), UP.back(), protocol=6)))

    assert wire.causes() == ["closed-at-once"]


def test_steps_of_an_attempt_are_bounded() -> None:
    wire = Wire()
    for _ in range(MAX_STEPS + 10):
        wire.ask((NFS, 3, 19), opaque(HANDLE), pack(">II", 10008, 0))

    (attempt,) = wire.attempts()

    assert (len(attempt.steps), attempt.dropped) == (MAX_STEPS, 10)


def test_attempts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "MAX_ATTEMPTS", 2)
    wire = Wire()
    for path in (b"/a", b"/b", b"/c"):
        wire.mount(path)

    history = mount_history(framed(wire.frames))

    assert [each.path for each in history.attempts] == ["/b", "/c"]
    assert history.forgotten == 1


def test_waiting_calls_of_a_channel_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_WAITING", 2)
    wire = Wire()
    wire.mount()
    for _ in range(3):
        wire.ask((NFS, 3, 6), opaque(HANDLE), None)
    wire.send(ethernet(ipv4(udp(b""))), after=2 * SECOND)

    (attempt,) = wire.attempts()

    assert [step.result.end for step in attempt.steps[3:]] == [StepEnd.SILENT] * 2


def test_full_table_forgets_the_oldest_key() -> None:
    table: channels.BoundedTable[int, str] = channels.BoundedTable(2)
    for number in range(3):
        table.put(number, str(number))

    assert list(table) == [1, 2]
