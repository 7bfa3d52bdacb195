"""libwrap through ctypes: it is asked for both names, runs nothing, reads what it is given."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.access.hosts import libwrap as module
from oncrpc.access.hosts.libwrap import MAX_TEXT, SONAME, Busy, Libwrap, LibwrapQuestion, question
from oncrpc.access.hosts.patterns import host_at
from oncrpc.access.hosts.rules import DaemonId
from oncrpc.portmap.vocabulary import hosts_daemon
from support.fake_libwrap import installed

CLIENT = LibwrapQuestion(b"10.0.0.5", b"a.example.com", b"192.0.2.1", hosts_daemon())


@pytest.fixture
def library() -> Iterator[Libwrap]:
    found = installed()
    try:
        yield found
    finally:
        found.close()


def test_missing_and_foreign_library_raise_different_errors() -> None:
    with pytest.raises(OSError, match=r"libnothing\.so"):
        Libwrap("libnothing.so")
    with pytest.raises(OSError, match=r"libc\.so\.6 is another library"):
        Libwrap("libc.so.6")


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ("", "", True),
        ("", "ALL: ALL\n", False),
        ("portmap: 10.\n", "ALL: ALL\n", True),
        ("rpcbind: 10.\n", "ALL: ALL\n", True),
        ("", "portmap: 10.\n", False),
        ("", "rpcbind: 10.\n", False),
        ("rpcbind: 11.\n", "portmap: 10.\n", False),
        ("portmap: 10.: deny\n", "", False),
        ("portmap: .example.com\n", "ALL: ALL\n", True),
        ("portmap@192.0.2.1: ALL\n", "ALL: ALL\n", True),
        ("111: ALL\n", "ALL: ALL\n", True),
        ("portmap: ALL: twist echo\n", "", False),
    ],
)
def test_both_names_are_asked_for(library: Libwrap, allow: str, deny: str, expected: bool) -> None:
    library.read(allow, deny)

    assert library.judge(CLIENT) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [({"nfsd"}, False), ({"mountd"}, True), ({"mountd", "nfsd"}, False),
     ({"mountd", "nfsd", "statd"}, True)],
)  # fmt: skip
def test_any_number_of_names_is_asked_for(
    library: Libwrap, names: set[str], expected: bool
) -> None:
    library.read("statd: 10.\n", "nfsd: 10.\n")
    daemon = DaemonId(frozenset(names), 2049)

    assert library.judge(LibwrapQuestion(b"10.0.0.5", b"unknown", b"unknown", daemon)) is expected


def test_it_does_not_replace_our_process(library: Libwrap) -> None:
    assert ctypes.c_int.in_dll(ctypes.CDLL(SONAME), "resident").value == 1


def test_it_looks_up_no_name(library: Libwrap, tmp_path: Path) -> None:
    library.read("", "ALL: LOCAL, KNOWN\n")

    assert library.judge(LibwrapQuestion(b"127.0.0.1", b"unknown", b"unknown", hosts_daemon()))


def test_new_texts_take_the_place_of_old_ones(library: Libwrap) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        library.read("", "ALL: ALL\n")
        library.read("", "ALL: 11.\n")

    assert library.judge(CLIENT)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_without_texts_it_cannot_be_asked(library: Libwrap) -> None:
    with pytest.raises(Busy):
        library.judge(CLIENT)


def test_questions_are_serialized(library: Libwrap) -> None:
    library.read("", "ALL: ALL\n")

    with library.alone():
        with pytest.raises(Busy):
            library.judge(CLIENT)
        with pytest.raises(Busy):
            library.read("", "")

    assert not library.judge(CLIENT)


def test_library_without_proc_is_not_used(
    library: Libwrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_path", lambda descriptor: b"/nonexistent/fd")

    with pytest.raises(OSError, match="cannot read /proc/self/fd"):
        library.read("", "ALL: ALL\n")
    with pytest.raises(OSError, match="cannot read /proc/self/fd"):
        Libwrap()
    with pytest.raises(Busy):
        library.judge(CLIENT)


def test_long_texts_are_not_passed_to_libwrap() -> None:
    here = host_at("", "unknown")

    assert question(host_at("10.0.0.5", "x" * MAX_TEXT), here, hosts_daemon()) is not None
    assert question(host_at("10.0.0.5", "x" * (MAX_TEXT + 1)), here, hosts_daemon()) is None
    assert question(host_at("10.0.0.5", "x\0"), here, hosts_daemon()) is None
    assert question(host_at("::FFFF:10.0.0.5"), here, hosts_daemon(7)) == LibwrapQuestion(
        b"10.0.0.5", b"unknown", b"unknown", hosts_daemon(7)
    )
