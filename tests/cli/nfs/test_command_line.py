"""``oncrpc.cli.nfs.command_line``: options of a command, and of its connection."""

from __future__ import annotations

import pytest

from oncrpc.cli.command import Option, UsageError
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, is_url, parse_command

LIST = NfsCommand("list", "URL...", "list", (Option("all", "a", "", "all"),), most=2)
SEARCH = NfsCommand(
    "search", "URL", "search", (Option("name", "", "PATTERN", "x"), Option("print", "", "", "x")),
    one_dash=True,
)  # fmt: skip


def parsed(line: str, command: NfsCommand = LIST) -> NfsRequest:
    return parse_command(command, line.split())


def wrong(line: str, capsys: pytest.CaptureFixture[str], command: NfsCommand = LIST) -> str:
    with pytest.raises(UsageError) as raised:
        parsed(line, command)
    return capsys.readouterr().err + str(raised.value)


def test_options_and_operands_are_separated() -> None:
    request = parsed("nfs://a/b -a --timeout 5 nfs://c")

    assert request.operands == ["nfs://a/b", "nfs://c"]
    assert request.has("all")
    assert request.connection.timeout == 5.0


def test_options_replace_those_of_the_url() -> None:
    request = parsed("--uid 7 --nfs-version=2 x")

    url = request.url("nfs://host/export?uid=1&gid=3&version=3")

    assert (url.uid, url.gid, url.version) == (7, 3, 2)


def test_missing_operand_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong("-a", capsys) == (
        "nfs list: missing operand\nTry 'nfs list --help' for more information."
    )


def test_too_many_operands_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong("a b c", capsys).startswith("nfs list: too many operands\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--uid=-1 x", "nfs list: invalid uid -1: must be 0 to 4294967295"),
        ("--gid=a x", "nfs list: invalid gid a: must be 0 to 4294967295"),
        ("--nfs-version=4 x", "nfs list: invalid nfs-version 4: must be 2 to 3"),
        ("--timeout=0 x", "nfs list: invalid timeout 0: must be above 0, at most 86400"),
        ("--timeout=nan x", "nfs list: invalid timeout nan: must be above 0, at most 86400"),
    ],
)
def test_invalid_number_is_an_error(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wrong(line, capsys) == message


@pytest.mark.parametrize("operand", ["http://host/x", "/srv", "nfs://", "nfs://host/x?vers=3"])
def test_operand_must_be_a_url(operand: str) -> None:
    with pytest.raises(UsageError, match="nfs list: invalid URL"):
        parsed("x").url(operand)


def test_local_paths_are_told_from_urls() -> None:
    assert [is_url(each) for each in ("nfs://host/x", "nfs/x", "./nfs:")] == [True, False, False]


def test_long_options_may_have_one_dash() -> None:
    request = parsed("nfs://host -name -print -print", SEARCH)

    assert request.options == {"name": "-print", "print": ""}
