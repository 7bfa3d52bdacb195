"""``oncrpc.cli.showmount.options``: what a command line asks for."""

from __future__ import annotations

import socket

import pytest

from oncrpc.cli.command import Done, Failure
from oncrpc.cli.showmount.options import HELP, USAGE, parse_arguments
from oncrpc.client.mapper_address import MapperAddress


@pytest.mark.parametrize(
    ("line", "form", "heading"),
    [
        ("h", "clients", "Hosts on h:"),
        ("-a h", "all", "All mount points on h:"),
        ("--all h", "all", "All mount points on h:"),
        ("h -d", "directories", "Directories on h:"),
        ("--dir h", "directories", "Directories on h:"),
        ("-e h", "exports", "Export list for h:"),
        ("-ee h", "exports", "Export list for h:"),
    ],
)
def test_option_names_the_list(line: str, form: str, heading: str) -> None:
    request = parse_arguments(line.split())

    assert (request.form, request.heading) == (form, heading)
    assert request.headers


def test_headings_can_be_left_out() -> None:
    assert not parse_arguments(["--no-headers", "h"]).headers


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("h", "h", None),
        ("h:1111", "h", 1111),
        ("[::1]:1111", "::1", 1111),
        ("::1", "::1", None),
        ("--port 1111 h", "h", 1111),
        ("--port 1111 h:1111", "h", 1111),
    ],
)
def test_host_may_have_a_port(line: str, host: str, port: int | None) -> None:
    request = parse_arguments(line.split())

    assert (request.host, request.port, request.mapper) == (host, port, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-x"], USAGE),
        (["--nothing"], USAGE),
        (["-ea"], "showmount: only one of -a, -d or -e is allowed"),
        (["a", "b"], "showmount: only one hostname is allowed"),
        (["--port", "0", "h"], "showmount: invalid port 0: must be 1 to 65535"),
        (["--port", "x", "h"], "showmount: invalid port x: must be 1 to 65535"),
        (["--port", "5", "h:6"], "showmount: --port 5 contradicts the port of h:6"),
        (["--timeout", "0"], "showmount: invalid timeout 0: must be above 0, at most 86400"),
        (["--timeout", "x"], "showmount: invalid timeout x: must be above 0, at most 86400"),
        (["--timeout", "nan"], "showmount: invalid timeout nan: must be above 0, at most 86400"),
    ],
)
def test_wrong_command_line_is_a_failure(arguments: list[str], message: str) -> None:
    with pytest.raises(Failure) as caught:
        parse_arguments(arguments)

    assert str(caught.value) == message
    assert caught.value.status == 1


def test_wrong_port_of_a_host_is_a_failure() -> None:
    with pytest.raises(Failure, match=r"showmount: .*70000"):
        parse_arguments(["h:70000"])


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_begins_with_the_usage_of_c(option: str) -> None:
    with pytest.raises(Done) as caught:
        parse_arguments([option, "-x"])

    assert str(caught.value) == HELP
    assert HELP.startswith(USAGE + "\n")


@pytest.mark.parametrize("option", ["-v", "--version", "-vh"])
def test_version_is_printed(option: str) -> None:
    with pytest.raises(Done, match=r"showmount \(oncrpc\) "):
        parse_arguments([option])


def test_timeout_is_in_seconds() -> None:
    assert parse_arguments(["--timeout=1.5", "h"]).timeout == 1.5
    assert parse_arguments(["h"]).timeout == 20.0


def test_without_a_host_this_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONCRPC_MAPPER", raising=False)

    assert parse_arguments(["-e"]).host == socket.gethostname()


@pytest.mark.parametrize(
    ("value", "host"), [("files:1111", "files"), ("[::1]:1111", "::1"), ("files", "files")]
)
def test_environment_names_the_host(monkeypatch: pytest.MonkeyPatch, value: str, host: str) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", value)

    request = parse_arguments(["-e"])

    assert request.host == host
    assert request.mapper == MapperAddress.parse(value)


def test_socket_of_the_environment_means_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "/run/x.sock")

    request = parse_arguments([])

    assert request.host == socket.gethostname()
    assert request.mapper == MapperAddress("/run/x.sock", 0)


@pytest.mark.parametrize("line", ["h", "h:5", "--port 5"])
def test_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "other:1111")

    assert parse_arguments(line.split()).mapper is None


def test_wrong_environment_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "h:x")

    with pytest.raises(Failure, match="showmount: ONCRPC_MAPPER: invalid port mapper 'h:x'"):
        parse_arguments([])
