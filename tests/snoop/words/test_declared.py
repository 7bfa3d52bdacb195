"""The table of procedures and statuses is what the declarations give."""

from __future__ import annotations

from importlib import import_module

import pytest

from oncrpc.rpc import Version
from oncrpc.snoop.words.declarations import described
from oncrpc.snoop.words.declared import PROCEDURES, STATUSES
from oncrpc.snoop.words.programs import DECLARED, KnownPrograms, versions_of

VERSIONS = {
    (version.prog, version.vers): version
    for names in DECLARED.values()
    for name in names[::-1]
    for version in versions_of(import_module(f"oncrpc.programs.{name}"))
}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.__name__)
def test_table_describes_each_procedure_as_declared(version: type[Version]) -> None:
    programs = KnownPrograms()

    assert {
        number: programs.described(version.prog, version.vers, number)
        for number in version.procedures
    } == {number: described(procedure) for number, procedure in version.procedures.items()}


def test_table_has_no_other_procedures() -> None:
    assert {key: set(entries) for key, entries in PROCEDURES.items()} == {
        key: set(version.procedures) for key, version in VERSIONS.items()
    }


def test_each_type_of_status_is_used() -> None:
    used = {entry[2] for entries in PROCEDURES.values() for entry in entries.values()}

    assert set(STATUSES) == used - {None, ""}
