"""``oncrpc.cli.rpcsnoop.filters``: which messages are shown."""

from __future__ import annotations

import pytest

from oncrpc.cli.rpcsnoop.filters import HostFilter, ProcedureFilter, ProgramFilter
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms

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
