"""Open the frames to read, of a file or an interface, and the file to write them to."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import BinaryIO

from oncrpc.cli.command import Failure, complain
from oncrpc.cli.rpcsnoop import privileges
from oncrpc.cli.rpcsnoop.capture_options import CaptureChoice
from oncrpc.cli.rpcsnoop.stopping import until_signal
from oncrpc.snoop.capture.files import frames_of, frames_of_file
from oncrpc.snoop.capture.frames import CapturedFrame, frames_at
from oncrpc.snoop.capture.writing import PcapngWriter
from oncrpc.snoop.live.interface import LiveCapture, LiveCaptureError
from oncrpc.snoop.live.ring import Batch

STANDARD = "-"
"""The name of standard input and output."""

DROPPED = "frames that the kernel dropped, because they came too fast"


class FrameSource:
    """Frames that can be read once.

    ``name`` is the file or interface in errors. ``dropped`` returns the number of frames lost until
    now. ``stop`` ends the frames of an interface. ``batches`` are the same frames, to read instead;
    None for a file, and if frames are also written to a file.
    """

    batches: Iterator[Batch] | None = None

    def __init__(
        self,
        name: str,
        frames: Iterator[CapturedFrame],
        dropped: Callable[[], int] = lambda: 0,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.frames, self.dropped, self.stop = name, frames, dropped, stop

    def remarks(self) -> Iterator[str]:
        """Remarks for the end of figures."""
        if dropped := self.dropped():
            yield f"{dropped} {DROPPED}"


@contextmanager
def opened(
    program: str, choice: CaptureChoice, hosts: Collection[str] = (), *, errors: bool = False
) -> Iterator[FrameSource]:
    """The frames of the chosen file or interface; with ``--write`` each is also written.

    Frames of an interface end with SIGINT and SIGTERM; a line on standard error has their number.
    If there are ``hosts``, only frames of these addresses are captured. ``errors`` adds ICMP and
    ARP.

    Raises:
        Failure: at the beginning, the capture or the file cannot be opened; at the end, the
            interface was lost or the file cannot be written.
    """
    if choice.interface:
        with _live(program, choice, hosts, errors=errors) as source:
            yield source
        return
    _check_files(program, choice)
    frames = _of_file(program, choice.file)
    with _output(program, choice) as output:
        yield FrameSource(choice.file, frames if output is None else output.copied(frames))


def _check_files(program: str, choice: CaptureChoice) -> None:
    """Refuse to write over the capture that is read."""
    if not choice.output or choice.output == STANDARD:
        return
    try:
        read = os.fstat(0) if choice.file == STANDARD else os.stat(choice.file)
        same = os.path.samestat(read, os.stat(choice.output))
    except OSError:
        return  # one of them is not there: the one that is opened complains
    if same and stat.S_ISREG(read.st_mode):
        raise Failure(
            f"{program}: cannot write {choice.output}: it is the file to read; name another file"
        )


def _of_file(program: str, file: str) -> Iterator[CapturedFrame]:
    """The frames of a file; errors of the system name the file."""
    try:
        yield from frames_of(sys.stdin.buffer) if file == STANDARD else frames_of_file(file)
    except OSError as error:
        raise Failure(f"{program}: {file}: {error.strerror}") from None


@contextmanager
def _live(
    program: str, choice: CaptureChoice, hosts: Collection[str], *, errors: bool
) -> Iterator[FrameSource]:
    """The frames of an interface; privileges are dropped when it is open."""
    try:
        capture = LiveCapture(
            choice.interface, most=choice.most, hosts=hosts, promiscuous=choice.promiscuous,
            errors=errors,
        )  # fmt: skip
    except LiveCaptureError as error:
        raise Failure(f"{program}: {error}") from None
    lost: LiveCaptureError | None = None

    def idle() -> None:
        sys.stdout.flush()
        if output is not None:
            output.flush()

    def batches() -> Iterator[Batch]:
        nonlocal lost
        try:
            yield from capture.batches(idle)
        except LiveCaptureError as error:
            lost = error

    with closing(capture), ExitStack() as stack:
        # Root opens the file only if there is no other user who could own it.
        as_root = os.geteuid() == 0 and (choice.user or privileges.caller()) is None
        output = stack.enter_context(_output(program, choice)) if as_root else None
        privileges.give_up(program, choice.user)
        output = output or stack.enter_context(_output(program, choice))
        found = batches()
        seen = (frame for data, places in found for frame in frames_at(data, places))
        source = FrameSource(
            choice.interface,
            seen if output is None else output.copied(seen),
            lambda: capture.dropped,
            capture.stop,
        )
        source.batches = found if output is None else None
        with until_signal(capture.stop):
            complain(f"{program}: capturing on {choice.interface}; Ctrl-C ends it")
            yield source
        sys.stdout.flush()
        captured, dropped = capture.captured, capture.dropped
        if output is not None:
            output.finish(captured, dropped)
        complain(f"{program}: {captured} frames captured, {dropped} dropped by the kernel")
    if lost is not None:
        raise Failure(f"{program}: {lost}")


@contextmanager
def _output(program: str, choice: CaptureChoice) -> Iterator[_Output | None]:
    """The file of ``--write``, None without the option."""
    if not choice.output:
        yield None
        return
    output = _Output(program, choice)
    try:
        yield output
    finally:
        output.close()


class _Output:
    """The file to which frames are written."""

    def __init__(self, program: str, choice: CaptureChoice) -> None:
        self._name = f"{program}: cannot write {choice.output}"
        self._standard = choice.output == STANDARD
        self._file: BinaryIO = (
            sys.stdout.buffer if self._standard else privileges.open_output(program, choice.output)
        )
        self._writer = PcapngWriter(self._file, choice.interface)

    def copied(self, frames: Iterator[CapturedFrame]) -> Iterator[CapturedFrame]:
        """The same frames; each is written first."""
        write = self._writer.write
        for frame in frames:
            try:
                write(frame)
            except OSError as error:
                raise self._failure(error) from None
            yield frame

    def finish(self, captured: int, dropped: int) -> None:
        """Write the numbers of captured and dropped frames."""
        try:
            self._writer.finish(captured=captured, dropped=dropped, time=time.time_ns())
        except OSError as error:
            raise self._failure(error) from None

    def flush(self) -> None:
        """Write buffered frames."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Write buffered frames, and close the file."""
        try:
            self._file.flush() if self._standard else self._file.close()
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> Exception:
        if isinstance(error, BrokenPipeError):
            return error
        return Failure(f"{self._name}: {error.strerror}")
