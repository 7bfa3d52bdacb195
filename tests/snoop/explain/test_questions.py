"""Calls as questions of a mount."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.explain.questions import is_notable, is_use, question_of, usual_question
from oncrpc.snoop.explain.steps import ServerPart, StepKind
from oncrpc.snoop.messages import RpcMessage
from snoop.explain.test_answers import message
from support.conversations import call
from support.mount_client import MAPPER, MOUNT, NFS, NLM, STATUS, opaque

HANDLE = opaque(bytes(32))
GSS_INIT = pack(">IIIIIII", 6, 20, 1, 1, 0, 1, 0)
PRIVATE = pack(">IIIIIII", 6, 20, 1, 0, 1, 3, 0)
PUTROOTFH, GETFH, LOOKUP, ACCESS = 24, 10, 15, 3


def asked(target: tuple[int, int, int], arguments: bytes = b"", **options: bytes) -> RpcMessage:
    prog, vers, proc = target
    return message(call(1, arguments, prog=prog, vers=vers, proc=proc, **options))


def compound(*operations: bytes) -> RpcMessage:
    arguments = opaque(b"") + pack(">II", 1, len(operations)) + b"".join(operations)
    return asked((NFS, 4, 1), arguments)


def operation(number: int, arguments: bytes = b"") -> bytes:
    return pack(">I", number) + arguments


@pytest.mark.parametrize(
    ("target", "arguments", "kind", "text"),
    [
        ((MAPPER, 2, 0), b"", StepKind.PING, "NULL of the port mapper version 2"),
        ((MAPPER, 2, 4), b"", StepKind.LOOKUP, "DUMP of the port mapper"),
        ((MOUNT, 3, 1), opaque(b"/a\x1b[2J"), StepKind.MOUNT, "MNT /a\\x1b[2J"),
        ((MOUNT, 3, 3), b"", StepKind.UNMOUNT, "UMNT"),
        ((MOUNT, 3, 5), b"", StepKind.LIST, "EXPORT"),
        ((MOUNT, 3, 1), b"", StepKind.USE, "procedure 1 of MOUNT version 3"),
        ((NFS, 3, 0), b"", StepKind.PING, "NULL of NFS version 3"),
        ((NFS, 2, 17), HANDLE, StepKind.ROOT, "STATFS"),
        ((NFS, 3, 19), HANDLE, StepKind.ROOT, "FSINFO"),
        ((NFS, 3, 17), HANDLE, StepKind.USE, "READDIRPLUS"),
        ((NFS, 3, 99), HANDLE, StepKind.USE, "call 99 of NFS version 3"),
        ((NLM, 4, 2), b"", StepKind.LOCK, "NLM LOCK"),
        ((STATUS, 1, 2), b"", StepKind.LOCK, "NSM MON"),
    ],
)
def test_calls_have_questions(
    target: tuple[int, int, int], arguments: bytes, kind: StepKind, text: str
) -> None:
    question = question_of(asked(target, arguments))

    assert question is not None
    assert (question.kind, question.text) == (kind, text)


@pytest.mark.parametrize(
    "target",
    [(100099, 1, 1), (MAPPER, 2, 1), (MAPPER, 2, 3), (MOUNT, 3, 7), (NFS, 4, 9), (NLM, 4, 17)],
)
def test_other_calls_have_no_question(target: tuple[int, int, int]) -> None:
    arguments = pack(">IIII", 100099, 1, 6, 0)

    assert question_of(asked(target, arguments)) is None


def test_lookup_is_about_the_program() -> None:
    question = question_of(asked((MAPPER, 2, 3), pack(">IIII", NLM, 4, 6, 0)))

    assert question is not None
    assert (question.part, question.about) == (ServerPart.MAPPER, ServerPart.LOCK)
    assert (question.vers, question.transport) == (4, "tcp")


@pytest.mark.parametrize(
    ("operations", "kind", "path", "name"),
    [
        ([operation(PUTROOTFH), operation(LOOKUP, opaque(b"srv"))], StepKind.ROOT, "/srv", ""),
        ([operation(PUTROOTFH), operation(GETFH)], StepKind.ROOT, "/", ""),
        ([operation(LOOKUP, opaque(b"srv")), operation(GETFH)], StepKind.ROOT, "", "srv"),
        ([operation(ACCESS, bytes(4))], StepKind.USE, "", ""),
        ([operation(44, bytes(16))], StepKind.UNMOUNT, "", ""),
    ],
)
def test_compound_has_a_path(operations: list[bytes], kind: StepKind, path: str, name: str) -> None:
    question = question_of(compound(*operations))

    assert question is not None
    assert (question.kind, question.path, question.name) == (kind, path, name)


@pytest.mark.parametrize(
    ("credential", "kind"), [(GSS_INIT, StepKind.CONTEXT), (PRIVATE, StepKind.USE)]
)
def test_gss_calls_have_kinds(credential: bytes, kind: StepKind) -> None:
    question = question_of(asked((NFS, 3, 19), HANDLE, credential=credential))

    assert question is not None
    assert question.kind is kind


def test_calls_that_begin_mounts_are_notable() -> None:
    notable = [asked((MOUNT, 3, 1)), compound(operation(PUTROOTFH))]
    usual = [asked((NFS, 3, 1), HANDLE), compound(operation(ACCESS, bytes(4)))]

    assert [is_notable(each) for each in [*notable, *usual]] == [True, True, False, False]


def test_lookup_alone_is_not_use() -> None:
    walk = question_of(compound(operation(LOOKUP, opaque(b"srv"))))
    enter = question_of(compound(operation(ACCESS, bytes(4))))
    assert walk is not None
    assert enter is not None

    assert (is_use(walk), is_use(enter)) == (False, True)
    assert is_use(usual_question(asked((NFS, 3, 6))))
