"""A log line for each call of the programs of ``nfsd``, when its reply is known (``nfsd -v``)::

    192.0.2.7 uid 1000: nfs v3 LOOKUP /srv/data/hello: OK
    192.0.2.7 uid 1000: nfs v3 WRITE /srv/data/log 4096 bytes at 8192: NOSPC
    192.0.2.7 uid 0: mountd v3 MNT /srv/data: ACCES
    192.0.2.7 uid 0: nlockmgr v4 LOCK client /srv/data/log exclusive 10 bytes at 0: BLOCKED

The arguments are decoded a second time, and the path of each handle is asked of the file system:
this is only for a server that logs its calls.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from oncrpc.access.call_lines import CallLog, calls_log, source_of
from oncrpc.daemon.control.outcomes import SUCCESS, outcome_of
from oncrpc.errors import XdrError
from oncrpc.nfs.daemon.explaining import shown_path
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.status import NfsError
from oncrpc.numbers import program_name
from oncrpc.programs.mount import MOUNTPROG, fhstatus, mountstat3
from oncrpc.programs.nfs2 import NFS_VERSION, stat
from oncrpc.programs.nfs3 import NFS_PROGRAM, NFS_V3, nfs_fh3, nfsstat3
from oncrpc.programs.nfsacl import NFS_ACL_PROGRAM
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.rquota import RQUOTAPROG
from oncrpc.programs.sm_inter import SM_PROG
from oncrpc.rpc import Call
from oncrpc.rpc.dispatch import Reply
from oncrpc.rpc.prot import authsys_parms

LINE = "%s%s: %s v%d %s%s: %s"
LOGGED = frozenset({NFS_PROGRAM, MOUNTPROG, NFS_ACL_PROGRAM, NLM_PROG, SM_PROG, RQUOTAPROG})
"""The programs whose calls have such lines."""


HANDLES = {"", "file", "dir", "from_", "fh"}
"""Names of arguments that are handles: in version 3 they have a type of their own."""

TEXTS = {"caller_name", "mon_name", "gqa_pathp", "sqa_pathp"}
"""Names of arguments that are shown as they are."""

IDS = ("gqa_uid", "gqa_id", "sqa_id")
"""Names of arguments that are the number of a user or a group."""

PREFIXES = (
    "NFS3ERR_", "NFSERR_", "MNT3ERR_", "NFS3_", "NFS_", "MNT3_", "NLM4_", "nlm_", "stat_", "Q_",
)  # fmt: skip
VERIFIER = slice(16, 20)
"""The length of the verifier in the reply to a call that succeeded."""

HEADER = 24
SHOWN_BYTES = 16
"""Bytes of a handle of others that are shown."""


class NfsCallLines:
    """Writes the lines, for calls to these shares."""

    def __init__(self, shares: Shares, call_log: CallLog) -> None:
        self.shares, self._call_log = shares, call_log

    def logs(self, call: Call) -> bool:
        """Whether there are lines for calls of this program."""
        return call.procedure.version.prog in LOGGED

    def answered(self, call: Call, reply: Reply) -> None:
        """Log a call with the outcome that its reply has."""
        if not calls_log.isEnabledFor(logging.INFO) or not self.logs(call):
            return
        version, uid = call.procedure.version, uid_of(call)
        about, outcome = self.described(call), outcome_in(call, reply)
        extra = self._call_log.parts_of(call) | {"about": about, "outcome": outcome}
        calls_log.info(
            LINE,
            source_of(call.caller),
            "" if uid is None else f" uid {uid}",
            program_name(version.prog) or version.prog,
            version.vers,
            self._call_log.vocabulary.name(call.procedure),
            f" {about}" if about else "",
            outcome,
            extra={"call": extra if uid is None else extra | {"uid": uid}},
        )

    def described(self, call: Call) -> str:
        """The files that a call is about, and the bytes."""
        try:
            arguments = call.procedure.decode_arguments(call.message, call.arguments_at)
        except XdrError:
            return ""
        if call.procedure.version.prog == MOUNTPROG:
            return " ".join(shown_path(each) for each in arguments if isinstance(each, bytes))
        places = list[str]()
        for name, value in leaves(arguments[0]) if arguments else ():
            if name == "name" and places:
                places[-1] = f"{places[-1].rstrip('/')}/{shown_path(value)}"
            elif name in HANDLES:
                places.append(self._path_of(value))
            elif name == "name" or name in TEXTS:
                places.append(shown_path(value))
        return " ".join([*places, *(extent_of(arguments[0]) if arguments else ())])

    def _path_of(self, handle: bytes) -> str:
        """The path of a file, or its handle."""
        try:
            tag, file = self.shares.handles.open_any(handle)
        except NfsError:
            return f"handle {handle[:SHOWN_BYTES].hex()}"
        share = next((share for share in self.shares if share.tag == tag), None)
        path = None if share is None else share.filesystem.path_of(file)
        return f"handle {handle.hex()}" if path is None else shown_path(path)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the bytes in the arguments: handles, which have no name in version 3, and names."""
    if isinstance(value, bytes):
        yield name, value
    elif isinstance(value, nfs_fh3):
        yield "", value.data
    else:
        for field in getattr(value, "__xdr_fields__", ()):
            found = getattr(value, field)
            if field not in {"data", "symlink", "attributes"}:
                yield from leaves(found, field)


def extent_of(arguments: Any) -> Iterator[str]:
    """Yield the range of bytes that a call is about."""
    offset, count = getattr(arguments, "offset", None), getattr(arguments, "count", None)
    if hasattr(arguments, "data"):
        count = len(arguments.data)
    if offset is not None and count is not None:
        yield f"{count} bytes at {offset}"
    if (lock := getattr(arguments, "alock", None)) is not None:
        if hasattr(arguments, "exclusive"):
            yield "exclusive" if arguments.exclusive else "shared"
        yield f"{lock.l_len or 'all'} bytes at {lock.l_offset}"
    yield from (f"id {getattr(arguments, name)}" for name in IDS if hasattr(arguments, name))


def uid_of(call: Call) -> int | None:
    """The user that the client names."""
    return call.credential.uid if isinstance(call.credential, authsys_parms) else None


STATUSES: Mapping[type, type[IntEnum]] = {NFS_VERSION: stat, NFS_V3: nfsstat3}
"""Of NFS the status is read without decoding the data."""


def outcome_in(call: Call, reply: Reply) -> str:
    """The status in the results, or the outcome of the call itself."""
    found = outcome_of(reply)
    if reply is None or found != SUCCESS:
        return found
    at, procedure = HEADER + (int.from_bytes(reply[VERIFIER], "big") + 3 & ~3), call.procedure
    if len(reply) == at:
        return found
    if procedure.version in STATUSES:
        return status_name(STATUSES[procedure.version], int.from_bytes(reply[at : at + 4], "big"))
    result = procedure.decode_result(reply, at)
    if isinstance(result, fhstatus):  # MNT of versions 1 and 2: 0, or a number of UNIX
        return status_name(mountstat3, result.status)
    status = status_in(result)
    return found if status is None else status_name(type(status), status)


def status_in(result: Any) -> IntEnum | None:
    """The first status in the results; a list of mounts or exports has none."""
    if isinstance(result, IntEnum):
        return result
    fields = (getattr(result, name) for name in getattr(result, "__xdr_fields__", ()))
    return next((found for found in map(status_in, fields) if found is not None), None)


def status_name(kind: type[IntEnum], status: int) -> str:
    """The name of a status without its prefix."""
    try:
        name = kind(status).name
    except ValueError:
        return str(status)
    plain = next((name.removeprefix(each) for each in PREFIXES if name.startswith(each)), name)
    return plain.upper()
