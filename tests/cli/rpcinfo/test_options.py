from __future__ import annotations

import pytest

from oncrpc.cli.command import Done, Failure
from oncrpc.cli.rpcinfo.options import (
    HELP,
    OPTIONS,
    USAGE,
    is_scan,
    parse_request,
    program,
    version,
)


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("", "dump"),
        ("host", "dump"),
        ("-T udp host", "dump"),
        ("-T udp host 1", "ping"),
        ("-T udp host 1 2", "ping"),
        ("-p", "portmap"),
        ("-p -n 0", "portmap"),
        ("--portmap host", "portmap"),
        ("-s", "summary"),
        ("-m host and more", "statistics"),
        ("-l host 1 2", "list"),
        ("-t host 1", "tcp"),
        ("--udp host 1 2", "udp"),
        ("-a x -T udp 1", "address"),
        ("-b 1 2", "broadcast"),
        ("-d 1 2", "delete"),
        ("--watch", "watch"),
        ("--watch host", "watch"),
        ("host --watch", "watch"),
        ("scan", "dump"),
    ],
)
def test_the_options_choose_a_form(line: str, form: str) -> None:
    assert parse_request(line.split()).form == form


@pytest.mark.parametrize(
    "line",
    ["-p -s", "-p a b", "-Z", "host 1", "host 1 2", "-a x 1", "-a x -T udp", "-n 5 -p", "-b 1",
     "-d 1", "-l host 1", "-t host", "-u a b c d", "a b", "-s a b"],
)  # fmt: skip
def test_invalid_form_prints_the_usage(line: str) -> None:
    with pytest.raises(Failure) as failure:
        parse_request(line.split())

    assert str(failure.value) == USAGE


def test_every_value_has_its_place() -> None:
    line = "-a here -T udp --json --timeout 2.5 --rpcbind-port 1111 -n 7 100003 3"

    request = parse_request(line.split())

    assert (request.address, request.netid, request.json) == ("here", "udp", True)
    assert (request.timeout, request.rpcbind_port) == (2.5, 1111)
    assert (request.program_port, request.operands) == (7, ["100003", "3"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-n abc", "rpcinfo: abc is illegal port number"),
        ("-n 65536", "rpcinfo: 65536 is illegal port number"),
        ("--rpcbind-port -1", "rpcinfo: invalid port -1: must be 1 to 65535"),
        ("--timeout 0", "rpcinfo: invalid timeout 0: must be above 0, at most 86400"),
        ("--timeout nan", "rpcinfo: invalid timeout nan: must be above 0, at most 86400"),
        ("--timeout soon", "rpcinfo: invalid timeout soon: must be above 0, at most 86400"),
        ("--watch=soon", "rpcinfo: invalid interval soon: must be 0.1 to 86400"),
        ("--watch=0.01", "rpcinfo: invalid interval 0.01: must be 0.1 to 86400"),
        ("--watch=nan", "rpcinfo: invalid interval nan: must be 0.1 to 86400"),
        ("--watch -s", "rpcinfo: --watch does not go with --summary"),
        ("--watch -T tcp host 1", "rpcinfo: --watch does not go with --ping"),
        ("-b 1 2 --json", "rpcinfo: --json does not go with --broadcast"),
        ("host:70000", "rpcinfo: invalid port '70000': must be 0 to 65535"),
        ("-t host:1 100003 --port 2", "rpcinfo: --port 2 contradicts the port of host:1"),
        ("--socket=", "rpcinfo: --socket is empty"),
        ("--socket @s --rpcbind-port 5", "rpcinfo: --socket does not go with --port"),
        ("--socket @s host", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -m host", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -l host 1 2", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -t host 1", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -T tcp host 1", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -T nosuch host 1", "rpcinfo: --socket does not go with a host"),
        ("--socket @s -b 1 2", "rpcinfo: --socket does not go with --broadcast"),
        ("--socket @s -a x -T local 1", "rpcinfo: --socket does not go with --address"),
    ],
)
def test_a_wrong_value_is_named(line: str, message: str) -> None:
    with pytest.raises(Failure, match=f"^{message}$"):
        parse_request(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "-p {}",
        "-s {}",
        "-m {}",
        "--watch {}",
        "-l {} 1 2",
        "-t {} 1",
        "-u {} 1",
        "-T tcp {} 1",
    ],
)
@pytest.mark.parametrize(
    ("named", "host", "port"),
    [
        ("127.0.0.1:10111", "127.0.0.1", 10111),
        ("files.example:10111", "files.example", 10111),
        ("[::1]:10111", "::1", 10111),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("localhost", "localhost", None),
    ],
)
def test_a_host_may_have_a_port(line: str, named: str, host: str, port: int | None) -> None:
    request = parse_request(line.format(named).split())

    assert (request.operands[0], request.rpcbind_port) == (host, port)


@pytest.mark.parametrize("line", ["-a {} -T local 1", "-T local {} 1", "-b {} 1"])
def test_operand_that_is_not_a_host_keeps_colon(line: str) -> None:
    request = parse_request(line.format("/a:1").split())

    assert "/a:1" in (*request.operands, request.address)
    assert request.rpcbind_port is None


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("", "h", 7), ("-p", "h", 7), ("-s", "h", 7), ("-m", "h", 7), ("--watch", "h", 7),
        ("other", "other", None), ("other:8", "other", 8), ("--port 8", None, 8),
        ("-t other 1", "other", None),
    ],
)  # fmt: skip
def test_the_environment_names_the_default_port_mapper(
    monkeypatch: pytest.MonkeyPatch, line: str, host: str | None, port: int | None
) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "h:7")

    request = parse_request(line.split())

    assert (request.host, request.rpcbind_port) == (host, port)


def test_deletion_uses_the_mapper_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "h:7")

    request = parse_request(["-d", "1", "2"])

    assert (request.mapper_host, request.rpcbind_port, request.operands) == ("h", 7, ["1", "2"])


@pytest.mark.parametrize("line", ["", "-p", "-d 1 2", "-T local ignored 1"])
def test_the_environment_may_name_a_socket(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "/run/other.sock")

    assert parse_request(line.split()).socket == "/run/other.sock"


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "h:x")

    with pytest.raises(Failure, match=r"^rpcinfo: ONCRPC_MAPPER: .*invalid port 'x'"):
        parse_request([])


@pytest.mark.parametrize("line", ["", "-p", "-s", "-m", "-d 1 2", "-T local ignored 1"])
def test_forms_for_this_host_accept_a_socket(line: str) -> None:
    assert parse_request(["--socket", "@s", *line.split()]).socket == "@s"


@pytest.mark.parametrize(("option", "text"), [("--help", HELP), ("--version", "rpcinfo (oncrpc)")])
def test_help_and_version_exit_0(option: str, text: str) -> None:
    with pytest.raises(Done) as done:
        parse_request([option])

    assert str(done.value).startswith(text)


def test_the_help_has_every_option() -> None:
    assert all(f"--{option.name}" in HELP for option in OPTIONS)


@pytest.mark.parametrize(
    ("text", "number"), [("100003", 100003), ("nfs", 100003), ("portmap", 100000), ("0", 0)]
)
def test_a_program_is_a_number_or_a_name(text: str, number: int) -> None:
    assert program(text) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nosuchprog", "nosuchprog is unknown service"),
        ("5x", "5x is unknown service"),
        ("-1", "-1 is unknown service"),
        ("x", "x is unknown service"),
        ("", " is illegal program number"),
        ("12_", "12_ is illegal program number"),
        ("4294967296", "4294967296 is illegal program number"),
    ],
)
def test_invalid_program_is_named(text: str, message: str) -> None:
    with pytest.raises(Failure, match=f"^rpcinfo: {message}$"):
        program(text)


@pytest.mark.parametrize("text", ["abc", "", "0x1", "-1", "4294967296"])
def test_invalid_version_is_named(text: str) -> None:
    with pytest.raises(Failure, match=f"^rpcinfo: {text} is illegal version number$"):
        version(text)


@pytest.mark.parametrize(
    ("line", "interval", "operands"),
    [
        ("--watch", 2.0, []),
        ("--watch host", 2.0, ["host"]),
        ("--watch 5 host", 5.0, ["host"]),
        ("--watch=0.5 host", 0.5, ["host"]),
        ("host --watch .5", 0.5, ["host"]),
        ("--watch=5 6", 5.0, ["6"]),
        ("host", None, ["host"]),
    ],
)
def test_a_number_after_watch_is_its_seconds(
    line: str, interval: float | None, operands: list[str]
) -> None:
    request = parse_request(line.split())

    assert (request.interval, request.operands) == (interval, operands)


@pytest.mark.parametrize(
    "line", ["scan 10.0.0.0/24", "scan a b", "scan --json", "scan - --jobs 5", "scan @file"]
)
def test_the_word_scan_before_others_asks_many_hosts(line: str) -> None:
    assert is_scan(line.split())


@pytest.mark.parametrize(
    "line",
    ["", "scan", "scan -p", "scan 100003 -T tcp", "-s scan", "-t scan 1", "scan 1 2 -l", "a scan"],
)
def test_word_scan_can_be_a_host(line: str) -> None:
    assert not is_scan(line.split())
