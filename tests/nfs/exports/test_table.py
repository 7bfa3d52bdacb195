"""``oncrpc.nfs.exports.table``: exports by path, duplicates, and reading again."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.sources import ExportSources, ReadExports
from oncrpc.nfs.exports.table import Exports, ExportTable, real_path, table_of
from support.fake_name_service import FakeNames
from support.loops import run


def table(text: str, links: dict[bytes, bytes] | None = None) -> ExportTable:
    read = ReadExports()
    read.take(parse_exports(text.encode(), "exports"))
    return table_of(read, lambda path: (links or {}).get(path, path))


def exports(tmp_path: Path, text: str) -> Exports:
    (tmp_path / "exports").write_text(text)
    sources = ExportSources((str(tmp_path / "exports"),), ())
    return Exports(sources, lookups=HostLookups(FakeNames({"one": ["192.0.2.1"]})))


def test_lines_of_one_path_are_one_export() -> None:
    found = table("/a one\n/b two\n/a/ three\n//a four")

    assert list(found.exports) == [b"/a", b"/b"]
    assert [each.client.text for each in found.exports[b"/a"].entries] == ["one", "three", "four"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("/a h(rw)\n/a h(rw)", "/a has h already at exports:1:4"),
        ("/a h(rw) H(ro)", "/a has H already at exports:1:4, which has other options"),
        ("/a ::1(rw) 0::1(rw)", "/a has 0::1 already at exports:1:4"),
        ("/a\n/a *", "/a has * already at exports:1:1"),
    ],
)
def test_first_of_two_entries_counts(text: str, warning: str) -> None:
    found = table(text)

    assert [each.text for each in found.problems][-1:] == [warning]
    assert found.errors == []
    [entry] = found.exports[b"/a"].entries
    assert entry.place.line == 1
    assert entry.place.column <= 4


def test_links_lead_to_one_export() -> None:
    found = table("/link one\n/real two\n/link two", {b"/link": b"/real"})

    assert list(found.exports) == [b"/real"]
    assert found.exports[b"/real"].spellings == {b"/link", b"/real"}
    assert [each.path for each in found.around(b"/link/x")] == [b"/real"]
    assert "already" in found.problems[0].text


def test_real_path_follows_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert real_path(bytes(tmp_path / "link")) == bytes(tmp_path.resolve() / "real")
    assert real_path(b"/no/such/../path") == b"/no/such/../path"


def test_number_of_two_paths_is_warned_about() -> None:
    uuid = "0123456789abcdef" * 2
    found = table(f"/a h(fsid=1) i(fsid=1)\n/b h(fsid=1)\n/c h(fsid={uuid})\n/d h(fsid={uuid})")

    assert [each.text for each in found.problems] == [
        "fsid=1 is that of /a too",
        f"fsid={uuid} is that of /c too",
    ]


@pytest.mark.parametrize(
    ("path", "around"),
    [
        (b"/srv/www/x", [b"/srv/www", b"/srv", b"/"]),
        (b"/srv/www/", [b"/srv/www", b"/srv", b"/"]),
        (b"//srv//wwwx", [b"/srv", b"/"]),
        (b"/", [b"/"]),
        (b"srv", []),
        (b"", [b"/"]),
    ],
)
def test_innermost_export_comes_first(path: bytes, around: list[bytes]) -> None:
    found = table("/ *\n/srv *\n/srv/www *\n/other *")

    assert [each.path for each in found.around(path)] == around


def test_rules_change_when_files_are_read_again(tmp_path: Path) -> None:
    found = exports(tmp_path, "/a 192.0.2.1(ro)")
    found.load()
    rules = found.rules_of(b"/a")
    before = rules.options_for("192.0.2.1")
    (tmp_path / "exports").write_text("/a 192.0.2.1(rw)\n/b *")

    again = found.reload()

    after = rules.options_for("192.0.2.1")
    assert before is not None
    assert before.ro
    assert after is not None
    assert not after.ro
    assert found.rules_of(b"/a") is rules
    assert found.table is again
    assert list(again.exports) == [b"/a", b"/b"]
    assert [Path(file).name for file in again.files] == ["exports"]


def test_removed_export_refuses(tmp_path: Path) -> None:
    found = exports(tmp_path, "/a *")
    found.load()
    rules = found.rules_of(b"/a")
    (tmp_path / "exports").write_text("")
    found.reload()

    assert rules.options_for("192.0.2.1") is None
    assert found.rules_of(b"/never").options_for("192.0.2.1") is None


def test_mistake_leaves_the_former_exports_in_force(tmp_path: Path) -> None:
    found = exports(tmp_path, "/a *(rw)")
    found.load()
    (tmp_path / "exports").write_text("/a *(rwx)")

    again = found.reload()

    assert [each.text for each in again.errors] == ['unknown option "rwx"']
    assert found.rules_of(b"/a").options_for("192.0.2.1") is not None
    found.load()
    assert found.rules_of(b"/a").options_for("192.0.2.1") is None


def test_check_changes_nothing(tmp_path: Path) -> None:
    found = exports(tmp_path, "/a *(rw)")

    assert list(found.check().exports) == [b"/a"]
    assert not found.table.exports


def test_names_of_all_exports_are_prepared(tmp_path: Path) -> None:
    found = exports(tmp_path, "/a one(rw)")
    found.load()

    async def main() -> None:
        found.prepare()
        await found.lookups.wait()
        assert found.rules_of(b"/a").options_for("192.0.2.1") is not None

    run(main())
