"""``oncrpc.nfs.server.outcomes``: what happens around each procedure of version 3."""

from __future__ import annotations

import asyncio
import errno
import inspect
import itertools
from collections.abc import Coroutine
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.errors import AuthError, SystemFailure
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.outcomes import SHAPES, handles_in, procedure
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    GETATTR3args,
    GETATTR3res,
    GETATTR3resok,
    LINK3args,
    MKDIR3args,
    REMOVE3args,
    RENAME3args,
    SETATTR3args,
    createhow3,
    createmode3,
    nfs_fh3,
    nfsstat3,
    post_op_attr,
    pre_op_attr,
    wcc_data,
)
from oncrpc.rpc import AnyProcedure, Call, Service
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import is_idempotent
from oncrpc.rpc.prot import authsys_parms
from oncrpc.testing import ManualClock, values_of
from oncrpc.xdr import decode, encode
from support.exported import (
    NO_GUARD,
    OPTIONS,
    READ_ONLY,
    TCP,
    Exported,
    answering_later,
    failing,
    memory,
    sattr,
)

WITH_ARGUMENTS = [item for item in NFS_V3.procedures.values() if item.arguments]
REFUSALS = [status for status in nfsstat3 if status is not nfsstat3.NFS3_OK]
ABSENT = {
    post_op_attr: post_op_attr(False, None),
    wcc_data: wcc_data(pre_op_attr(False, None), post_op_attr(False, None)),
}
CHANGING = [item for item in WITH_ARGUMENTS if SHAPES[item.result].changes]


def arguments_of(each: AnyProcedure, handles: nfs_fh3 | list[nfs_fh3], data: st.DataObject) -> Any:
    """Any arguments of a procedure, with these handles."""
    (declared,) = each.arguments
    arg = data.draw(values_of(declared))
    paths = [path.removesuffix(".data") for path in handles_in(declared)]
    given_ = handles if isinstance(handles, list) else [handles] * len(paths)
    for path, handle in zip(paths, given_, strict=False):
        attrgetter(path)(arg).data = handle.data
    return arg


class OneProcedure(NFS_V3.Service):
    """A service of one procedure, whose body is given."""

    def __init__(self, shares: Shares, each: AnyProcedure, body: Any) -> None:
        self.shares, self.each = shares, each
        self.made = procedure(each.result)(body)

    def handlers(self) -> dict[int, Any]:
        return {self.each.number: lambda call, arg: self.made(self, call, arg)}


def with_body(exported: Exported, each: AnyProcedure, body: Any) -> Exported:
    """The export, with a procedure of that body."""
    service: Service = OneProcedure(exported.shares, each, body)
    exported.dispatcher = Dispatcher([service], clock=ManualClock())
    return exported


def raising(error: Exception) -> Any:
    async def body(*_: object) -> None:
        raise error

    return body


def test_shapes_follow_the_declarations() -> None:
    shapes = {
        item.name.removeprefix("NFSPROC3_"): (
            [path.removesuffix(".data") for path in handles_in(item.arguments[0])],
            [field.__name__ for field in SHAPES[item.result].fields],
        )
        for item in WITH_ARGUMENTS
    }

    assert shapes == {
        "GETATTR": (["object"], []),
        "SETATTR": (["object"], ["wcc_data"]),
        "LOOKUP": (["what.dir"], ["post_op_attr"]),
        "ACCESS": (["object"], ["post_op_attr"]),
        "READLINK": (["symlink"], ["post_op_attr"]),
        "READ": (["file"], ["post_op_attr"]),
        "WRITE": (["file"], ["wcc_data"]),
        "CREATE": (["where.dir"], ["wcc_data"]),
        "MKDIR": (["where.dir"], ["wcc_data"]),
        "SYMLINK": (["where.dir"], ["wcc_data"]),
        "MKNOD": (["where.dir"], ["wcc_data"]),
        "REMOVE": (["object.dir"], ["wcc_data"]),
        "RMDIR": (["object.dir"], ["wcc_data"]),
        "RENAME": (["from_.dir", "to.dir"], ["wcc_data", "wcc_data"]),
        "LINK": (["file", "link.dir"], ["post_op_attr", "wcc_data"]),
        "READDIR": (["dir"], ["post_op_attr"]),
        "READDIRPLUS": (["dir"], ["post_op_attr"]),
        "FSSTAT": (["fsroot"], ["post_op_attr"]),
        "FSINFO": (["fsroot"], ["post_op_attr"]),
        "PATHCONF": (["object"], ["post_op_attr"]),
        "COMMIT": (["file"], ["wcc_data"]),
    }


@pytest.mark.parametrize("each", WITH_ARGUMENTS, ids=repr)
@settings(max_examples=6)
@given(data=st.data())
def test_every_failure_of_every_procedure_encodes(each: AnyProcedure, data: st.DataObject) -> None:
    """Claim 20: every error arm encodes."""
    status = data.draw(st.sampled_from(REFUSALS))
    exported = with_body(Exported(), each, raising(NfsError(status)))

    result = exported.call(each, arguments_of(each, exported.root, data))

    assert result.status is status
    assert decode(each.result, encode(each.result, result)) == result


@pytest.mark.parametrize("each", WITH_ARGUMENTS, ids=repr)
@settings(max_examples=6)
@given(data=st.data())
def test_failure_has_the_attributes_of_all_objects(each: AnyProcedure, data: st.DataObject) -> None:
    """Claim 20; §3.1: return as much attribute data as possible upon failure."""
    exported = with_body(Exported(), each, raising(OSError(errno.EIO, "")))

    body = exported.refused(nfsstat3.NFS3ERR_IO, each, arguments_of(each, exported.root, data))

    fields = SHAPES[each.result].fields
    found = [getattr(body, name) for name in body.__xdr_fields__] if body else []
    assert all(field.after.attributes_follow for field in found if isinstance(field, wcc_data))
    assert all(field.before.attributes_follow for field in found if isinstance(field, wcc_data))
    assert all(field.attributes_follow for field in found if isinstance(field, post_op_attr))
    assert len(found) == len(fields)


@pytest.mark.parametrize("each", WITH_ARGUMENTS, ids=repr)
@settings(max_examples=6)
@given(data=st.data())
def test_refused_handle_has_no_attributes(each: AnyProcedure, data: st.DataObject) -> None:
    exported = with_body(Exported(), each, raising(AssertionError()))
    forged = data.draw(values_of(nfs_fh3))

    result = exported.call(each, arguments_of(each, forged, data))

    assert result.status in {nfsstat3.NFS3ERR_BADHANDLE, nfsstat3.NFS3ERR_STALE}
    found = [getattr(result.body, name) for name in getattr(result.body, "__xdr_fields__", ())]
    assert found == [ABSENT[field] for field in SHAPES[each.result].fields]


@pytest.mark.parametrize("each", WITH_ARGUMENTS, ids=repr)
@settings(max_examples=6)
@given(data=st.data())
def test_object_that_is_gone_is_stale(each: AnyProcedure, data: st.DataObject) -> None:
    exported = Exported()
    gone = exported.handle(b"gone")

    result = exported.call(each, arguments_of(each, gone, data))

    expected = {nfsstat3.NFS3ERR_STALE}
    if each is NFS_V3.NFSPROC3_WRITE:
        expected.add(nfsstat3.NFS3ERR_INVAL)  # its count is not the length of its data
    assert result.status in expected


@pytest.mark.parametrize("each", CHANGING, ids=repr)
@settings(max_examples=6)
@given(data=st.data())
def test_read_only_export_refuses_every_change(each: AnyProcedure, data: st.DataObject) -> None:
    exported = with_body(Exported(options=READ_ONLY), each, raising(AssertionError()))

    body = exported.refused(nfsstat3.NFS3ERR_ROFS, each, arguments_of(each, exported.root, data))

    first = getattr(body, body.__xdr_fields__[-1])
    assert first.before.attributes_follow
    assert first.after.attributes_follow


def test_procedures_that_change_nothing_are_idempotent() -> None:
    handlers = Exported().service.handlers()

    not_idempotent = {
        item.name for number, item in NFS_V3.procedures.items()
        if not is_idempotent(handlers[number])
    }  # fmt: skip
    assert not_idempotent == {item.name for item in CHANGING} - {"NFSPROC3_COMMIT"}
    assert len(handlers) == 22


def test_bug_in_a_back_end_is_system_err() -> None:
    exported = Exported(failing(memory(), {"getattr": ZeroDivisionError()}))

    with pytest.raises(SystemFailure):
        exported.call(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))


def test_other_flavor_is_refused_by_rpc() -> None:
    exported = Exported(options=OPTIONS._replace(sec=("krb5",)))

    with pytest.raises(AuthError):
        exported.call(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))


def test_rules_that_are_looked_up_are_jukebox() -> None:
    exported = Exported()
    exported.rules.pending = NfsError(nfsstat3.NFS3ERR_JUKEBOX)

    exported.refused(nfsstat3.NFS3ERR_JUKEBOX, NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))


def test_failed_lookup_of_groups_is_a_failure() -> None:
    exported = Exported()

    def unavailable(uid: int, gid: int) -> tuple[int, ...]:
        raise BlockingIOError

    exported.shares.groups_of = unavailable

    exported.refused(nfsstat3.NFS3ERR_JUKEBOX, NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))


@pytest.mark.parametrize("bad", [0, 1])
def test_one_refused_handle_leaves_the_other_attributes(bad: int) -> None:
    exported = Exported()
    handles = [exported.root, exported.root]
    handles[bad] = nfs_fh3(b"forged")
    arg = RENAME3args(exported.at(b"a", handles[0]), exported.at(b"b", handles[1]))

    body = exported.refused(nfsstat3.NFS3ERR_BADHANDLE, NFS_V3.NFSPROC3_RENAME, arg)

    wcc = [body.fromdir_wcc, body.todir_wcc]
    assert wcc[bad] == ABSENT[wcc_data]
    assert wcc[1 - bad].before.attributes_follow
    assert wcc[1 - bad].after.attributes_follow


def test_rename_across_exports_is_xdev() -> None:
    """§3.3.14: if they reside on different file systems, NFS3ERR_XDEV is returned."""
    exported = Exported(memory(), other := memory())
    second = exported.handle(other.root, list(exported.shares)[1])
    arg = RENAME3args(exported.at(b"a"), exported.at(b"a", second))

    body = exported.refused(nfsstat3.NFS3ERR_XDEV, NFS_V3.NFSPROC3_RENAME, arg)

    assert body.todir_wcc.after.body.fsid != body.fromdir_wcc.after.body.fsid


def test_link_across_exports_is_xdev() -> None:
    exported = Exported(memory(), other := memory())
    second = exported.handle(other.root, list(exported.shares)[1])
    arg = LINK3args(exported.root, exported.at(b"a", second))

    exported.refused(nfsstat3.NFS3ERR_XDEV, NFS_V3.NFSPROC3_LINK, arg)


def call_to(each: AnyProcedure, exported: Exported) -> Call:
    root = authsys_parms(0, b"client", 0, 0, [])
    return Call(1, each, root, AUTH_NONE, caller=TCP, message=b"", arguments_at=0)


def test_answer_at_once_makes_no_task() -> None:
    exported = Exported()
    call = call_to(NFS_V3.NFSPROC3_GETATTR, exported)

    answer = exported.service.NFSPROC3_GETATTR(call, GETATTR3args(exported.root))

    assert isinstance(answer, GETATTR3res)
    assert isinstance(answer.body, GETATTR3resok)


def test_answer_that_comes_later_is_awaited() -> None:
    exported = Exported(answering_later(memory()))
    call = call_to(NFS_V3.NFSPROC3_GETATTR, exported)

    async def ask() -> GETATTR3res:
        answer = exported.service.NFSPROC3_GETATTR(call, GETATTR3args(exported.root))
        assert inspect.isawaitable(answer)
        return await answer

    assert asyncio.run(ask()).status is nfsstat3.NFS3_OK


def all_at_once(exported: Exported, *calls: tuple[AnyProcedure, Any]) -> list[Any]:
    """The results of calls that are in progress together."""

    async def each(procedure: AnyProcedure, arg: Any) -> Any:
        handler = getattr(exported.service, procedure.name)
        answer = handler(call_to(procedure, exported), arg)
        return await answer if inspect.isawaitable(answer) else answer

    async def together() -> list[Any]:
        tasks: list[Coroutine[Any, Any, Any]] = [each(*call) for call in calls]
        return await asyncio.wait_for(asyncio.gather(*tasks), 10)

    return asyncio.run(together())


def test_changes_of_a_directory_see_each_other() -> None:
    """``before`` of a change is ``after`` of the one that came before it."""
    exported = Exported(answering_later(memory()))
    names = [b"%d" % number for number in range(5)]

    results = all_at_once(
        exported,
        *((NFS_V3.NFSPROC3_MKDIR, MKDIR3args(exported.at(name), sattr())) for name in names),
    )

    pairs = [result.body.dir_wcc for result in results]
    for earlier, later in itertools.pairwise(pairs):
        after = earlier.after.body
        assert later.before.body.ctime == after.ctime
        assert later.before.body.mtime == after.mtime
    assert len(exported.share.locks) == 0


def test_failed_change_reads_attributes_while_locked() -> None:
    exported = Exported(answering_later(memory()))

    failed, made = all_at_once(
        exported,
        (NFS_V3.NFSPROC3_REMOVE, REMOVE3args(exported.at(b"missing"))),
        (NFS_V3.NFSPROC3_MKDIR, MKDIR3args(exported.at(b"new"), sattr())),
    )

    assert failed.status is nfsstat3.NFS3ERR_NOENT
    assert failed.body.dir_wcc.after.body.mtime == failed.body.dir_wcc.before.body.mtime
    assert made.body.dir_wcc.before.body.mtime == failed.body.dir_wcc.after.body.mtime


def test_no_two_changes_wait_for_each_other() -> None:
    exported = Exported(answering_later(memory()))
    made = exported.ok(NFS_V3.NFSPROC3_MKDIR, MKDIR3args(exported.at(b"d"), sattr()))
    how = createhow3(createmode3.UNCHECKED, sattr(size=0))
    directory = made.obj.body
    file = exported.ok(NFS_V3.NFSPROC3_CREATE, CREATE3args(exported.at(b"f"), how)).obj.body
    here, there = exported.at(b"f"), exported.at(b"f", directory)

    results = all_at_once(
        exported,
        (NFS_V3.NFSPROC3_RENAME, RENAME3args(here, there)),
        (NFS_V3.NFSPROC3_RENAME, RENAME3args(there, here)),
        (NFS_V3.NFSPROC3_LINK, LINK3args(file, there)),
        (NFS_V3.NFSPROC3_LINK, LINK3args(directory, exported.at(b"x", directory))),
        (NFS_V3.NFSPROC3_LINK, LINK3args(exported.root, there)),
        (NFS_V3.NFSPROC3_LINK, LINK3args(directory, here)),
        (NFS_V3.NFSPROC3_CREATE, CREATE3args(here, how)),
        (NFS_V3.NFSPROC3_CREATE, CREATE3args(there, how)),
        (NFS_V3.NFSPROC3_SETATTR, SETATTR3args(file, sattr(size=3), NO_GUARD)),
        (NFS_V3.NFSPROC3_RENAME, RENAME3args(here, here)),
    )

    assert len(results) == 10
    assert len(exported.share.locks) == 0


def test_coroutine_gets_one_object_for_each_handle() -> None:
    exported, seen = Exported(), list[CallObject]()

    async def body(service: Any, call: Call, arg: Any, *objects: CallObject) -> None:
        seen.extend(objects)
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)

    with_body(exported, NFS_V3.NFSPROC3_LINK, body)
    exported.call(NFS_V3.NFSPROC3_LINK, LINK3args(exported.root, exported.at(b"a")))

    assert [item.file for item in seen] == [exported.files.root] * 2
    assert [item.before is None for item in seen] == [True, False]
