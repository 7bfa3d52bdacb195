"""From a call of version 3 to its result: opening, locking, and the arm for a failure.

A procedure is written as a coroutine that is given the objects of its handles and returns the arm
for success. The rest is read from the declarations of RFC 1813 §3.3, where the handles in the
arguments and the attributes in the arm for a failure are in the same order::

    struct LINK3args {                 struct LINK3resfail {
        nfs_fh3     file;                  post_op_attr   file_attributes;
        diropargs3  link;                  wcc_data       linkdir_wcc;
    };                                 };

- A procedure may change the objects with ``wcc_data``. They are locked from the attributes before
  to the attributes after, and the export must not be read-only.
- If an object was opened, its attributes are in the reply, also if another handle is refused.

An ``OSError`` becomes the arm for a failure. The dispatcher handles other exceptions: ``AuthError``
is MSG_DENIED, and any other one is a bug (SYSTEM_ERR).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from operator import attrgetter
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, get_type_hints

from oncrpc.nfs.server.attributes import NO_ATTRIBUTES, wcc_data_of
from oncrpc.nfs.server.call_objects import CallObject, check_objects, locked_for_change
from oncrpc.nfs.server.shares import OverShares, Shares
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import NFS_V3, nfs_fh3, nfsstat3, post_op_attr, wcc_data
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer, AnyProcedure, Call

A = TypeVar("A")
R = TypeVar("R")
P = ParamSpec("P")


S = TypeVar("S", bound=OverShares)

ABSENT: dict[type, Any] = {wcc_data: wcc_data_of(None, None, 0), post_op_attr: NO_ATTRIBUTES}
"""The attributes of an object that could not be opened."""


class Shape(NamedTuple):
    """The handles of a procedure and its arm for a failure, from the declarations.

    ``handles`` are the paths of the handles in the arguments. ``failure`` is the arm for a failure,
    None if it is void, and ``fields`` are the types of its fields.
    """

    handles: tuple[Callable[[Any], bytes], ...]
    failure: Callable[..., Any] | None
    fields: tuple[type, ...]

    @property
    def changes(self) -> bool:
        """Whether the procedure may change an object."""
        return wcc_data in self.fields

    def changed(self, objects: Sequence[CallObject]) -> list[CallObject]:
        """The objects that the procedure may change."""
        pairs = zip(objects, self.fields, strict=False)
        return [item for item, field in pairs if field is wcc_data]


def shape_of(procedure: AnyProcedure) -> Shape:
    """Read the shape of a procedure from its declaration."""
    handles = tuple(attrgetter(path) for path in handles_in(procedure.arguments[0]))
    failure = procedure.result.__xdr_arms__.default
    fields = tuple(get_type_hints(failure).values()) if failure else ()
    return Shape(handles, failure, fields)


def handles_in(declared: type, path: str = "") -> Iterator[str]:
    """The paths of the handles in a declared type, in its order."""
    for name, kind in get_type_hints(declared).items():
        if kind is nfs_fh3:
            yield f"{path}{name}.data"
        elif hasattr(kind, "__xdr_fields__"):
            yield from handles_in(kind, f"{path}{name}.")


SHAPES = {item.result: shape_of(item) for item in NFS_V3.procedures.values() if item.arguments}
"""The shapes, by the declaration of the result."""

Body = Callable[Concatenate[S, Call, A, P], Coroutine[Any, Any, object]]


def procedure(
    result: type[R], *, takes_lock: bool = True
) -> Callable[[Body[S, A, P]], Callable[[S, Call, A], Answer[R]]]:
    """Make a procedure of a coroutine that returns the arm for success.

    The coroutine is given the call, the arguments, and one ``CallObject`` for each handle. With
    ``takes_lock`` False the objects that it changes are neither locked nor read before; the
    coroutine does both itself (``locked_for_change``).
    """
    shape = SHAPES[result]
    answer: Callable[[nfsstat3, Any], R] = result

    def decorated(body: Body[S, A, P]) -> Callable[[S, Call, A], Answer[R]]:
        run: Callable[..., Coroutine[Any, Any, object]] = body

        async def perform(service: S, call: Call, arg: A) -> R:
            objects: list[CallObject | None] = []
            try:
                opened = await _open(service.shares, call, shape, arg, objects)
                changed = shape.changed(opened)
                for item in opened:
                    if item not in changed:
                        await item.refresh()
                if changed and takes_lock:
                    async with locked_for_change(*changed):
                        success = await run(service, call, arg, *opened)
                else:
                    success = await run(service, call, arg, *opened)
                for item in changed:
                    await item.stored()
            except OSError as refusal:
                return answer(status_of(refusal), await _failure(shape, objects))
            return answer(nfsstat3.NFS3_OK, success)

        @functools.wraps(body)
        def handler(service: S, call: Call, arg: A) -> Answer[R]:
            return eager(perform(service, call, arg))

        return handler

    return decorated


async def _open(
    shares: Shares, call: Call, shape: Shape, arg: object, objects: list[CallObject | None]
) -> list[CallObject]:
    """Open the objects of all handles, so that a refusal can tell their attributes.

    ``objects`` gets them, and None in the place of one that cannot be opened.

    Raises:
        NfsError: as ``Shares.open``, of the first handle that is refused; or as ``check_objects``.
    """
    refusals = []
    for handle in shape.handles:
        try:
            objects.append(CallObject(shares, await shares.open(call, handle(arg))))
        except OSError as refusal:
            objects.append(None)
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    opened = [item for item in objects if item is not None]
    check_objects(opened, changes=shape.changes)
    return opened


async def _failure(shape: Shape, objects: Sequence[CallObject | None]) -> object:
    """The arm for a failure, with the attributes of all objects that could be opened."""
    if shape.failure is None:
        return None
    values = []
    for item, field in zip(objects, shape.fields, strict=True):
        if item is None:
            values.append(ABSENT[field])
        else:
            values.append(await (item.wcc() if field is wcc_data else item.post_op_now()))
    return shape.failure(*values)
