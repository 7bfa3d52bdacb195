"""From a call of version 2 to its result (RFC 1094 §2.2).

A procedure is written as a coroutine that is given the objects of its handles, and returns what
follows NFS_OK. The objects that it ``changes`` are locked, and refused on a read-only export.

Version 2 has no status for "try again later" (NFS3ERR_JUKEBOX). There is no reply then, and the
client sends its call again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from oncrpc.nfs.server.call_objects import CallObject, check_objects, locked_for_change
from oncrpc.nfs.server.shares import OverShares
from oncrpc.nfs.status import status_of, status_of_v2
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer, Call, NoReply

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=OverShares)
Handle = Callable[[Any], bytes]
"""From the arguments to one of their handles."""

Body = Callable[Concatenate[S, Call, A, P], Coroutine[Any, Any, object]]


def status_only(status: stat, _: object) -> stat:
    """The result of a procedure that returns nothing else."""
    return status


def procedure2(
    result: Callable[[stat, Any], R],
    *,
    reads: Sequence[Handle] = (),
    changes: Sequence[Handle] = (),
) -> Callable[[Body[S, A, P]], Callable[[S, Call, A], Answer[R]]]:
    """Make a procedure of a coroutine.

    It is given the call, the arguments, and the objects of ``reads`` and then of ``changes``.
    """

    def decorated(body: Body[S, A, P]) -> Callable[[S, Call, A], Answer[R]]:
        run: Callable[..., Coroutine[Any, Any, object]] = body

        async def perform(service: S, call: Call, arg: A) -> R:
            try:
                found = [await _opened(service, call, handle(arg)) for handle in reads]
                changed = [await _opened(service, call, handle(arg)) for handle in changes]
                check_objects([*found, *changed], changes=bool(changed))
                for item in found:
                    await item.refresh()
                if not changed:
                    success = await run(service, call, arg, *found)
                else:
                    async with locked_for_change(*changed):
                        success = await run(service, call, arg, *found, *changed)
                    for item in changed:
                        await item.stored()
            except OSError as refusal:
                return result(_status(refusal), None)
            return result(stat.NFS_OK, success)

        @functools.wraps(body)
        def handler(service: S, call: Call, arg: A) -> Answer[R]:
            return eager(perform(service, call, arg))

        return handler

    return decorated


async def _opened(service: OverShares, call: Call, handle: bytes) -> CallObject:
    return CallObject(service.shares, await service.shares.open(call, handle, v2=True))


def _status(refusal: OSError) -> stat:
    status = status_of(refusal)
    if status is nfsstat3.NFS3ERR_JUKEBOX:
        raise NoReply from None
    return status_of_v2(status)
