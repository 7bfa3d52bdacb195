"""Frames to messages: datagrams, connections, losses, and bounds."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from struct import pack

import pytest

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.streams import tracer as tracer_module
from oncrpc.snoop.streams.tracer import Tracer
from support.captured import UP, UP6, Ends, ethernet, fragments, ip, ipv4, tcp, udp
from support.conversations import (
    MILLISECOND,
    START,
    SYN,
    Connection,
    call,
    datagram,
    framed,
    record,
    reply,
)


def traced(frames: list[CapturedFrame], *, keep: int = 1 << 16) -> list[RpcMessage]:
    return list(Tracer(keep=keep).messages(iter(frames)))


def of_datagrams(*messages: tuple[bytes, Ends]) -> list[RpcMessage]:
    return traced(framed((START, datagram(message, ends)) for message, ends in messages))


@pytest.mark.parametrize("ends", [UP, UP6], ids=["IPv4", "IPv6"])
def test_datagrams_are_matched(ends: Ends) -> None:
    first, second = of_datagrams((call(7), ends), (reply(7), ends.back()))

    assert (first.is_call, first.transport, first.xid) == (True, "udp", 7)
    assert (first.prog, first.vers, first.proc) == (100003, 3, 1)
    assert (first.source, first.target) == (Party(ends.source, 700), Party(ends.target, 2049))
    assert (first.body, first.length, first.cut) == (call(7), 40, False)
    assert second.call is first
    assert second.source == first.target


def test_udp_reply_may_come_from_another_address() -> None:
    elsewhere = Ends("192.0.2.99", UP.source, 900, UP.source_port)

    first, second = of_datagrams((call(7), UP), (reply(7), elsewhere))

    assert second.call is first


def test_udp_reply_to_another_port_is_not_matched() -> None:
    other = UP.back()._replace(target_port=701)

    _, second = of_datagrams((call(7), UP), (reply(7), other))

    assert second.call is None


def test_all_replies_to_a_broadcast_have_their_call() -> None:
    servers = [UP.back()._replace(source=f"192.0.2.{number}") for number in (5, 6, 7)]

    first, *rest = of_datagrams((call(7), UP), *((reply(7), ends) for ends in servers))

    assert [(each.call is first, each.duplicate) for each in rest] == [(True, False)] * 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(19),
        bytes(60),
        b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1",
        call(1)[:30],
        call(1, credential=pack(">II", 1, 401)),
        pack(">III", 1, 0, 3) + call(1)[12:],
        pack(">III", 1, 1, 9) + bytes(20),
        reply(1)[:12] + pack(">III", 77, 0, 0),
    ],
)
def test_other_datagrams_are_no_messages(data: bytes) -> None:
    assert of_datagrams((data, UP)) == []


def test_reply_with_unknown_flavor_needs_its_call() -> None:
    strange = reply(1)[:12] + pack(">III", 77, 0, 0)

    assert len(of_datagrams((call(1), UP), (strange, UP.back()))) == 2


def test_fragmented_call_has_times_of_both_ends() -> None:
    message = call(7, bytes(4000))
    pieces = fragments(ipv4(udp(message)), size=1480)
    frames = framed((START + MILLISECOND * n, ethernet(each)) for n, each in enumerate(pieces))

    (found,) = traced(frames)

    assert (found.body, found.transfer_time, found.number) == (message, 2 * MILLISECOND, 3)


def test_call_that_misses_a_fragment_is_cut() -> None:
    pieces = fragments(ipv4(udp(call(7, bytes(4000)))), size=1480)

    (found,) = traced(framed((START, ethernet(each)) for each in pieces[:2]))

    assert (found.cut, found.length, len(found.body)) == (True, 4040, 2952)


def test_connection_is_matched() -> None:
    connection = Connection()
    connection.exchange(1, bytes(5000), bytes(3000))
    connection.exchange(2)

    first, second, third, fourth = traced(connection.captured())

    assert second.call is first
    assert fourth.call is third
    assert (first.transport, first.length, len(second.body)) == ("tcp", 5040, 3024)
    assert first.transfer_time == 3 * MILLISECOND
    assert second.service_time == MILLISECOND


def test_calls_may_go_both_ways() -> None:
    connection = Connection()
    connection.send(record(call(5)))
    connection.send(record(call(5, prog=0x4000_0000)), up=False)
    connection.send(record(reply(5)))
    connection.send(record(reply(5)), up=False)

    found = traced(connection.captured())

    assert [each.prog for each in found] == [100003, 0x4000_0000, 0x4000_0000, 100003]
    assert found[2].call is found[1]
    assert found[3].call is found[0]


def test_only_so_much_of_a_body_is_kept() -> None:
    connection = Connection()
    connection.send(record(call(1, bytes(9000))))
    frames = connection.captured() + framed([(START, datagram(call(2, bytes(1000))))])

    found = traced(frames, keep=100)

    assert [(len(each.body), each.length, each.cut) for each in found] == [
        (100, 9040, True),
        (100, 1040, True),
    ]


def test_call_whose_end_was_lost_precedes_its_reply() -> None:
    connection, message = Connection(), record(call(1, bytes(3000)))
    connection.send(message[:1448])
    connection.lose(len(message) - 1448)
    connection.send(record(reply(1)), up=False)

    first, second = traced(connection.captured())

    assert first.cut
    assert (first.length, len(first.body)) == (3040, 1444)
    assert second.call is first


def test_call_whose_header_was_lost_is_counted() -> None:
    connection, message = Connection(), record(call(1, bytes(3000)))
    connection.send(message[:20])
    connection.lose(len(message) - 20)
    connection.exchange(2)
    tracer = Tracer()

    found = list(tracer.messages(iter(connection.captured())))

    assert [each.xid for each in found] == [2, 2]
    assert tracer.unreadable == 1
    assert tracer.lost == len(message) - 20


def test_lone_call_of_an_old_connection_is_seen() -> None:
    connection = Connection(opened=False)
    connection.send(record(call(1)))

    (found,) = traced(connection.captured())

    assert found.xid == 1


@pytest.mark.parametrize("opened", [True, False])
def test_frames_may_be_captured_in_part(opened: bool) -> None:
    connection = Connection(opened=opened)
    for xid in range(5):
        connection.exchange(xid, bytes(500), bytes(400))
    frames = [frame._replace(data=frame.data[:130]) for frame in connection.captured()]

    found = traced(frames)

    assert [each.xid for each in found] == [xid for xid in range(5) for _ in range(2)]
    assert all(each.cut and each.length > 400 for each in found)
    assert all(each.is_call or each.call is not None for each in found)


def test_data_that_look_like_calls_are_not() -> None:
    connection = Connection(opened=False)
    connection.send(bytes(50) + record(call(666)) + record(call(667)))
    tracer = Tracer()

    assert list(tracer.messages(iter(connection.captured()))) == []
    assert tracer.matcher.dropped == 2


@pytest.mark.parametrize(("xid", "seen"), [(11, True), (9, True), (0x7700_0000, False)])
def test_lone_call_behind_a_loss_needs_near_xid(xid: int, seen: bool) -> None:
    connection = Connection()
    connection.exchange(10)
    connection.lose(500)
    connection.send(record(call(xid)))

    found = traced(connection.captured() + framed([(connection.time, b"")]))

    assert (xid in [each.xid for each in found]) is seen


def test_replies_confirm_calls_in_doubt() -> None:
    connection = Connection(opened=False)
    connection.send(bytes(50) + record(call(1)) + record(call(2)))
    connection.send(record(reply(1)) + record(reply(2)), up=False)

    found = traced(connection.captured())

    assert [(each.xid, each.is_call) for each in found] == [
        (1, True), (1, False), (2, True), (2, False)
    ]  # fmt: skip


def test_other_connections_have_no_messages() -> None:
    connection, source = Connection(), Random(80)
    connection.send(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(50):
        connection.send(source.randbytes(3000), up=False)
    tracer = Tracer()

    assert list(tracer.messages(iter(connection.captured()))) == []
    assert tracer.held < 100


def test_messages_precede_the_damage() -> None:
    frames = framed([(START, datagram(call(1)))])
    pieces = fragments(ipv4(udp(call(2, bytes(4000)))), size=1480)

    def damaged() -> Iterator[CapturedFrame]:
        yield from frames
        yield from framed([(START, ethernet(pieces[0]))])
        raise CaptureDamaged(99, "damaged")

    messages = Tracer().messages(damaged())

    assert [next(messages).xid, next(messages).xid] == [1, 2]
    with pytest.raises(CaptureDamaged):
        next(messages)


def test_number_of_connections_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "MAX_FLOWS", 20)
    tracer, connection = Tracer(), Connection()
    connection.send(record(call(1)))
    for frame in connection.captured():
        tracer.feed(frame)

    for port in range(1000, 1100):
        ends = Ends(source_port=port)
        segment = ethernet(ip(tcp(b"", ends, flags=SYN), ends, protocol=6))
        tracer.feed(CapturedFrame(1, START, 1, segment, len(segment)))

    assert tracer.forgotten_flows == 102 - 20


def test_connection_in_use_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "MAX_FLOWS", 20)
    tracer, connection = Tracer(), Connection()
    found = list[RpcMessage]()
    for number in range(100):
        begin = len(connection.frames)
        connection.send(record(call(number, bytes(3000))))
        for frame in connection.captured()[begin if number else 0 :]:
            ends = Ends(source_port=2000 + number)
            segment = ethernet(ip(tcp(b"", ends, flags=SYN), ends, protocol=6))
            tracer.feed(CapturedFrame(1, START, 1, segment, len(segment)))
            found += tracer.feed(frame)

    assert [each.xid for each in found] == list(range(100))


def test_bytes_of_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "MAX_STREAM_BYTES", 100_000)
    tracer = Tracer()

    for port in range(1000, 1200):
        connection = Connection(Ends(source_port=port))
        connection.send(record(call(1, bytes(9000)))[:5000])
        for frame in connection.captured():
            tracer.feed(frame)
        assert tracer.held <= 100_000

    assert tracer.forgotten_flows > 100
