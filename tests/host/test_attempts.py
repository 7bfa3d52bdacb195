"""Local sockets that the kernel's list lacks are tried."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from oncrpc.host import attempts
from oncrpc.host.attempts import Attempts, refused
from support.loops import run


def name_of(case: str) -> str:
    return f"@oncrpc-test-attempts-{os.getpid()}-{case}"


def test_a_server_is_not_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.symlink(path, tmp_path / "link")

        assert not refused(path)
        assert not refused(str(tmp_path / "link"))


def test_server_with_full_queue_counts_as_alive(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as first:
        server.bind(path)
        server.listen(0)
        first.connect(path)

        assert not refused(path)


def test_socket_without_listener_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)

        assert refused(path)


def test_nothing_is_refused(tmp_path: Path) -> None:
    assert refused(str(tmp_path / "nothing"))
    assert refused(name_of("nothing"))


def test_an_abstract_name_is_tried(tmp_path: Path) -> None:
    name = name_of("served")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name[1:])
        server.listen()

        assert not refused(name)


@pytest.mark.parametrize("path", ["/" + 200 * "x", "/dev/null/x"])
def test_untestable_path_is_not_refused(path: str) -> None:
    assert not refused(path)


def test_round_reports_the_refused_paths() -> None:
    assert run(Attempts("/gone".__eq__)(["/there", "/gone"])) == {"/gone"}


def test_without_paths_no_round_runs() -> None:
    assert run(Attempts()([])) == set()


def test_stuck_round_stops_further_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PATIENCE", 0.0)
    released, ended = threading.Event(), threading.Event()

    def attempt(path: str) -> bool:
        if path == "/stuck":
            released.wait()
            ended.set()
        return True

    async def scenario() -> None:
        stuck = Attempts(attempt)
        assert await stuck(["/stuck", "/gone"]) == set()
        assert await stuck(["/gone"]) == set()

    try:
        run(scenario())
    finally:
        released.set()
        assert ended.wait(10)
