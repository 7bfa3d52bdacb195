"""``oncrpc.cli.rpcsnoop.recent_frames``: headers of frames that were seen not long ago."""

from __future__ import annotations

from oncrpc.cli.rpcsnoop.recent_frames import MAX_RECENT_FRAMES, RecentFrames
from oncrpc.snoop.capture.frames import CapturedFrame
from support.captured import ethernet, ip, udp


def test_frames_pass_and_are_remembered() -> None:
    recent = RecentFrames()
    data = ethernet(ip(udp(bytes(1000))))
    frame = CapturedFrame(1, 0, 1, data, len(data))

    assert list(recent.watched([frame])) == [frame]
    assert recent.lines(1)[0] == "ETHER Type=0800 (IP), size=1042 bytes"


def test_old_frames_are_forgotten() -> None:
    recent = RecentFrames()
    frames = (CapturedFrame(each, 0, 1, b"", 0) for each in range(1, MAX_RECENT_FRAMES + 2))

    for _ in recent.watched(frames):
        pass

    assert recent.lines(1) == []
    assert recent.lines(2) != []
