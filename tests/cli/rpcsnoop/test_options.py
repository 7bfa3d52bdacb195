"""``oncrpc.cli.rpcsnoop.options``: what a command line asks for."""

from __future__ import annotations

import pytest

from oncrpc.cli.command import Done, UsageError
from oncrpc.cli.rpcsnoop.options import HELP, parse_arguments


@pytest.mark.parametrize(
    ("line", "form", "time"),
    [
        ("f", "lines", "d"),
        ("-v f", "tree", "d"),
        ("--json f -tr", "json", "r"),
        ("--stats -t a f", "stats", "a"),
        ("-v --tree --time=d f", "tree", "d"),
    ],
)
def test_form_and_time_are_chosen(line: str, form: str, time: str) -> None:
    request = parse_arguments(line.split())

    assert (request.form, request.time, request.capture.file) == (form, time, "f")


def test_values_of_an_option_make_one_filter() -> None:
    request = parse_arguments(
        ["--prog", "nfs", "--prog", "mount", "--host", "192.0.2.1", "--spec", "a.x", "-"]
    )

    assert len(request.filters) == 2
    assert request.specs == ["a.x"]
    assert request.capture.file == "-"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "missing capture file"),
        ("a b", "only one capture file"),
        ("-v --json f", "only one of -v, -V, --json or --stats"),
        ("--color blue f", "invalid colour 'blue': must be one of never, always, auto"),
        ("-t x f", "invalid form of time 'x'"),
        ("--uid=x f", "--uid: invalid number 'x'"),
        ("--follow lock f", "--follow: invalid flow 'lock'"),
        ("--file= f", "--file: missing name"),
        ("--uid 0 f", "write the user after '=': --uid=0"),
        ("-i lo --uid 1000", "write the user after '=': --uid=1000"),
        ("--stats --by host f", "invalid group 'host': must be one of client, server, file"),
        ("--by file f", "--by needs --stats"),
        ("--status ! f", "--status: missing status"),
        ("--prog nosuchprogram f", "--prog: unknown program 'nosuchprogram'"),
        ("--prog nfs,x f", "--prog: invalid number 'x'"),
        ("--prog 4294967296 f", "--prog: invalid number"),
        ("--host nohost f", "--host: 'nohost' does not appear"),
        ("--nonsense f", "Usage"),
    ],
)
def test_wrong_command_lines_are_explained(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_arguments(line.split())


def test_help_and_version_end_the_command() -> None:
    with pytest.raises(Done, match="Usage: rpcsnoop") as help_text:
        parse_arguments(["--help"])
    with pytest.raises(Done, match="rpcsnoop"):
        parse_arguments(["--version"])

    assert str(help_text.value) == HELP


def test_time_may_add_columns() -> None:
    request = parse_arguments(["-t", "r", "--time", "service", "--time=transfer", "f"])

    assert request.time == "r"
    assert request.spans == ["service", "transfer"]


@pytest.mark.parametrize(("option", "filters"), [("--uid", 0), ("--uid=0", 1)])
def test_user_is_shown_and_may_be_chosen(option: str, filters: int) -> None:
    request = parse_arguments([option, "f"])

    assert request.user
    assert len(request.filters) == filters


def test_status_is_not_among_the_filters() -> None:
    request = parse_arguments(["--status", "!OK", "f"])

    assert request.status is not None
    assert request.filters == []


def test_names_of_hosts_have_to_be_asked_for() -> None:
    assert not parse_arguments(["f"]).names
    assert parse_arguments(["--names", "f"]).names
    assert not parse_arguments(["--names", "-r", "f"]).names


def test_names_of_files_are_learned_if_needed() -> None:
    assert parse_arguments(["f"]).files is None
    assert parse_arguments(["--file", "a*", "f"]).files is not None
    assert parse_arguments(["--stats", "--by", "file", "f"]).files is not None
    assert parse_arguments(["--stats", "--by", "client", "f"]).files is None
