"""The command nfsd: its words and its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.cli.daemon_options import given
from oncrpc.cli.nfsd.options import COMMAND, parser
from oncrpc.cli.nfsd.words import DAEMON, WORDS, module_of

PROGRAMS = "mount, nfs, acl, nlm, status or rquota"
EMPTY = str(Path(__file__).parents[1] / "portmap" / "empty.toml")


def table(*arguments: str, variable: str = "") -> object:
    """The table of the daemon with these options."""
    environ = {COMMAND.variable: variable}
    return given(COMMAND, [*arguments, "--config", EMPTY], environ).source.read().config.daemon


@pytest.mark.parametrize("word", WORDS)
def test_first_word_names_a_command(word: str) -> None:
    assert module_of([word, "--help"]) == WORDS[word]
    assert module_of([f"./{word}"]) == DAEMON


@pytest.mark.parametrize("arguments", [[], ["-f"], ["/srv"], ["share"]])
def test_other_first_words_are_directories(arguments: list[str]) -> None:
    assert module_of(arguments) == DAEMON


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--only", "statd"],
            f"'statd' is not a program of nfsd; write {PROGRAMS}",
        ),
        (["--nfs-versions", "4"], "4 is not a version that is served; write 2 or 3"),
        (["--port-mapper", "c"], "'c' is not a port mapper; write auto, host, own or none"),
        (["--to", "a b", "/srv"], "'a b' is not a client; write such as 192.0.2.0/24(rw)"),
        (["--to", "*(typo)", "/srv"], 'unknown option "typo"; see exports(5) for the options'),
        (["--to", "a(", "/srv"], '"a(" is not a client; write CLIENT(OPTION,OPTION...)'),
    ],
)
def test_wrong_value_is_named(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parser().parse_args(arguments)

    assert raised.value.code == 1
    assert reason in capsys.readouterr().err
