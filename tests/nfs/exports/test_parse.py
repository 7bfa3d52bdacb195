"""``oncrpc.nfs.exports.parse``: files of exports(5), and their problems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports import parse
from oncrpc.nfs.exports.clients import PatternClass
from oncrpc.nfs.exports.parse import (
    MAX_PROBLEMS,
    ClientEntry,
    ParsedExports,
    parse_exports,
    plain_path,
)
from oncrpc.nfs.exports.places import Severity
from oncrpc.nfs.options import ExportOptions

MANUAL = b"""\
# sample /etc/exports file
/               master(rw) trusty(rw,no_root_squash)
/projects       proj*.local.domain(rw)
/usr            *.local.domain(ro) @trusted(rw)
/home/joe       pc001(rw,all_squash,anonuid=150,anongid=100)
/pub            *(ro,insecure,all_squash)
/srv/www        -sync,rw server @trusted @external(ro)
/foo            2001:db8:9:e54::/64(rw) 192.0.2.0/24(rw)
/build          buildhost[0-9].local.domain(rw)
"""
"""The example of the manual page."""

RW = ExportOptions(ro=False)


def parsed(text: str | bytes) -> ParsedExports:
    return parse_exports(text.encode() if isinstance(text, str) else text, "exports")


def clients(text: str | bytes) -> list[tuple[bytes, str, ExportOptions | None]]:
    return [(entry.path, entry.client.text, entry.options) for entry in parsed(text).entries]


def problems(text: str, severity: Severity = Severity.ERROR) -> list[str]:
    found = [each for each in parsed(text).problems if each.severity is severity]
    assert all(each.place.line for each in found)
    return [f"{each.place.line}:{each.place.column} {each.text}" for each in found]


def test_example_of_the_manual_page() -> None:
    assert clients(MANUAL) == [
        (b"/", "master", RW),
        (b"/", "trusty", RW._replace(root_squash=False)),
        (b"/projects", "proj*.local.domain", RW),
        (b"/usr", "*.local.domain", ExportOptions()),
        (b"/usr", "@trusted", RW),
        (b"/home/joe", "pc001", RW._replace(all_squash=True, anonuid=150, anongid=100)),
        (b"/pub", "*", ExportOptions(secure=False, all_squash=True)),
        (b"/srv/www", "server", RW),
        (b"/srv/www", "@trusted", RW),
        (b"/srv/www", "@external", ExportOptions()),
        (b"/foo", "2001:db8:9:e54::/64", RW),
        (b"/foo", "192.0.2.0/24", RW),
        (b"/build", "buildhost[0-9].local.domain", RW),
    ]
    assert parsed(MANUAL).problems == []


def test_entry_knows_its_place() -> None:
    [first, second] = parsed("\n/a \\\n  one two\n").entries

    assert [first.place.line, first.place.column] == [3, 3]
    assert [second.place.line, second.place.column] == [3, 7]


@pytest.mark.parametrize(
    ("path", "plain"),
    [(b"/", b"/"), (b"//", b"/"), (b"/a/", b"/a"), (b"//a///b//", b"/a/b"), (b"/a/.b", b"/a/.b")],
)
def test_slashes_of_a_path_are_reduced(path: bytes, plain: bytes) -> None:
    assert plain_path(path) == plain
    assert clients(path + b" *")[0][0] == plain


def test_quotes_and_escapes_make_any_path() -> None:
    assert [path for path, _, _ in clients('"/a b" *\n/c\\040d *\n/\\303\\251 *\n')] == [
        b"/a b", b"/c d", "/é".encode(),
    ]  # fmt: skip


def test_defaults_are_for_the_clients_behind_them() -> None:
    assert clients("/a one -rw two three(ro,async) -sync four\n/b five") == [
        (b"/a", "one", ExportOptions()),
        (b"/a", "two", RW),
        (b"/a", "three", ExportOptions(sync=False)),
        (b"/a", "four", RW),
        (b"/b", "five", ExportOptions()),
    ]


def test_path_alone_is_exported_to_every_host() -> None:
    assert clients("/a\n/b -rw\n") == [(b"/a", "*", ExportOptions()), (b"/b", "*", RW)]
    assert problems("/a\n/b -rw\n", Severity.WARNING) == [
        '1:1 "/a" is exported to every host',
        '2:1 "/b" is exported to every host',
    ]


def test_options_alone_are_for_every_host() -> None:
    assert clients("/a (rw) one") == [(b"/a", "*", RW), (b"/a", "one", ExportOptions())]
    assert problems("/a (rw) one", Severity.WARNING) == ['1:4 "(rw)" is for every host']


def test_blank_before_options_does_not_export_to_everybody() -> None:
    assert clients("/a one (rw)") == [(b"/a", "one", ExportOptions()), (b"/a", "*", None)]
    assert problems("/a one (rw)") == ['1:8 a blank between "one" and its options']


def test_defaults_at_the_end_export_nothing() -> None:
    assert clients("/a one -rw") == [(b"/a", "one", ExportOptions())]
    assert problems("/a one -rw", Severity.WARNING) == [
        "1:8 default options at the end of the line apply to no client"
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a *\n/b *(rwx)", ['1:1 "a" is not an absolute path', '2:6 unknown option "rwx"']),
        (
            "/b h(ro,rwx,anonuid=x) 10.4(q)",
            [
                '1:9 unknown option "rwx"',
                '1:13 bad anonuid "x"',
                '1:24 "10.4" is not an address',
                '1:29 unknown option "q"',
            ],
        ),
        ('/b "h\n/c h(', ["1:4 a quote without an end", "2:5 a list of options without an end"]),
        ('/b h\\040(rw) ""', ['1:4 "h " is not a client', "1:14 an empty word"]),
        ('"/b\n/c *', ["1:1 a quote without an end"]),
        ("/" + "x" * 1024, ["1:1 a path that is too long"]),
        ("/é h(é)", ['1:6 unknown option "é"']),
    ],
)
def test_errors_name_line_and_column(text: str, places: list[str]) -> None:
    assert problems(text) == places


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        ("h(rwx)", PatternClass.HOST),
        ("192.0.2.0/99(rw)", PatternClass.NETWORK),
        ("[(rw)", PatternClass.WILDCARD),
        ("@(rw)", PatternClass.NETGROUP),
        ("h(rw", PatternClass.HOST),
        ("*(rwx)", PatternClass.ANONYMOUS),
    ],
)
def test_entry_with_an_error_refuses(client: str, kind: PatternClass) -> None:
    [entry] = parsed(f"/a {client}").entries

    assert entry.options is None
    assert entry.client.kind is kind


def test_bad_defaults_refuse_all_that_follow() -> None:
    assert clients("/a one -rwx two") == [(b"/a", "one", ExportOptions()), (b"/a", "two", None)]


def test_wildcards_of_addresses_are_warned_about() -> None:
    assert problems("/a 192.0.2.*", Severity.WARNING) == [
        '1:4 "192.0.2.*" is compared with names of hosts, never with addresses'
    ]


def test_kerberos_clients_have_a_note() -> None:
    assert clients("/a gss/krb5(rw)") == [(b"/a", "gss/krb5", RW)]
    assert problems("/a gss/krb5(rw)", Severity.NOTE) == [
        "1:4 gss/krb5 matches nobody: this server does not have Kerberos"
    ]


def test_file_with_many_clients_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_ENTRIES", 5)
    text = "/a one two\n/b three four five\n/c six"

    assert [path for path, _, _ in clients(text)] == [b"/a"] * 2 + [b"/b"] * 3
    assert problems(text) == ["3:1 more than 5 clients"]


def test_unreadable_client_of_a_broken_word_refuses() -> None:
    [entry] = parsed("/a 10.4(rw").entries

    assert entry.options is None
    assert not entry.client.valid


def test_notes_do_not_hide_errors() -> None:
    text = "/a *(pnfs)\n" * (2 * MAX_PROBLEMS) + "/a *(rwx)\n" * (2 * MAX_PROBLEMS)

    assert len(problems(text, Severity.NOTE)) == len(problems(text)) == MAX_PROBLEMS


@given(st.text('/ab*@ "\\#\n(),=-rwo1.[]', max_size=60))
def test_every_text_has_entries_or_problems(text: str) -> None:
    found = parsed(text)

    refused = [entry for entry in found.entries if entry.options is None]
    errors = [each for each in found.problems if each.severity is Severity.ERROR]
    assert len(errors) >= bool(refused)
    for each in found.problems:
        assert str(each).isprintable()
        assert 1 <= each.place.line <= text.count("\n") + 1
    for entry in found.entries:
        assert entry.path.startswith(b"/")
        assert isinstance(entry, ClientEntry)
