"""A log line for each call of NFS, MOUNT and NFSACL, when its reply is known (``nfsd -v``)::

    192.0.2.7 uid 1000: nfs v3 LOOKUP /srv/data/hello: OK
    192.0.2.7 uid 1000: nfs v3 WRITE /srv/data/log 4096 bytes at 8192: NOSPC
    192.0.2.7 uid 0: mountd v3 MNT /srv/data: ACCES

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
from oncrpc.programs import nfsacl
from oncrpc.programs.mount import MOUNTPROG, mountstat3
from oncrpc.programs.nfs2 import NFS_VERSION, stat
from oncrpc.programs.nfs3 import NFS_PROGRAM, nfs_fh3, nfsstat3
from oncrpc.programs.nfsacl import NFS_ACL_PROGRAM
from oncrpc.rpc import Call
from oncrpc.rpc.dispatch import Reply
from oncrpc.rpc.prot import authsys_parms

LINE = "%s%s: %s v%d %s%s: %s"
LOGGED = frozenset({NFS_PROGRAM, MOUNTPROG, NFS_ACL_PROGRAM})
"""The programs whose calls have such lines."""

MNT = 1
WITHOUT_STATUS = {"NULL", "ROOT", "WRITECACHE"}
"""Procedures of NFS whose results do not begin with a status."""

HANDLES = {"", "file", "dir", "from_", "fh"}
"""Names of arguments that are handles: in version 3 they have a type of their own."""

PREFIXES = ("NFS3ERR_", "NFSERR_", "MNT3ERR_", "NFS3_", "NFS_", "MNT3_")
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
        return " ".join([*places, *(extent_of(arguments[0]) if arguments else ())])

    def _path_of(self, handle: bytes) -> str:
        """The path of a file, or its handle."""
        try:
            tag, file = self.shares.handles.open(handle)
        except NfsError:
            return f"handle {handle[:SHOWN_BYTES].hex()}"
        share = next((share for share in self.shares if share.tag == tag), None)
        path = None if share is None else share.filesystem.path_of(file)
        return f"handle {handle.hex()}" if path is None else shown_path(path)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the bytes in the arguments: handles, which have no name in version 3, and names."""
    if isinstance(value, bytes):
        yield name, value
    elif isinstance(value, nfs_fh3 | nfsacl.nfs_fh3):
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


def uid_of(call: Call) -> int | None:
    """The user that the client names."""
    return call.credential.uid if isinstance(call.credential, authsys_parms) else None


STATUSES: Mapping[int, type[IntEnum]] = {NFS_VERSION.vers: stat, 3: nfsstat3}


def outcome_in(call: Call, reply: Reply) -> str:
    """The status at the beginning of the results, or the outcome of the call itself."""
    found = outcome_of(reply)
    if reply is None or found != SUCCESS:
        return found
    at = HEADER + (int.from_bytes(reply[VERIFIER], "big") + 3 & ~3)
    status, version = int.from_bytes(reply[at : at + 4], "big"), call.procedure.version
    if version.prog == MOUNTPROG:
        if call.procedure.number != MNT:
            return found
        return status_name(mountstat3, status) if version.vers == 3 else mount_errno(status)
    if any(call.procedure.name.endswith(each) for each in WITHOUT_STATUS):
        return found
    return status_name(STATUSES[version.vers], status)


def mount_errno(status: int) -> str:
    """The outcome of MNT in versions 1 and 2: 0, or a number of UNIX."""
    return "OK" if not status else status_name(mountstat3, status)


def status_name(kind: type[IntEnum], status: int) -> str:
    """The name of a status without its prefix."""
    try:
        name = kind(status).name
    except ValueError:
        return str(status)
    return next((name.removeprefix(each) for each in PREFIXES if name.startswith(each)), name)
