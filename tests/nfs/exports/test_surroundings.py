"""``oncrpc.nfs.exports.surroundings``: what exports name and this host does not have."""

from __future__ import annotations

from pathlib import Path

from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.sources import ExportSources
from oncrpc.nfs.exports.surroundings import (
    NEITHER,
    missing_addresses,
    missing_directories,
    why_no_directory,
)
from oncrpc.nfs.exports.table import Exports, ExportTable
from support.fake_name_service import FakeNames
from support.loops import run


def loaded(tmp_path: Path, *lines: str) -> ExportTable:
    file = tmp_path / "exports"
    file.write_text("".join(f"{line}\n" for line in lines))
    return Exports(ExportSources((str(file),), ())).load()


def test_reasons_are_those_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert why_no_directory(tmp_path.as_posix()) == ""
    assert why_no_directory(bytes(tmp_path / "file")) == NEITHER
    assert why_no_directory(bytes(tmp_path / "none")) == "no such file or directory"


def test_missing_directory_is_reported_once(tmp_path: Path) -> None:
    table = loaded(tmp_path, f"{tmp_path} *(ro)", f"{tmp_path}/none *(ro) 192.0.2.1(rw)")

    (found,) = missing_directories(table)

    assert found.place.line == 2
    assert found.text == f"{tmp_path}/none is not exported: no such file or directory"


def test_name_without_an_address_is_reported(tmp_path: Path) -> None:
    table = loaded(tmp_path, "/srv one two(rw) 192.0.2.0/24 @group *.example.org")
    lookups = HostLookups(FakeNames(addresses={"one": ["192.0.2.1"]}))

    (found,) = run(missing_addresses(table, lookups))

    assert found.text == "the name two has no address, so it matches nobody"
    assert found.place.column == 10


def test_silent_name_service_is_reported(tmp_path: Path) -> None:
    names = FakeNames(addresses={"one": ["192.0.2.1"]})
    names.may.clear()

    found = run(missing_addresses(loaded(tmp_path, "/srv one"), HostLookups(names), deadline=0.01))
    names.may.set()

    assert [each.place.column for each in found] == [6]
