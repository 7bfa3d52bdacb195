"""The end of processes is noticed."""

from __future__ import annotations

import os

import pytest

from oncrpc.host.process_watch import ProcessWatch
from support.loops import run, until


def test_watch_reports_each_end_once() -> None:
    async def scenario() -> None:
        ended: list[int] = []
        watch = ProcessWatch(ended.append)
        pipes = [os.pipe() for _ in range(3)]
        for pid, (reader, _) in enumerate(pipes):
            watch.add(pid, reader)

        os.close(pipes[1][1])  # a pipe is readable at its end, as a pidfd is
        await until(lambda: bool(ended))

        assert (ended, len(watch)) == ([1], 2)
        watch.close()
        assert len(watch) == 0
        for number in (0, 2):
            with pytest.raises(BrokenPipeError):
                os.write(pipes[number][1], b"x")
            os.close(pipes[number][1])

    run(scenario())
