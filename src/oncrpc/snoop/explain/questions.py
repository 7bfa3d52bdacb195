"""The question in a call: what it asks for, as a step of a mount."""

from __future__ import annotations

from collections.abc import Callable

from oncrpc.errors import XdrError
from oncrpc.programs import nfs4
from oncrpc.snoop.explain.steps import PARTS, Question, ServerPart, StepKind
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.bodies import gss_of
from oncrpc.snoop.words.cursor import UINT, Cursor, CutShort
from oncrpc.snoop.words.gss import DATA, unwrapped
from oncrpc.snoop.words.header import RPCSEC_GSS, CallHeader, call_header
from oncrpc.snoop.words.names import PROTOCOLS, name_of_program
from oncrpc.snoop.words.text import shortened
from oncrpc.xdr import codec

MAX_OPERATIONS_READ = 16
"""Operations of a COMPOUND that are read."""

OP = nfs4.nfs_opnum4
SESSION_OPERATIONS = {
    OP.OP_EXCHANGE_ID, OP.OP_CREATE_SESSION, OP.OP_SETCLIENTID, OP.OP_SETCLIENTID_CONFIRM,
    OP.OP_RECLAIM_COMPLETE,
}  # fmt: skip
SECURITY_OPERATIONS = {OP.OP_SECINFO, OP.OP_SECINFO_NO_NAME}
LEAVING = {OP.OP_DESTROY_SESSION, OP.OP_DESTROY_CLIENTID}
ENTERING = {OP.OP_ACCESS, OP.OP_READDIR, OP.OP_OPEN, OP.OP_READ, OP.OP_WRITE, OP.OP_CREATE}
"""Operations on a directory that is mounted."""

LOCK_OPERATIONS = {OP.OP_LOCK, OP.OP_OPEN}
NOTABLE = [UINT.pack(each) for each in (OP.OP_PUTROOTFH, *SESSION_OPERATIONS)]
"""The encoded numbers of operations that may begin another mount."""

LOOKUPS = {(2, 3): "GETPORT", (3, 3): "GETADDR", (4, 3): "GETADDR", (4, 9): "GETVERSADDR"}
NFS_3_ROOT = {1: "GETATTR", 4: "ACCESS", 18: "FSSTAT", 19: "FSINFO", 20: "PATHCONF"}
NFS_2_ROOT = {1: "GETATTR", 17: "STATFS"}
USUAL_NAMES = {
    2: NFS_2_ROOT | {4: "LOOKUP", 6: "READ", 8: "WRITE", 16: "READDIR"},
    3: NFS_3_ROOT | {3: "LOOKUP", 6: "READ", 7: "WRITE", 16: "READDIR", 17: "READDIRPLUS"},
    4: {1: "COMPOUND"},
}
"""Procedures of NFS that are shown by name, by version."""

NLM_ASKING = {1: "TEST", 2: "LOCK", 4: "UNLOCK", 5: "GRANTED", 22: "NM_LOCK"}
MOUNT_LISTS = {2: "DUMP", 5: "EXPORT", 6: "EXPORTALL"}
UNMOUNTS = {3: "UMNT", 4: "UMNTALL"}
SM_MONITORS = {2: "MON"}


def question_of(call: RpcMessage) -> Question | None:
    """The question in a call; None if the call is not part of a mount."""
    part = PARTS.get(call.prog or 0)
    header = call_header(call.body) if part is not None else None
    if part is None or header is None:
        return None
    cursor = Cursor(call.body, header.arguments)
    if header.flavor == RPCSEC_GSS:
        gss = gss_of(call)
        if gss is not None and gss.procedure != DATA:
            return Question(part, StepKind.CONTEXT, "RPCSEC_GSS context", part, header.vers)
        place = unwrapped(gss, call.body, header.arguments) if gss is not None else None
        if place is None:
            return Question(part, StepKind.USE, f"encrypted call {header.proc}", part, header.vers)
        cursor = Cursor(*place)
    if header.proc == 0:
        name = "the port mapper" if part is ServerPart.MAPPER else name_of_program(header.prog)
        text = f"NULL of {name} version {header.vers}"
        return Question(part, StepKind.PING, text, part, header.vers, flavor=header.flavor)
    found: Question | None
    try:
        found = READERS[part](header, cursor)
    except (CutShort, XdrError):
        text = f"procedure {header.proc} of {name_of_program(header.prog)} version {header.vers}"
        found = Question(part, StepKind.USE, text, part)
    if found is None:
        return None
    vers = found.vers or header.vers
    return found._replace(vers=vers, flavor=header.flavor, host=call.target.host)


def is_notable(call: RpcMessage) -> bool:
    """False for a call of NFS that clients send all the time in a mounted directory.

    The bytes of an NFS 4 call are searched for operation numbers, which is faster than decoding:
    most calls of a capture come here. File data may match too; then the call is decoded.
    """
    if (call.prog, call.vers) != (100003, 4):
        return call.prog != 100003
    return any(word in call.body for word in NOTABLE)


def is_use(question: Question) -> bool:
    """True for a call that clients send in a directory that is mounted."""
    if question.vers < 4:
        return question.kind in (StepKind.ROOT, StepKind.USE)
    used = {each.name.removeprefix("OP_") for each in ENTERING}
    return not question.operations or not used.isdisjoint(question.operations)


def usual_question(call: RpcMessage) -> Question:
    """The question in a usual call of NFS, without reading its arguments."""
    part, vers, proc = ServerPart.NFS, call.vers or 0, call.proc or 0
    return Question(part, StepKind.USE, _usual_text(vers, proc), part, vers)


def _usual_text(vers: int, proc: int) -> str:
    return USUAL_NAMES.get(vers, {}).get(proc, f"call {proc} of NFS version {vers}")


def _mapper(header: CallHeader, cursor: Cursor) -> Question | None:
    part = ServerPart.MAPPER
    if header.proc == 4:
        return Question(part, StepKind.LOOKUP, "DUMP of the port mapper", part)
    name = LOOKUPS.get((header.vers, header.proc))
    if name is None:
        return None
    prog, vers = cursor.uint(), cursor.uint()
    transport = _protocol(cursor) if header.vers == 2 else cursor.text()
    about = PARTS.get(prog)
    if about is None:
        return None
    text = f"{name} of {name_of_program(prog)} version {vers}, {transport}"
    return Question(part, StepKind.LOOKUP, text, about, vers, transport)


def _protocol(cursor: Cursor) -> str:
    number = cursor.uint()
    return PROTOCOLS.get(number, str(number)).lower()


def _mount(header: CallHeader, cursor: Cursor) -> Question | None:
    part = ServerPart.MOUNT
    if header.proc == 1:
        path = cursor.text()
        return Question(part, StepKind.MOUNT, f"MNT {path}", part, path=path)
    if header.proc in UNMOUNTS:
        return Question(part, StepKind.UNMOUNT, UNMOUNTS[header.proc], part)
    name = MOUNT_LISTS.get(header.proc)
    return Question(part, StepKind.LIST, name, part) if name else None


def _nfs(header: CallHeader, cursor: Cursor) -> Question | None:
    part = ServerPart.NFS
    if header.vers == 4:
        return _compound(cursor) if header.proc == 1 else None
    root = NFS_2_ROOT if header.vers == 2 else NFS_3_ROOT
    if header.proc in root:
        return Question(part, StepKind.ROOT, root[header.proc], part)
    text = _usual_text(header.vers, header.proc)
    return Question(part, StepKind.USE, text, part)


def _compound(cursor: Cursor) -> Question:
    """The operations of COMPOUND; the names of LOOKUP behind PUTROOTFH are the path."""
    cursor.skip_opaque()
    minor = cursor.uint()
    numbers, names = list[int](), list[bytes]()
    for _ in range(min(cursor.uint(), MAX_OPERATIONS_READ)):
        operation, cursor.at = codec(nfs4.nfs_argop4).decode_from(cursor.data, cursor.at)
        numbers.append(operation.argop)
        if isinstance(operation.body, nfs4.LOOKUP4args):
            names.append(bytes(operation.body.objname))
    operations = tuple(OP(number).name.removeprefix("OP_") for number in numbers)
    rooted = OP.OP_PUTROOTFH in numbers
    looked_up = shortened(b"/".join(names))
    shown = " ".join(each for each in operations if each != "SEQUENCE")
    text = f"COMPOUND 4.{minor} {shown} {looked_up}".rstrip()
    part, kind = ServerPart.NFS, _kind(set(numbers), rooted=rooted)
    return Question(
        part, kind, text, part, 4, path=f"/{looked_up}" if rooted else "",
        name="" if rooted or kind is not StepKind.ROOT else looked_up, operations=operations,
    )  # fmt: skip


def _kind(numbers: set[int], *, rooted: bool) -> StepKind:
    """The kind of a COMPOUND; a LOOKUP without an operation of use still belongs to the path."""
    walks = OP.OP_LOOKUP in numbers and not numbers & ENTERING
    kinds = (
        (bool(numbers & SESSION_OPERATIONS), StepKind.SESSION),
        (bool(numbers & SECURITY_OPERATIONS), StepKind.SECURITY),
        (bool(numbers & LEAVING), StepKind.UNMOUNT),
        (rooted or walks, StepKind.ROOT),
        (bool(numbers & LOCK_OPERATIONS), StepKind.LOCK),
    )
    return next((kind for fits, kind in kinds if fits), StepKind.USE)


def _lock(header: CallHeader, _: Cursor) -> Question | None:
    name = NLM_ASKING.get(header.proc)
    part = ServerPart.LOCK
    return Question(part, StepKind.LOCK, f"NLM {name}", part) if name else None


def _status(header: CallHeader, _: Cursor) -> Question | None:
    name = SM_MONITORS.get(header.proc)
    part = ServerPart.STATUS
    return Question(part, StepKind.LOCK, f"NSM {name}", part) if name else None


READERS: dict[ServerPart, Callable[[CallHeader, Cursor], Question | None]] = {
    ServerPart.MAPPER: _mapper,
    ServerPart.MOUNT: _mount,
    ServerPart.NFS: _nfs,
    ServerPart.LOCK: _lock,
    ServerPart.STATUS: _status,
}
