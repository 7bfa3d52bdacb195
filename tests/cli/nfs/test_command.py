"""``oncrpc.cli.nfs``: the first word of a command line."""

from __future__ import annotations

from importlib import import_module

import pytest

from oncrpc.cli.nfs.words import SUMMARIES, WORDS
from support.nfs_commands import run_nfs


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_its_command(word: str) -> None:
    command = import_module(WORDS[word]).COMMAND

    assert (command.word, command.summary) == (word, SUMMARIES[word])


@pytest.mark.parametrize("word", WORDS)
def test_each_command_has_help_and_version(word: str) -> None:
    helped, versioned = run_nfs(word, "--help"), run_nfs(word, "--version")

    assert (helped.status, versioned.status) == (0, 0)
    assert helped.out.startswith(f"Usage: nfs {word} ")
    assert versioned.out.startswith(f"nfs {word} (oncrpc) ")


def test_help_lists_the_commands() -> None:
    helped = run_nfs("--help")

    assert helped.status == 0
    assert [word for word in WORDS if f"\n  {word} " not in helped.out] == []


def test_version_is_printed_without_a_command() -> None:
    assert run_nfs("-V").out.startswith("nfs (oncrpc) ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nfs: missing command"),
        (("list",), "nfs: unknown command 'list': must be one of "),
        (("--timeout=1", "ls"), "nfs: unknown option '--timeout=1' before the command"),
    ],
)
def test_wrong_first_word_is_a_usage_error(words: tuple[str, ...], message: str) -> None:
    ended = run_nfs(*words)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(message)
    assert ended.err.endswith("Try 'nfs --help' for more information.\n")
