"""``oncrpc.nfs.exports.explain``: which entry decides, and what its users become."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oncrpc.nfs.exports.explain import EntryOutcome, ExportExplanation, explain
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.sources import ExportSources, ReadExports
from oncrpc.nfs.exports.table import Exports, table_of
from oncrpc.nfs.filesystem import Identity
from support.fake_name_service import FakeNames
from support.loops import run

TEXT = """\
/srv 192.0.2.0/24(rw,no_root_squash) *.example.org(ro) broken(oops)
/srv/www 198.51.100.1(ro,all_squash,anonuid=150,anongid=100,insecure)
"""


def names() -> FakeNames:
    return FakeNames(
        addresses={"pc.example.org": ["203.0.113.5"], "broken": ["203.0.113.9"]},
        names={"203.0.113.5": ["pc.example.org"]},
    )


def explained(
    tmp_path: Path, host: str, path: bytes, *, service: FakeNames | None = None
) -> ExportExplanation:
    (tmp_path / "exports").write_text(TEXT)
    sources = ExportSources((str(tmp_path / "exports"),), ())
    exports = Exports(sources, lookups=HostLookups(service or names()), resolve=lambda path: path)
    exports.load()
    return run(explain(exports, host, path, deadline=0.05 if service else 10.0))


def outcomes(found: ExportExplanation) -> list[tuple[str, EntryOutcome]]:
    return [(each.entry.client.text, each.outcome) for each in found.compared]


def test_entry_that_grants_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, "192.0.2.7", b"/srv/data")

    assert found.path == b"/srv"
    assert found.entry is not None
    assert str(found.entry.place) == f"{tmp_path}/exports:1:6"
    assert outcomes(found) == [
        ("broken", EntryOutcome.DIFFERS),
        ("192.0.2.0/24", EntryOutcome.GRANTS),
        ("*.example.org", EntryOutcome.LATER),
    ]
    assert found.identity(0, 0) == Identity(0, 0, (), "192.0.2.7")


def test_users_are_those_after_squashing(tmp_path: Path) -> None:
    found = explained(tmp_path, "198.51.100.1", b"/srv/www")

    assert found.identity(0, 0) == Identity(150, 100, (), "198.51.100.1")
    assert found.identity(1000, 1000) == Identity(150, 100, (), "198.51.100.1")


def test_outer_export_grants_what_the_inner_refuses(tmp_path: Path) -> None:
    found = explained(tmp_path, "192.0.2.7", b"/srv/www")

    assert found.path == b"/srv"
    assert outcomes(found)[0] == ("198.51.100.1", EntryOutcome.DIFFERS)


def test_names_of_the_host_are_shown(tmp_path: Path) -> None:
    found = explained(tmp_path, "203.0.113.5", b"/srv")

    assert found.names == ("pc.example.org",)
    assert "  names: pc.example.org" in list(found.lines())


def test_entry_with_an_error_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, "203.0.113.9", b"/srv")

    assert found.options is None
    assert found.identity(0, 0) is None
    assert outcomes(found)[0] == ("broken", EntryOutcome.REFUSES)


def test_name_without_an_address_is_named(tmp_path: Path) -> None:
    service = names()
    del service.addresses["broken"]

    found = explained(tmp_path, "192.0.2.7", b"/srv", service=service)

    assert outcomes(found)[0] == ("broken", EntryOutcome.NAMELESS)


def test_flavors_that_the_server_lacks_let_nobody_in(tmp_path: Path) -> None:
    exports = Exports(ExportSources((str(tmp_path / "exports"),), ()))
    (tmp_path / "exports").write_text("/srv *(rw,sec=krb5)\n")
    exports.load()

    found = run(explain(exports, "192.0.2.7", b"/srv"))

    assert not found.granted
    assert found.identity(0, 0) is None
    assert [*found.lines()] == [
        "192.0.2.7 may not mount /srv, in the export /srv:"
        " this server does not have the flavors of sec=krb5",
        f"  {tmp_path}/exports:1:6: /srv * (any host): grants",
    ]


def test_name_service_that_is_silent_is_named(tmp_path: Path) -> None:
    service = names()
    service.may.clear()
    found = explained(tmp_path, "192.0.2.7", b"/srv", service=service)
    service.may.set()

    assert found.options is None
    assert outcomes(found)[0] == ("broken", EntryOutcome.UNKNOWN)


def blocks() -> list[str]:
    """The files and the output in the documentation, without their first lines."""
    page = Path(__file__).parents[3] / "docs/reference/exports.md"
    found = re.findall(r"^```(?:text|console)\n([^`]*)^```", page.read_text(), re.MULTILINE)
    return [re.sub(r"^\$ .*\n", "", block) for block in found]


@pytest.mark.parametrize("number", [0, 2])
def test_examples_of_the_documentation(number: int) -> None:
    source, shown = blocks()[number : number + 2]
    read = ReadExports()
    read.take(parse_exports(source.encode(), "/etc/exports"))
    exports = Exports(ExportSources((), ()), lookups=HostLookups(names()))
    table = exports.use(table_of(read, lambda path: path))

    if number == 0:
        lines = list(run(explain(exports, "192.0.2.7", b"/srv/share/data")).lines())
    else:
        lines = [*map(str, table.problems), "3 exports in 1 file: 3 errors, 1 warning"]
    assert lines == shown.splitlines()


@pytest.mark.parametrize(
    ("host", "path", "lines"),
    [
        (
            "192.0.2.7",
            b"/srv/data",
            """\
192.0.2.7 may mount /srv/data, in the export /srv: read and write
  EXPORTS:1:56: /srv broken (host): does not match
  EXPORTS:1:6: /srv 192.0.2.0/24 (network): grants
  EXPORTS:1:38: /srv *.example.org (wildcard): not reached
  options: sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,no_root_squash,no_all_squash
  root (0:0) works as 0:0
  an ordinary user (1000:1000) works as 1000:1000
  the client's port has to be below 1024""",
        ),
        (
            "192.0.2.7",
            b"/other",
            "192.0.2.7 may not mount /other: no export has this path",
        ),
        (
            "203.0.113.7",
            b"/srv/www",
            """\
203.0.113.7 may not mount /srv/www, in the export /srv/www
  EXPORTS:2:10: /srv/www 198.51.100.1 (host): does not match
  EXPORTS:1:56: /srv broken (host): does not match
  EXPORTS:1:6: /srv 192.0.2.0/24 (network): does not match
  EXPORTS:1:38: /srv *.example.org (wildcard): does not match""",
        ),
    ],
)
def test_explanation_as_text(tmp_path: Path, host: str, path: bytes, lines: str) -> None:
    found = explained(tmp_path, host, path)

    text = "\n".join(found.lines()).replace(f"{tmp_path}/exports", "EXPORTS")
    assert text == lines
