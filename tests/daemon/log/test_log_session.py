"""Every line that the daemon logs from its start to its end, in each form and place."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import dial
from oncrpc.daemon.log import setup as logs
from oncrpc.daemon.signals import IGNORED
from oncrpc.errors import AuthError
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb, rpcb_rmtcallargs
from oncrpc.testing import ManualClock
from support.daemons import LOCALHOST, Daemon, listening, live, local, with_folders
from support.fake_syslog import FakeSyslog
from support.loops import run, until

POLICY = """
[hosts]
enabled = false
[registration]
local-only = true
[[rule]]
from = ["127.0.0.1"]
procedure = ["DUMP"]
then = "deny"
"""
UID = os.geteuid()
AUTH, DAEMON = 4, 3
WARNING, INFO = 4, 6
LEVELS = {WARNING: "warning", INFO: "info"}
TCP = {"source": LOCALHOST, "netid": "tcp"}


class Line(NamedTuple):
    """The expected lines."""

    facility: int
    severity: int
    text: str
    parts: Mapping[str, Any] = MappingProxyType({})


def about(
    end: str, caller: dict[str, Any], *, severity: int = INFO, refused: str = "", **parts: Any
) -> Line:
    """A line about a call."""
    told = caller | parts | ({"refused": refused} if refused else {})
    source = caller["source"] + (f" uid {caller['uid']}" if "uid" in caller else "")
    return Line(AUTH, severity, f"connect from {source} to {end}", told)


def expected(made: Daemon) -> list[Line]:
    """The session's lines."""
    places = ", ".join(f"{netid} {uaddr}" for netid, uaddr in made.server.addresses.items())
    user = {"source": "local", "uid": UID, "netid": "local"}
    program: dict[str, Any] = {"program": 400001, "version": 4}
    return [
        Line(DAEMON, INFO, f"serving program 100000 versions 2, 3 and 4 on {places}"),
        about("set(400001)", user, procedure="RPCBPROC_SET", **program),
        about("getport/addr(nfs)", TCP, procedure="PMAPPROC_GETPORT", version=2,
              program=100003, program_name="nfs"),
        about("dump(): request from unauthorized host", TCP, severity=WARNING, version=2,
              procedure="PMAPPROC_DUMP", refused="request from unauthorized host"),
        about("set(400001) declined (not over the local socket)", TCP, procedure="RPCBPROC_SET",
              refused="declined (not over the local socket)", **program),
        about("indirect(mountd): indirect call not allowed", TCP | {"netid": "udp"}, version=4,
              severity=WARNING, procedure="RPCBPROC_INDIRECT", program=100005,
              program_name="mountd", refused="indirect call not allowed"),
        Line(DAEMON, INFO, "configuration read again; rules: 1"),
        Line(DAEMON, INFO, "ended"),
    ]  # fmt: skip


async def calls(made: Daemon, clock: ManualClock) -> None:
    """The calls of the session; a second passes between two refusals."""
    (path, *_) = made.app.sockets
    _, port = split_uaddr(made.server.addresses["tcp"])
    entry = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"")
    links = [await dial("local", path, 0)]
    links += [await dial(netid, LOCALHOST, port) for netid in ("tcp", "udp")]
    user, tcp, udp = links
    assert await RPCBVERS4.Client(user).RPCBPROC_SET(entry)
    assert await PMAP_VERS.Client(tcp).PMAPPROC_GETPORT(mapping(100003, 3, 6, 0)) == 0
    for refused in (
        lambda: PMAP_VERS.Client(tcp).PMAPPROC_DUMP(),
        lambda: RPCBVERS4.Client(tcp).RPCBPROC_SET(entry),
        lambda: RPCBVERS4.Client(udp).RPCBPROC_INDIRECT(rpcb_rmtcallargs(100005, 1, 1, b"")),
    ):
        with pytest.raises(AuthError):
            await refused()
        clock.advance(1)
    for link in links:
        link.close()


def session(tmp_path: Path) -> list[Line]:
    """Run the session; returns the expected log."""
    (tmp_path / "policy").write_text(POLICY)
    (tmp_path / "policy").chmod(0o600)
    config = with_folders(
        local(
            tmp_path,
            state_dir=str(tmp_path / "state"),
            user=str(UID),
            file=str(tmp_path / "policy"),
            interval=0,
        )
    )

    async def scenario() -> list[Line]:
        with listening(config) as listeners:
            made, ready, clock = config.daemon(listeners), asyncio.Event(), ManualClock()
            made.call_log.limit.now = clock
            running = asyncio.ensure_future(live(made, ready))
            await ready.wait()
            await calls(made, clock)
            reread = made.settings
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: made.settings is not reread)
            lines = expected(made)
            os.kill(os.getpid(), signal.SIGINT)
            await running
            return lines

    return run(scenario())


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Restore the previous state after the test."""
    kept = {number: signal.getsignal(number) for number in IGNORED}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def as_json(line: Line) -> dict[str, Any]:
    """The JSON object of a line, without its time."""
    return {"level": LEVELS[line.severity], "event": line.text, **line.parts}


def without_time(text: str) -> dict[str, Any]:
    """The JSON object of a line; checks that its time is valid."""
    found: dict[str, Any] = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("time"))
    return found


Compared = Callable[[list[str], list[Line]], None]


def compare_text(written: list[str], lines: list[Line]) -> None:
    assert written == [f"portmap: {line.text}" for line in lines]


def compare_json(written: list[str], lines: list[Line]) -> None:
    assert [without_time(text) for text in written] == [as_json(line) for line in lines]


def compare_journal(written: list[str], lines: list[Line]) -> None:
    assert written == [f"<{line.severity}>{line.text}" for line in lines]


def compare_journal_json(written: list[str], lines: list[Line]) -> None:
    assert [text[:3] for text in written] == [f"<{line.severity}>" for line in lines]
    compare_json([text[3:] for text in written], lines)


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize(
    ("form", "journal", "compare"),
    [
        ("text", False, compare_text),
        ("json", False, compare_json),
        ("text", True, compare_journal),
        ("json", True, compare_journal_json),
    ],
)
def test_every_line_of_a_session_is_on_stderr(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    journal: bool,
    compare: Compared,
) -> None:
    logs.set_up(
        "portmap", to_syslog=False, verbose=True, debug=False, form=form, journal=lambda: journal
    )

    lines = session(tmp_path)

    compare(capsys.readouterr().err.splitlines(), lines)


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_a_session_is_in_syslog(tmp_path: Path, form: str) -> None:
    with closing(FakeSyslog(tmp_path / "log")) as log:
        logs.set_up(
            "portmap", to_syslog=True, verbose=True, debug=False, form=form, place=str(log.path)
        )
        lines = session(tmp_path)
        logging.getLogger("oncrpc").handlers[0].close()
        datagrams = log.lines()

    header = rf"<(\d+)>\w\w\w [ \d]\d \d\d:\d\d:\d\d portmap\[{os.getpid()}\]: "
    found = [re.fullmatch(f"{header}(.*)", line) for line in datagrams]
    written = [(int(each[1]), each[2]) for each in found if each is not None]
    assert [priority for priority, _ in written] == [
        line.facility * 8 + line.severity for line in lines
    ]
    if form == "json":
        compare_json([text for _, text in written], lines)
    else:
        assert [text for _, text in written] == [line.text for line in lines]
