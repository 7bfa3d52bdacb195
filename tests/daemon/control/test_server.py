"""The control socket: its callers, its replies, and its limits."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from oncrpc.daemon.control import server as control
from oncrpc.daemon.control.protocol import (
    NAME,
    PROTOCOL,
    Request,
    address_in,
    error_line,
    request_line,
)
from oncrpc.daemon.control.server import (
    MAX_CALLERS,
    MAX_REQUEST,
    PATIENCE,
    PAUSE,
    Control,
    RefusedRequest,
)
from oncrpc.daemon.state.folders import Folders
from oncrpc.portmap.status import Status
from oncrpc.testing import ManualClock
from support.daemons import local, serving, stateful
from support.loops import run, run_by, settle, until
from support.sample_status import NFS, some_status

ASK = b'{"protocol": 1, "ask": "status"}\n'


class Connected:
    """One end of the control socket."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with address_in(str(folder)) as path:
            self.sock.connect(path)
        self.sock.setblocking(False)

    async def say(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def hear(self) -> Any:
        """One reply; None at the end."""
        data = b""
        while not data.endswith(b"\n"):
            piece = await self.loop.sock_recv(self.sock, 1 << 16)
            if not piece:
                return None
            data += piece
        return json.loads(data)

    def close(self) -> None:
        self.sock.close()


class Controlled:
    """A control socket with a sample status."""

    def __init__(self, folder: Path, *, locked: bool = True) -> None:
        self.folder, self.answer = folder, some_status()
        self.control = Control(str(folder), self.status, locked=locked)
        self.callers: list[Connected] = []

    async def status(self) -> Status:
        return self.answer

    def connect(self) -> Connected:
        self.callers.append(Connected(self.folder))
        return self.callers[-1]


@asynccontextmanager
async def controlled(folder: Path) -> AsyncIterator[Controlled]:
    made = Controlled(folder)
    made.control.start()
    try:
        yield made
    finally:
        for caller in made.callers:
            caller.close()
        await made.control.close()


def replies(folder: Path, *requests: bytes) -> list[Any]:
    """The replies to lines sent over one connection."""

    async def scenario() -> list[Any]:
        async with controlled(folder) as made:
            caller = made.connect()
            heard = []
            for request in requests:
                await caller.say(request)
                heard.append(await caller.hear())
            return heard

    return run(scenario())


class Greeting(Struct):
    """The answer to a request of a test."""

    text: str


async def greet(name: str) -> Greeting:
    if not name:
        raise RefusedRequest("a greeting needs a name")
    return Greeting(f"hello {name}")


@pytest.mark.parametrize(
    ("about", "reply"),
    [("al", {"greet": {"text": "hello al"}}), ("", {"error": "a greeting needs a name"})],
)
def test_application_answers_more(tmp_path: Path, about: str, reply: Any) -> None:
    async def scenario() -> None:
        made = Control(str(tmp_path), Controlled(tmp_path).status, requests={"greet": greet})
        made.start()
        caller = Connected(tmp_path)
        await caller.say(request_line(Request("greet", PROTOCOL, about)))
        assert await caller.hear() == {"protocol": 1, **reply}
        caller.close()
        await made.close()

    run(scenario())


def test_status_describes_a_running_daemon(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as made:
            caller = Connected(tmp_path / "state")
            await caller.say(ASK)
            reply = await caller.hear()
            caller.close()
            assert reply["protocol"] == 1
            assert reply["status"]["pid"] == os.getpid()
            assert reply["status"]["registered"] == len(made.app.registry)

    run(scenario())
    assert not (tmp_path / "state" / NAME).exists()


def test_a_daemon_that_keeps_nothing_has_no_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path, state_dir=None, state=False)) as made:
            assert made.control is None

    run(scenario())


@contextmanager
def beside(folder: Path) -> Iterator[Controlled]:
    """A control socket in a directory that is not locked."""
    folder.chmod(0o700)
    yield Controlled(folder, locked=False)


def test_one_that_keeps_nothing_can_be_asked(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir(0o700)

    async def scenario() -> None:
        setup = local(tmp_path, state=False, interval=0)
        async with serving(setup._replace(folders=Folders(None, str(folder)))):
            caller = Connected(folder)
            await caller.say(ASK)
            assert (await caller.hear())["status"]["state"] is None
            caller.close()

    run(scenario())
    assert list(folder.iterdir()) == []


def test_unlocked_directory_keeps_its_present_control_socket(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with controlled(tmp_path) as first:
            with beside(tmp_path) as second:
                second.control.start()
                await second.control.close()
            caller = first.connect()
            await caller.say(ASK)
            assert (await caller.hear())["status"]["pid"] == first.answer.pid

    run(scenario())
    assert "control: address already in use; 'status' will not find this daemon" in caplog.text


def test_leftover_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))

    async def scenario() -> None:
        with beside(tmp_path) as made:
            made.control.start()
            caller = made.connect()
            await caller.say(ASK)
            assert await caller.hear() is not None
            caller.close()
            await made.control.close()

    run(scenario())


def test_close_leaves_the_socket_of_a_successor(tmp_path: Path) -> None:
    async def scenario() -> None:
        with beside(tmp_path) as first:
            first.control.start()
            async with controlled(tmp_path):
                await first.control.close()
                assert (tmp_path / NAME).exists()

    run(scenario())


def test_directory_open_to_others_gets_no_socket(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        with beside(tmp_path) as made:
            tmp_path.chmod(0o755)
            made.control.start()

    run(scenario())
    assert (
        "control: others may use the directory; 'status' will not find this daemon" in caplog.text
    )
    assert not (tmp_path / NAME).exists()


def test_connection_serves_a_second_request(tmp_path: Path) -> None:
    first, second = replies(tmp_path, ASK, ASK)

    assert first == second
    assert first["status"]["pid"] == some_status().pid


def test_requests_arrive_in_pieces_or_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with controlled(tmp_path) as made:
            caller = made.connect()
            await caller.say(ASK[:5])
            await settle()
            await caller.say(ASK[5:] + ASK)
            data = b""
            while data.count(b"\n") < 2:
                data += await caller.loop.sock_recv(caller.sock, 1 << 16)
            assert len(set(data.splitlines())) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"{}\n", "invalid request: Object missing required field `ask`"),
        (b"junk\n", "invalid request: JSON is malformed: invalid character (byte 0)"),
        (b'{"ask": "\xff", "protocol": 1}\n', "invalid request: "),
        (b'{"ask": "status"}\n', "unknown protocol; this is protocol 1"),
        (b'{"ask": "status", "protocol": 2}\n', "unknown protocol; this is protocol 1"),
        (b'{"ask": "stop", "protocol": 1}\n', "unknown request; this daemon knows status"),
        (b"x" * MAX_REQUEST, "the request is too long"),
    ],
    ids=["empty", "no JSON", "no UTF-8", "no protocol", "protocol 2", "stop", "long"],
)
def test_invalid_request_gets_an_error(tmp_path: Path, request_: bytes, error: str) -> None:
    (reply,) = replies(tmp_path, request_)

    assert reply["protocol"] == 1
    assert reply["error"].startswith(error)
    assert "status" not in reply


def test_only_its_user_may_open_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with controlled(tmp_path):
            status = (tmp_path / NAME).stat()
            assert stat.S_ISSOCK(status.st_mode)
            assert stat.S_IMODE(status.st_mode) == 0o600

    run(scenario())


@pytest.mark.parametrize(("uid", "may"), [(0, True), (os.geteuid(), True), (54321, False)])
def test_root_and_its_own_user_may_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, may: bool
) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda _: uid)

    async def scenario() -> Any:
        async with controlled(tmp_path) as made:
            caller = made.connect()
            if may:
                await caller.say(ASK)
            return await caller.hear()

    reply = run(scenario())

    assert ("status" in reply) is may
    assert may or reply["error"] == "uid 54321 may not ask; root may"


def test_connections_above_the_limit_are_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with controlled(tmp_path) as made:
            first, *_ = [made.connect() for _ in range(MAX_CALLERS)]
            late = made.connect()
            assert (await late.hear())["error"] == "too many connections"
            assert await late.hear() is None
            first.close()
            await until(lambda: made.control.connections < MAX_CALLERS)
            following = made.connect()
            await following.say(ASK)
            assert "status" in await following.hear()

    run(scenario())


def test_idle_and_stalled_clients_are_not_awaited(tmp_path: Path) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with controlled(tmp_path) as made:
            made.answer = some_status(registrations=[NFS] * 5000)
            silent, slow = made.connect(), made.connect()
            await slow.say(ASK)
            await settle()
            assert made.control.connections == 2
            clock.advance(PATIENCE)
            await settle()
            assert made.control.connections == 0
            assert await silent.hear() is None

    run_by(clock, scenario())


def test_socket_of_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))

    (reply,) = replies(tmp_path, ASK)

    assert "status" in reply


def test_irreplaceable_file_is_logged_and_daemon_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).mkdir()

    async def scenario() -> None:
        made = Control(str(tmp_path), Controlled(tmp_path).status)
        made.start()
        await made.close()

    run(scenario())

    assert caplog.messages == [
        f"cannot open {tmp_path}/control: is a directory; 'status' will not find this daemon"
    ]


def test_directory_with_long_name_has_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()

    (reply,) = replies(folder, ASK)

    assert "status" in reply
    assert list(folder.iterdir()) == []


def refuse_accept(patch: pytest.MonkeyPatch, number: int) -> None:
    """Make every ``accept`` of this process fail with an error number."""

    def fail(_: socket.socket) -> None:
        raise OSError(number, os.strerror(number))

    patch.setattr(socket.socket, "accept", fail)


def test_without_descriptors_it_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        async with controlled(tmp_path) as made:
            caller = made.connect()
            with monkeypatch.context() as patch:
                refuse_accept(patch, errno.EAGAIN)
                await settle()
                assert not made.control.paused
                refuse_accept(patch, errno.EMFILE)
                await until(lambda: made.control.paused)
            clock.advance(PAUSE / 2)
            await settle()
            assert made.control.paused
            clock.advance(PAUSE / 2)
            await settle()
            assert not made.control.paused
            await caller.say(ASK)
            assert "status" in await caller.hear()

    run_by(clock, scenario())


def test_close_cancels_the_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        raised: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, it: raised.append(it))
        async with controlled(tmp_path) as made:
            made.connect()
            with monkeypatch.context() as patch:
                refuse_accept(patch, errno.EMFILE)
                await until(lambda: made.control.paused)
        clock.advance(PAUSE)
        await settle()
        assert raised == []

    run_by(clock, scenario())


def test_reply_has_the_status_or_an_error() -> None:
    assert error_line("no") == b'{"protocol":1,"error":"no"}\n'
