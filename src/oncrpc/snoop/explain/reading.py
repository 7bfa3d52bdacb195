"""The mount attempts in the frames of a capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.explain.follower import MountFollower
from oncrpc.snoop.explain.signals import FrameWatcher
from oncrpc.snoop.explain.steps import MountAttempt
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import Tracer

KEPT = 4096
"""Bytes kept of each message: enough for every call and reply of a mount."""


class MountHistory(NamedTuple):
    """The attempts in a capture.

    ``begin`` is the time of the first frame in nanoseconds, ``forgotten`` counts attempts above the
    limit. ``damage`` is the reason if the capture could not be read to its end.
    """

    attempts: list[MountAttempt]
    begin: int
    forgotten: int
    damage: CaptureDamaged | None


def mount_history(frames: Iterable[CapturedFrame]) -> MountHistory:
    """Read all frames, or those before the first damaged one."""
    tracer, watcher, follower = Tracer(keep=KEPT), FrameWatcher(), MountFollower()
    begin = now = 0
    damage = None
    try:
        for frame in frames:
            begin = begin or frame.time
            now = max(now, frame.time)
            lost = tracer.dissector.given_up
            # A frame may have a reply and the end of the connection: the reply comes first.
            found = tracer.feed(frame)
            for message in found if tracer.dissector.given_up == lost else _arrived(found):
                follower.message(message)
            signal = watcher.signal_of(frame)
            if signal is not None:
                follower.signal(signal)
    except CaptureDamaged as error:
        damage = error
    for message in _arrived(tracer.finish()):
        follower.message(message)
    return MountHistory(follower.finish(now), begin, follower.forgotten, damage)


def _arrived(messages: list[RpcMessage]) -> Iterator[RpcMessage]:
    """The messages without incomplete replies: a client does not get those."""
    return (message for message in messages if message.is_call or not message.cut)
