"""``oncrpc.cli.nfs.names``: quoting of names that a server sends."""

from __future__ import annotations

import os
import subprocess
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.cli.nfs.names import plain, quoted, url_path

NAMES = st.binary(min_size=1, max_size=20).map(lambda b: os.fsdecode(b.replace(b"\0", b"")) or "x")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain-1.txt", "plain-1.txt"),
        ("größe", "größe"),
        ("a b", "'a b'"),
        ("it's", '"it\'s"'),
        ("$it's", "'$it'\\''s'"),
        ("a\nb", "'a'$'\\n''b'"),
        ("\x1b[31m", "''$'\\033''[31m'"),
        ("\x9b\udcff", "''$'\\302\\233\\377'"),
        ("a\u202eb", "'a'$'\\342\\200\\256''b'"),
    ],
)
def test_names_are_quoted_as_by_ls(name: str, shown: str) -> None:
    assert quoted(name, terminal=True) == shown


def test_pipe_gets_quotes_only_if_needed() -> None:
    assert quoted("a b$", terminal=False) == "a b$"
    assert quoted("a\nb", terminal=False) == "'a'$'\\n''b'"


@given(NAMES)
def test_text_has_no_control_characters(name: str) -> None:
    texts = quoted(name, terminal=True), quoted(name, terminal=False), plain(name), url_path(name)

    assert [text for text in texts if not text.isprintable()] == []


@given(NAMES)
def test_url_path_has_the_exact_name(name: str) -> None:
    assert unquote_to_bytes(url_path(name)) == os.fsencode(name)
    assert not set(" ?#'\"\\<>|") & set(url_path(name))


@pytest.mark.slow
def test_a_shell_reads_the_quoted_name() -> None:
    name = "a b'c\n\t$(x)`\x1b\udcff\"!\\"
    command = ["bash", "-c", f"printf %s {quoted(name, terminal=True)}"]

    assert subprocess.run(command, capture_output=True, check=True).stdout == os.fsencode(name)
