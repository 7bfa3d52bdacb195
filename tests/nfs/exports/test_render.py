"""``oncrpc.nfs.exports.render``: exports as exportfs shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.option_list import FLAGS
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.render import (
    exportfs_plain,
    exportfs_s,
    exportfs_v,
    option_list,
)
from oncrpc.nfs.exports.sources import ReadExports
from oncrpc.nfs.exports.table import ExportTable, table_of
from oncrpc.nfs.options import ExportOptions

DEFAULT = "sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash"

UNSHOWN = {"subtree_check"}
"""exportfs shows the opposite only, which was not the default once."""


def table(text: str) -> ExportTable:
    read = ReadExports()
    read.take(parse_exports(text.encode(), "exports"))
    return table_of(read, lambda path: path)


def rendered(options: str) -> str:
    [entry] = parse_exports(f"/a h({options})".encode(), "exports").entries
    assert entry.options is not None
    return option_list(entry.options)


def test_defaults_are_shown() -> None:
    assert option_list(ExportOptions()) == DEFAULT


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("async", DEFAULT.replace("sync,w", "async,w")),
        ("no_wdelay,nohide,crossmnt", DEFAULT.replace("wdelay,hide", "no_wdelay,nohide,crossmnt")),
        ("subtree_check", DEFAULT.replace("no_subtree_check,", "")),
        (
            "no_acl,security_label,nordirplus,sign_fh,insecure_locks,pnfs",
            DEFAULT.replace(
                "check,", "check,insecure_locks,nordirplus,security_label,sign_fh,no_acl,pnfs,"
            ),
        ),
        (
            "anongid=5,anonuid=-2,mp=/x,fsid=root,fsid=" + "a" * 32,
            DEFAULT.replace(
                "check,", f"check,fsid=0,fsid={'a' * 32},mountpoint=/x,anonuid=-2,anongid=5,"
            ),
        ),
        ("mp,fsid=4294967295", DEFAULT.replace("check,", "check,fsid=-1,mountpoint,")),
        (
            "replicas=/a@b,reexport=auto-fsidnum",
            DEFAULT.replace("check,", "check,reexport=auto-fsidnum,replicas=/a@b,"),
        ),
        ("xprtsec=none:tls", DEFAULT + ",xprtsec=none:tls"),
        (
            "rw,sec=krb5:sys,ro,sec=krb5i,no_root_squash,rw,insecure",
            DEFAULT.replace("sec=sys", "sec=krb5:sys")
            + ",sec=krb5i,rw,insecure,no_root_squash,no_all_squash",
        ),
    ],
)
def test_options_are_in_the_order_of_exportfs(options: str, text: str) -> None:
    assert rendered(options) == text


def test_exportfs_s_can_be_read_again() -> None:
    text = exportfs_s(table("/a\\040b\\011c\\134 one(rw)\n/d"))

    assert text == (
        b"/a\\040b\\011c\\134  one(" + DEFAULT.replace("ro", "rw", 1).encode() + b")\n"
        b"/d  *(" + DEFAULT.encode() + b")\n"
    )


def test_exportfs_v_gives_long_paths_a_line() -> None:
    text = exportfs_v(table("/fourteen-bytes one\n/short *"))

    assert text == (
        b"/fourteen-bytes\n\t\tone(" + DEFAULT.encode() + b")\n"
        b"/short        \t<world>(" + DEFAULT.encode() + b")\n"
    )


def test_exportfs_alone_shows_paths_and_clients() -> None:
    assert exportfs_plain(table("/a one *")) == b"/a            \tone\n/a            \t<world>\n"


def test_list_goes_class_by_class() -> None:
    text = exportfs_plain(table("/a * @g *.x 10.0.0.0/8 one gss/krb5\n/b two\n/a oops(oops)"))

    assert [line.split(b"\t")[-1] for line in text.splitlines()] == [
        b"one", b"two", b"10.0.0.0/8", b"*.x", b"@g", b"<world>", b"gss/krb5",
    ]  # fmt: skip


def test_paths_are_in_the_order_of_the_class() -> None:
    text = exportfs_plain(table("/b 10.0.0.0/8\n/a one\n/c two\n/b three\n/a four"))

    assert [line.split(b"\t")[-1] for line in text.splitlines()] == [
        b"one", b"four", b"two", b"three", b"10.0.0.0/8",
    ]  # fmt: skip


@pytest.mark.slow
@given(
    st.lists(
        st.sampled_from(
            [*sorted(FLAGS.keys() - UNSHOWN), "sec=sys:krb5", "anonuid=7", "mp=/x", "fsid=3"]
        )
    ),
    st.binary(max_size=20).filter(lambda path: b"\0" not in path),
)
def test_exportfs_s_gives_the_same_exports(options: list[str], path: bytes) -> None:
    escaped = b"".join(b"\\%03o" % byte for byte in path)
    written = b"/x" + escaped + b" h(" + ",".join(options).encode() + b")"
    read = ReadExports()
    read.take(parse_exports(written, "exports"))
    first = table_of(read, lambda path: path)

    again = ReadExports()
    again.take(parse_exports(exportfs_s(first), "again"))

    [before], [after] = read.entries, again.entries
    assert (after.path, after.client.text) == (before.path, before.client.text)
    assert before.options is not None
    assert after.options is not None
    for flavor in before.options.sec:
        assert after.options.under(flavor)[:7] == before.options.under(flavor)[:7]
    assert exportfs_s(table_of(again, lambda path: path)) == exportfs_s(first)
