"""Lines about calls: the C daemon's words, and that one source does not fill the log."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest

from oncrpc.access import call_lines as words
from oncrpc.access.call_lines import CallLog, Refusal
from oncrpc.access.line_limit import MAX_LOGGED
from oncrpc.errors import AuthError
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, call_args, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb_rmtcallargs
from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.testing import ManualClock
from support.callers import (
    LOCAL_UDP,
    REMOTE,
    REMOTE6,
    REMOTE_UDP,
    ROOT,
    STATD,
    PortMapper,
    changed,
    registered,
)

NFS = mapping(100003, 3, 6, 2049)
MOUNT = call_args(100005, 1, 1, b"")


def seen(caller: Caller, procedure: AnyProcedure, *arguments: Any) -> Call:
    """The call as a hook of the dispatcher sees it."""
    mapper, found = PortMapper(), list[Call]()
    mapper.dispatcher.before = lambda call: found.append(call)
    mapper.reply(caller, mapper.message(procedure, *arguments))
    return found[0]


def said_of(
    caplog: pytest.LogCaptureFixture, caller: Caller, procedure: AnyProcedure, *arguments: Any
) -> list[tuple[str, str]]:
    """The lines about a call, with their levels, where every call is logged."""
    mapper = PortMapper()
    with caplog.at_level(logging.INFO, "oncrpc"), suppress(AuthError):
        mapper.call(caller, procedure, *arguments)
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    ("caller", "procedure", "argument", "level", "line"),
    [
        (REMOTE, PMAP_VERS.PMAPPROC_GETPORT, NFS, "INFO",
         "connect from 192.0.2.9 to getport/addr(nfs)"),
        (REMOTE6, RPCBVERS4.RPCBPROC_GETVERSADDR, registered(5, 1), "INFO",
         "connect from 2001:db8::9 to getversaddr(5)"),
        (ROOT, RPCBVERS4.RPCBPROC_UNSET, registered(100003, 3), "INFO",
         "connect from local uid 0 to unset(nfs)"),
        (STATD, PMAP_VERS.PMAPPROC_SET, NFS, "INFO", "connect from local uid 103 to set(nfs)"),
        (REMOTE, PMAP_VERS.PMAPPROC_SET, NFS, "INFO",
         "connect from 192.0.2.9 to set(nfs) declined (non-loopback sender)"),
        (REMOTE, RPCBVERS4.RPCBPROC_UNSET, registered(100003, 3), "INFO",
         "connect from 192.0.2.9 to unset(nfs) declined (non-loopback sender)"),
        (REMOTE_UDP, PMAP_VERS.PMAPPROC_CALLIT, MOUNT, "WARNING",
         "connect from 192.0.2.9 to callit(mountd): indirect call not allowed"),
        (LOCAL_UDP, RPCBVERS4.RPCBPROC_BCAST, rpcb_rmtcallargs(400001, 1, 1, b""), "INFO",
         "connect from 127.0.0.1 to callit(400001)"),
        (REMOTE, PMAP_VERS.PMAPPROC_CALLIT, MOUNT, "INFO",
         "connect from 192.0.2.9 to callit(mountd)"),
    ],
)  # fmt: skip
def test_call_is_logged_as_by_c(
    caplog: pytest.LogCaptureFixture,
    caller: Caller,
    procedure: AnyProcedure,
    argument: object,
    level: str,
    line: str,
) -> None:
    assert said_of(caplog, caller, procedure, argument) == [(level, line)]


def test_call_is_logged_once_admission_has_decided(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mapper, answer = PortMapper(), list[asyncio.Future[None]]()

    class Thinking:
        def before(self, call: Call) -> asyncio.Future[None]:
            answer.append(asyncio.get_running_loop().create_future())
            return answer[0]

    mapper.admission = Thinking()  # type: ignore[assignment]  # it is like one

    async def scenario() -> None:
        message = mapper.message(PMAP_VERS.PMAPPROC_DUMP)
        reply = mapper.dispatcher.handle(message, REMOTE)
        assert caplog.messages == []
        answer[0].set_result(None)
        assert not isinstance(reply, bytes | None)
        await reply

    with caplog.at_level(logging.INFO, "oncrpc"):
        asyncio.run(scenario())

    assert caplog.messages == ["connect from 192.0.2.9 to dump()"]


def test_refusals_are_logged_and_calls_only_if_verbose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mapper = PortMapper()
    with caplog.at_level(logging.INFO, "oncrpc.access"):
        mapper.call(STATD, PMAP_VERS.PMAPPROC_SET, NFS)
        with pytest.raises(AuthError):
            mapper.call(REMOTE, PMAP_VERS.PMAPPROC_SET, NFS)

    assert [record.name for record in caplog.records] == [words.log.name]
    assert mapper.mapper.call_log.counts == {Refusal.DECLINED: 1}


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (
            seen(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, NFS),
            {"source": "192.0.2.9", "netid": "tcp", "version": 2, "program": 100003,
             "procedure": "PMAPPROC_GETPORT", "program_name": "nfs"},
        ),
        (
            seen(STATD, RPCBVERS4.RPCBPROC_SET, registered(400001, 1)),
            {"source": "local", "uid": 103, "netid": "local", "version": 4, "program": 400001,
             "procedure": "RPCBPROC_SET"},
        ),
        (
            seen(REMOTE6, PMAP_VERS.PMAPPROC_DUMP),
            {"source": "2001:db8::9", "netid": "tcp6", "version": 2,
             "procedure": "PMAPPROC_DUMP"},
        ),
    ],
    ids=["program", "user", "no program"],
)  # fmt: skip
def test_the_parts_of_a_call_have_names(call: Call, parts: dict[str, object]) -> None:
    assert CallLog(VOCABULARY).parts_of(call) == parts


def test_cut_off_arguments_have_no_program() -> None:
    call = seen(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, NFS)

    cut = changed(call, message=call.message[: call.arguments_at + 3])

    assert CallLog(VOCABULARY).described(cut) == "getport/addr()"


def test_source_is_logged_once_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock(now=0.5)
    call_log, call = CallLog(VOCABULARY, now=clock), seen(REMOTE, PMAP_VERS.PMAPPROC_DUMP)
    for _ in range(4):
        call_log.refused(call, Refusal.UNAUTHORIZED, "host")
    call_log.refused(seen(REMOTE6, PMAP_VERS.PMAPPROC_DUMP), Refusal.UNAUTHORIZED, "host")
    clock.advance(1)
    call_log.refused(call, Refusal.UNAUTHORIZED, "host")

    assert [line.rpartition("host")[2] for line in caplog.messages] == ["", "", " (3 more like it)"]
    assert call_log.counts[Refusal.UNAUTHORIZED] == 6


def test_sources_beyond_the_bound_are_counted_together(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(now=0.5)
    call_log, call = CallLog(VOCABULARY, now=clock), seen(REMOTE, PMAP_VERS.PMAPPROC_DUMP)
    for number in range(MAX_LOGGED + 10):
        source = changed(REMOTE, source=(f"10.0.0.{number}", 700, 0))
        for _ in range(2):
            call_log.refused(changed(call, caller=source), Refusal.UNAUTHORIZED, "host")
    assert len(caplog.messages) == MAX_LOGGED

    clock.advance(1)
    call_log.refused(call, Refusal.UNAUTHORIZED, "host")

    assert caplog.messages[-1].endswith(f"host ({MAX_LOGGED + 20} from others)")
