"""From the frames of a capture to lines: all rooms of the tracer together."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from oncrpc.rpc.record import encode_record
from oncrpc.snoop.capture.files import frames_of
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from snoop.words.test_line import MOUNT_FLOW, NFS, mount_flow
from support.captured import UP, Timed, ethernet, ip, pcap, tcp, udp

SECOND = 1_000_000_000
HOSTS = {UP.source: "client", UP.target: "server"}


def packets(messages: list[RpcMessage]) -> Iterator[bytes]:
    """NFS over one connection, the rest over UDP; each call has an xid of its own."""
    sent = {True: 1, False: 1}
    for number, message in enumerate(messages):
        ends = UP if message.is_call else UP.back()
        body = (number // 2).to_bytes(4, "big") + message.body[4:]
        if message.prog != NFS:
            yield ip(udp(body, ends), ends)
            continue
        record = encode_record(body)
        yield ip(
            tcp(record, ends, seq=sent[message.is_call], ack=sent[not message.is_call]),
            ends,
            protocol=6,
        )
        sent[message.is_call] += len(record)


def test_mount_in_a_capture_reads_as_in_snoop() -> None:
    frames: list[Timed] = [
        (number * SECOND, ethernet(packet))
        for number, packet in enumerate(packets(mount_flow()), 1)
    ]
    file = cast(BinaryIO, io.BytesIO(pcap(frames)))

    programs, lines = KnownPrograms(), ""
    for each in Tracer().messages(frames_of(file)):
        ends = f"{HOSTS[each.source.host]} -> {HOSTS[each.target.host]}"
        lines += f"{ends} {line_of(each, programs)}\n"

    assert lines == MOUNT_FLOW
