"""Frames that are written are read again."""

from __future__ import annotations

import io
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.capture.files import frames_of
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.pcapng import INTERFACE
from oncrpc.snoop.capture.writing import STATISTICS, PcapngWriter

TIME = 1_700_000_000_123_456_789
FRAME = CapturedFrame(1, TIME, 1, b"frame", 60)
FRAMES = st.lists(
    st.builds(
        CapturedFrame,
        number=st.just(0),
        time=st.integers(0, (1 << 63) - 1),
        link=st.sampled_from([1, 101, 276]),
        data=st.binary(max_size=9),
        length=st.integers(9, 1 << 18),
    ),
    min_size=1,
    max_size=9,
)


@given(FRAMES)
def test_frames_are_read_as_written(frames: list[CapturedFrame]) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)

    for frame in frames:
        writer.write(frame)

    file.seek(0)
    numbered = [frame._replace(number=at) for at, frame in enumerate(frames, 1)]
    assert list(frames_of(file)) == numbered


def test_name_of_the_interface_is_written() -> None:
    file = io.BytesIO()

    PcapngWriter(file, "eth0").write(FRAME)

    option = pack("<HH", 2, 4) + b"eth0"
    assert pack("<II", INTERFACE, 40) + pack("<HHI", 1, 0, 0) + option in file.getvalue()


def test_counts_are_written_for_each_interface() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.write(FRAME)
    writer.write(FRAME._replace(link=101))

    writer.finish(captured=5, dropped=2, time=TIME)

    received = pack("<HHQHHQ", 4, 8, 7, 5, 8, 2)
    assert file.getvalue().count(received) == 2
    assert file.getvalue().count(pack("<II", STATISTICS, 52)) == 2
