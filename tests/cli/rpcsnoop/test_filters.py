"""``oncrpc.cli.rpcsnoop.filters``: which messages are shown."""

from __future__ import annotations

import pytest

from oncrpc.cli.rpcsnoop.filters import (
    MAX_KNOWN,
    HostFilter,
    ProcedureFilter,
    ProgramFilter,
    UserFilter,
)
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc import AUTH_NONE
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_bytes, seen_reply
from support.words import words

PROGRAMS = KnownPrograms()


def message(
    *, prog: int | None = 100003, vers: int = 3, proc: int = 7, host: str = "192.0.2.1"
) -> RpcMessage:
    return RpcMessage(
        number=1, time=0, began=0, source=Party(host, 700), target=Party("192.0.2.9", 2049),
        transport="tcp", xid=1, is_call=True, prog=prog, vers=vers, proc=proc, body=b"", length=0,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["nfs", "NFS", "100003", "nfs,3", "100003,3"])
def test_program_has_a_name_and_a_number(name: str) -> None:
    chosen = ProgramFilter([name])

    assert chosen(message(), PROGRAMS)
    assert not chosen(message(prog=100005), PROGRAMS)
    assert not chosen(message(prog=None), PROGRAMS)
    assert chosen(message(vers=4), PROGRAMS) is ("," not in name)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("portmap", 100000),
        ("portmapper", 100000),
        ("rpcbind", 100000),
        ("status", 100024),
        ("nlm", 100021),
        ("nlockmgr", 100021),
        ("nfs_acl", 100227),
    ],
)
def test_program_has_many_names(name: str, number: int) -> None:
    assert ProgramFilter([name])(message(prog=number), PROGRAMS)


@pytest.mark.parametrize("name", ["WRITE", "write", "NFSPROC3_WRITE", "7"])
def test_procedure_has_a_name_and_a_number(name: str) -> None:
    chosen = ProcedureFilter([name])

    assert chosen(message(), PROGRAMS)
    assert not chosen(message(proc=6), PROGRAMS)
    assert not chosen(message(prog=None), PROGRAMS)


def test_null_is_a_procedure_of_any_program() -> None:
    chosen = ProcedureFilter(["null"])

    assert chosen(message(proc=0), PROGRAMS)
    assert chosen(message(prog=77, proc=0), PROGRAMS)
    assert not chosen(message(prog=77, proc=1), PROGRAMS)


@pytest.mark.slow
def test_many_procedures_are_distinguished() -> None:
    chosen = ProcedureFilter(["7"])

    for prog in range(MAX_KNOWN + 2):
        assert chosen(message(prog=prog), PROGRAMS)
        assert not chosen(message(prog=prog, proc=8), PROGRAMS)


def test_one_of_many_values_has_to_fit() -> None:
    assert ProcedureFilter(["READ", "7"])(message(), PROGRAMS)
    assert ProgramFilter(["mount", "nfs"])(message(), PROGRAMS)
    assert HostFilter(["192.0.2.7", "192.0.2.1"])(message(), PROGRAMS)


@pytest.mark.parametrize(
    ("host", "shown"), [("192.0.2.1", True), ("192.0.2.9", True), ("192.0.2.7", False)]
)
def test_host_may_be_source_or_target(host: str, shown: bool) -> None:
    assert HostFilter([host])(message(), PROGRAMS) is shown


def test_host_may_be_written_in_any_form() -> None:
    found = message(host="2001:db8::1")

    assert HostFilter(["2001:0DB8:0:0:0:0:0:1"])(found, PROGRAMS)


AUTH_SYS = opaque_auth(auth_flavor.AUTH_SYS, words(0, 4, b"host", 1000, 100, 0))
DAMAGED = opaque_auth(auth_flavor.AUTH_SYS, words(0, 99))


@pytest.mark.parametrize(
    ("credential", "shown"),
    [(AUTH_SYS, True), (AUTH_NONE, False), (DAMAGED, False)],
)
def test_user_is_that_of_the_call(credential: opaque_auth, shown: bool) -> None:
    found = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"", cred=credential)
    chosen = UserFilter(["1000", "2000"])

    assert chosen(found, PROGRAMS) is shown
    assert chosen(seen_reply(found, 0, 0, 0, 0), PROGRAMS) is shown
    assert not UserFilter(["0"])(found, PROGRAMS)
