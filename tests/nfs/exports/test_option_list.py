"""``oncrpc.nfs.exports.option_list``: the meaning of each option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.option_list import FLAGS, NOTES, VALUES, OptionList
from oncrpc.nfs.exports.places import BadExport, Severity
from oncrpc.nfs.exports.words import ClientWord, item_of
from oncrpc.nfs.options import ExportOptions, FlavorOptions

Told = list[tuple[Severity, str]]


def add(text: str, base: OptionList | None = None) -> tuple[OptionList, Told, bool]:
    item = item_of(f"h({text})")
    assert isinstance(item, ClientWord)
    told = Told()

    def tell(severity: Severity, found: BadExport) -> None:
        told.append((severity, found.text))

    options = OptionList(base)
    valid = options.add(item.options or (), tell)
    return options, told, valid


def options(text: str) -> ExportOptions:
    found, told, valid = add(text)
    assert valid, told
    return found.options()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("ro", {"ro": True}),
        ("rw", {"ro": False}),
        ("rw,ro", {"ro": True}),
        ("async", {"sync": False}),
        ("sync", {"sync": True}),
        ("insecure", {"secure": False}),
        ("no_root_squash", {"root_squash": False}),
        ("all_squash", {"all_squash": True}),
        ("all_squash,no_all_squash", {"all_squash": False}),
        ("subtree_check", {"subtree_check": True}),
        ("no_wdelay", {"wdelay": False}),
        ("nohide", {"nohide": True}),
        ("nohide,hide", {"nohide": False}),
        ("crossmnt", {"crossmnt": True}),
        ("crossmnt,nocrossmnt", {"crossmnt": False}),
        ("nordirplus", {"readdirplus": False}),
        ("insecure_locks", {"insecure_locks": True}),
        ("no_auth_nlm,auth_nlm", {"insecure_locks": False}),
        ("no_acl", {"acl": False}),
        ("pnfs,no_pnfs", {"pnfs": False}),
        ("security_label", {"security_label": True}),
        ("sign_fh", {"sign_fh": True}),
        ("anonuid=150,anongid=100", {"anonuid": 150, "anongid": 100}),
        ("anonuid=-2", {"anonuid": 4294967294}),
        ("anonuid=+5", {"anonuid": 5}),
        ("fsid=root", {"fsid": 0}),
        ("fsid=0x10", {"fsid": 16}),
        ("fsid=010", {"fsid": 8}),
        ("fsid=4294967295", {"fsid": 4294967295}),
        ("fsid=" + "0123456789abcdef" * 2, {"uuid": "0123456789abcdef" * 2}),
        ("fsid=1,fsid=" + "a" * 32, {"fsid": 1, "uuid": "a" * 32}),
        ("mp", {"mountpoint": ""}),
        ("mountpoint", {"mountpoint": ""}),
        ("mp=/data", {"mountpoint": "/data"}),
        ("refer=/a@b", {"locations": "refer=/a@b"}),
        ("refer=/a@b,replicas=/c@d+e:/f@g", {"locations": "replicas=/c@d+e:/f@g"}),
        ("reexport=auto-fsidnum", {"reexport": "auto-fsidnum"}),
        ("reexport=none", {"reexport": ""}),
        ("xprtsec=none:tls", {"xprtsec": ("none", "tls")}),
        ("sec=sys", {"sec": ("sys",)}),
        ("sec=unix:krb5", {"sec": ("sys", "krb5")}),
        ("sec=null", {"sec": ("none",)}),
        ("sec=krb5p:sys:krb5p", {"sec": ("krb5p", "sys")}),
    ],
)
def test_option_sets_its_fields(text: str, fields: dict[str, Any]) -> None:
    assert options(text) == ExportOptions()._replace(**fields)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rwx", "unknown option"),
        ("RW", "unknown option"),
        ("no_root_sqaush", "unknown option"),
        ("ro=1", "has no value"),
        ("anonuid", "needs a value"),
        ("sec", "needs a value"),
        ("anonuid=", "bad anonuid"),
        ("anonuid=joe", "bad anonuid"),
        ("anonuid=-1", "bad anonuid"),
        ("anonuid=4294967295", "bad anonuid"),
        ("anongid=99999999999", "bad anongid"),
        ("fsid=", "bad fsid"),
        ("fsid=4294967296", "bad fsid"),
        ("fsid=abc", "bad fsid"),
        ("mp=data", "not an absolute path"),
        ("sec=sys:", "unknown flavor"),
        ("sec=des", "unknown flavor"),
        ("reexport=x", "unknown method"),
        ("xprtsec=ssl", "unknown xprtsec"),
        ("xprtsec=tls:mtls", "asks for TLS"),
        ("squash_uids=0-10", "not supported"),
        ("no_sign_fh", "not supported"),
        ("refer=" + "x" * 1025, "too long"),
    ],
)
def test_bad_option_is_an_error(text: str, reason: str) -> None:
    _, told, valid = add(text)

    assert not valid
    assert [severity for severity, _ in told] == [Severity.ERROR]
    assert reason in told[0][1]


def test_typing_error_is_answered_by_a_proposal() -> None:
    advice = list[str]()
    item = item_of("h(no_root_sqaush)")
    assert isinstance(item, ClientWord)
    OptionList().add(item.options or (), lambda _, found: advice.append(found.advice))

    assert advice == ["did you mean no_root_squash?"]


def test_all_errors_of_a_list_are_told() -> None:
    _, told, _ = add("rwx,anonuid=x,ro,fsid=y")

    assert len(told) == 3


@pytest.mark.parametrize("name", sorted(NOTES))
def test_option_without_effect_has_a_note(name: str) -> None:
    value = {"xprtsec": "none", "reexport": "auto-fsidnum"}.get(name, "/a@b")
    _, told, valid = add(name if name in FLAGS else f"{name}={value}")

    assert valid
    assert [severity for severity, _ in told] == [Severity.NOTE]
    assert "no effect" in told[0][1]


def test_every_option_of_the_manual_is_known() -> None:
    named = """
        secure insecure rw ro async sync no_wdelay wdelay nohide hide crossmnt nocrossmnt
        subtree_check no_subtree_check insecure_locks no_auth_nlm auth_nlm secure_locks
        mountpoint mp fsid nordirplus refer replicas pnfs no_pnfs security_label root_squash
        no_root_squash all_squash no_all_squash anonuid anongid sign_fh reexport xprtsec acl no_acl
    """

    assert set(named.split()) == FLAGS.keys() | VALUES.keys()


def rows() -> dict[str, str]:
    """The rows of the documentation's table, by option."""
    page = Path(__file__).parents[3] / "docs/reference/exports.md"
    table = page.read_text().partition("## Options")[2].partition("\n## ")[0]
    found = [line for line in table.splitlines() if line.startswith("| `")]
    return {
        name.partition("=")[0]: line
        for line in found
        for name in re.findall(r"`([a-z_0-9]+=?)[^`]*`", line.split("|")[1])
    }


def test_every_option_is_documented() -> None:
    assert rows().keys() == FLAGS.keys() | VALUES.keys() | {"sec"}


@pytest.mark.parametrize("name", sorted(NOTES))
def test_documentation_says_what_has_no_effect(name: str) -> None:
    assert "No effect" in rows()[name]


def test_options_behind_sec_are_for_its_flavors() -> None:
    found = options("rw,sec=krb5:sys,ro,sec=krb5i,no_root_squash,rw,insecure")

    assert found.sec == ("krb5", "sys", "krb5i")
    assert found.by_flavor == (
        FlavorOptions("krb5", True, True, True, False),
        FlavorOptions("sys", True, True, True, False),
        FlavorOptions("krb5i", False, False, False, False),
    )
    assert found.under("sys").ro
    assert not found.under("krb5i").root_squash


def test_options_before_sec_are_for_all_flavors() -> None:
    assert options("rw,all_squash,sec=sys:none").by_flavor == ()


def test_options_alone_do_not_change_flavors_of_defaults() -> None:
    defaults, _, _ = add("sec=sys,ro")
    found, told, valid = add("rw", defaults)

    assert valid
    assert found.options().under("sys").ro
    assert [severity for severity, _ in told] == [Severity.WARNING]
    assert "does not hold for sec=sys" in told[0][1]


def test_later_list_does_not_change_the_former() -> None:
    defaults, _, _ = add("sec=sys,ro")
    add("sec=sys,rw,async", defaults)

    assert defaults.options() == ExportOptions()


def test_kerberos_alone_is_warned_about() -> None:
    _, told, valid = add("sec=krb5:krb5i")

    assert valid
    assert [severity for severity, _ in told] == [Severity.WARNING]


@given(st.lists(st.sampled_from(sorted(FLAGS)), max_size=8))
def test_last_of_opposite_options_counts(names: list[str]) -> None:
    found = options(",".join(names))

    for name in names:
        field = FLAGS[name][0]
        last = [FLAGS[each][1] for each in names if FLAGS[each][0] == field][-1]
        assert getattr(found, field) is last
