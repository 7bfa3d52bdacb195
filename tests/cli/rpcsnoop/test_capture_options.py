"""The options of a capture, and which of them fit together."""

from __future__ import annotations

import pytest

from oncrpc.cli.command import UsageError
from oncrpc.cli.rpcsnoop.options import parse_arguments


def test_interface_takes_the_place_of_a_file() -> None:
    line = "-i eth0 -s 200 -c 3 --promiscuous -Z daemon --host ::1"

    request = parse_arguments(line.split())

    choice = request.capture
    assert (choice.interface, choice.file, choice.most, choice.count) == ("eth0", "", 200, 3)
    assert (choice.promiscuous, choice.user, request.hosts) == (True, "daemon", ["::1"])


@pytest.mark.parametrize(
    ("line", "shows"),
    [("-w out f", False), ("-w out --print f", True), ("-w out --json f", True)],
)
def test_writing_replaces_showing(line: str, *, shows: bool) -> None:
    request = parse_arguments(line.split())

    assert (request.capture.output, request.shows) == ("out", shows)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i lo f", "a capture file is not allowed with -i"),
        ("", "missing capture file, or -i INTERFACE"),
        ("-c 0 f", "--count: invalid number '0': must be 1 to"),
        ("-s 9 -i lo", "--snaplen: invalid number '9': must be 96 to 262144"),
        ("-s ² -i lo", "--snaplen: invalid number '²'"),
        ("-s 200 f", "-s needs -i INTERFACE"),
        ("--promiscuous f", "--promiscuous needs -i INTERFACE"),
        ("-Z nobody f", "-Z needs -i INTERFACE"),
        ("--print f", "--print needs --write"),
        ("--print -w - f", "--print needs a FILE"),
        ("--stats -w - f", "--stats needs a FILE"),
    ],
)
def test_options_that_do_not_fit_are_explained(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_arguments(line.split())
