"""The command portmap: its options, and the daemon in the foreground and the background."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc import __version__, sync
from oncrpc.cli import daemon_command as portmap_daemon
from oncrpc.cli.daemon_options import given
from oncrpc.cli.portmap import main
from oncrpc.cli.portmap.daemon import _hint
from oncrpc.cli.portmap.options import COMMAND, parser
from oncrpc.cli.subcommands import WORDS
from oncrpc.daemon.config.declare import declared
from oncrpc.daemon.config.values import StartError, web_address_of
from oncrpc.daemon.log import setup as logs
from oncrpc.portmap.config import SCHEMA, PortmapConfig
from oncrpc.programs.portmap import PMAP_VERS, mapping

DEADLINE = 20


USUAL = PortmapConfig()


def differences(config: PortmapConfig, usual: PortmapConfig = USUAL) -> dict[str, object]:
    """The keys of a configuration that differ from the usual ones."""
    found: dict[str, object] = {}
    for key in declared(PortmapConfig):
        here: object = config
        there: object = usual
        for name in key.path.replace("-", "_").split("."):
            here, there = getattr(here, name), getattr(there, name)
        if here != there:
            found[key.path] = here
    return found


def asked_for(*arguments: str) -> dict[str, object]:
    """What options change."""
    return differences(given(COMMAND, [*arguments, "--config", EMPTY], {}).source.read().config)


EMPTY = str(Path(__file__).with_name("empty.toml"))


def test_without_options_everything_is_served_on_port_111() -> None:
    table = SCHEMA.type().daemon

    assert asked_for() == {}
    assert (table.port, table.local, table.insecure, table.hosts) == (111, True, False, ())
    assert table.inet_families == ("inet", "inet6")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-p", "0"], {"daemon.port": 0}),
        (["--port", "65535"], {"daemon.port": 65535}),
        (["-l"], {"daemon.loopback": True}),
        (["-h", "192.0.2.1", "--bind", "::1"], {"daemon.bind": ("192.0.2.1", "::1")}),
        (["-h", "2001:DB8:0::1"], {"daemon.bind": ("2001:db8::1",)}),
        (["-4"], {"daemon.families": ("ipv4",)}),
        (["--ipv6"], {"daemon.families": ("ipv6",)}),
        (["-4", "-6"], {}),
        (["-ir"], {"daemon.insecure": True, "daemon.remote-calls": True}),
        (["-u", "nobody"], {"daemon.user": "nobody"}),
        (["-w", "/var/lib/rpcbind"], {"daemon.warm-start": "/var/lib/rpcbind"}),
        (["-w", "one"], {"daemon.warm-start": os.path.abspath("one")}),
        (["--no-local", "-f", "-d"], {"daemon.local": False}),
        (["-v", "--log-format", "json"], {"daemon.verbose": True, "daemon.log-format": "json"}),
        (["--liveness", "2.5", "--watch"], {"liveness.interval": 2.5, "liveness.watch": True}),
        (["--liveness", "0"], {"liveness.interval": 0}),
        (["--web", "[::1]:9111"], {"web.listen": web_address_of("[::1]:9111")}),
    ],
)
def test_an_option_asks_for(arguments: list[str], expected: dict[str, object]) -> None:
    assert asked_for(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-p", "65536"], "argument -p/--port: invalid port 65536: must be 0 to 65535"),
        (["-p", "-1"], "argument -p/--port: expected one argument"),
        (["-p", "http"], "argument -p/--port: invalid port http: must be 0 to 65535"),
        (
            ["--liveness", "0.5"],
            "argument --liveness: invalid seconds 0.5: must be 0, or 1 to 86400",
        ),
        (
            ["--liveness", "often"],
            "argument --liveness: invalid seconds often: must be 0, or 1 to 86400",
        ),
        (
            ["--web", "9111"],
            "argument --web: '9111' is not an address with a port;"
            " write ADDRESS:PORT, such as 127.0.0.1:9111 or [::1]:9111",
        ),
        (["-h", "localhost"], "argument -h/--bind: 'localhost' is not an IPv4 or IPv6 address"),
        (
            ["-l", "-h", "::1"],
            "argument -h/--bind: not allowed with argument -l/--loopback/--no-loopback",
        ),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["extra"], "unrecognized arguments: extra"),
    ],
)
def test_a_bad_option_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        parser().parse_args(arguments)

    assert raised.value.code == 1
    assert capsys.readouterr().err == f"portmap: {line}; see 'portmap --help'\n"


FILE = """
[daemon]
port = 1111
bind = ["192.0.2.1"]
families = ["ipv4"]
local = false
insecure = true
remote-calls = true
user = "nobody"
warm-start = "/var/lib/rpcbind"
state = false
pid-file = "/run/portmap.pid"
verbose = true
log-format = "json"
"""


def from_all(path: Path, *arguments: str, variable: str = "") -> PortmapConfig:
    """What holds with a file, options of the environment, and those of the command line."""
    path.write_text(FILE)
    path.chmod(0o644)
    options = [*arguments, "--config", str(path)]
    return given(COMMAND, options, {"PORTMAP_OPTIONS": variable}).source.read().config


IN_FILE = SCHEMA.parse(FILE, "file")


def test_every_option_has_a_key(tmp_path: Path) -> None:
    assert from_all(tmp_path / "toml") == IN_FILE
    assert len(differences(IN_FILE)) == 12


@pytest.mark.parametrize(
    ("variable", "arguments", "changed"),
    [
        ("-p 2222", [], {"daemon.port": 2222}),
        ("-p 2222", ["-p", "3333"], {"daemon.port": 3333}),
        ("-l", [], {"daemon.loopback": True, "daemon.bind": ()}),
        ("-l", ["-h", "192.0.2.9"], {"daemon.bind": ("192.0.2.9",)}),
        ("-h 192.0.2.8", ["-h", "192.0.2.9"], {"daemon.bind": ("192.0.2.9",)}),
        ("-6", [], {"daemon.families": ("ipv6",)}),
        ("-6", ["-4"], {}),
        ("--state-dir '/a b'", [], {"daemon.state-dir": "/a b", "daemon.state": True}),
        ("--state-dir /a", ["--no-state"], {}),
        ("--watch --liveness 5", [], {"liveness.watch": True, "liveness.interval": 5.0}),
        ("--watch", ["--no-watch"], {}),
        ("--state", [], {"daemon.state": True}),
        (
            "--local --no-insecure",
            ["--no-remote-calls"],
            {"daemon.local": True, "daemon.insecure": False, "daemon.remote-calls": False},
        ),
        ("--no-loopback", [], {"daemon.bind": ()}),
        ("-46", [], {"daemon.families": ("ipv4", "ipv6")}),
    ],
)
def test_option_beats_variable_and_variable_beats_file(
    tmp_path: Path, variable: str, arguments: list[str], changed: dict[str, object]
) -> None:
    found = from_all(tmp_path / "toml", *arguments, variable=variable)

    assert differences(found, IN_FILE) == changed


def test_option_turns_off_what_the_file_enables(tmp_path: Path) -> None:
    path = tmp_path / "toml"
    path.write_text("[daemon]\nverbose = true\nloopback = true\n")
    path.chmod(0o644)

    options = ["--no-verbose", "--no-loopback", "--config", str(path)]
    table = given(COMMAND, options, {}).source.read().config.daemon

    assert (table.verbose, table.hosts) == (False, ())


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("-p http", "argument -p/--port: invalid port http: must be 0 to 65535"),
        ("-4 'open", "no closing quotation"),
        ("--help", "unrecognized arguments: --help"),
        ("status", "unrecognized arguments: status"),
    ],
)
def test_bad_option_in_the_environment_names_it(
    capsys: pytest.CaptureFixture[str], variable: str, line: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        given(COMMAND, [], {"PORTMAP_OPTIONS": variable})

    assert raised.value.code == 1
    said = f"portmap: PORTMAP_OPTIONS: {line}; see 'portmap --help'\n"
    assert capsys.readouterr().err == said


def test_bad_file_is_reported_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toml"
    path.write_text("[daemon]\nport = 70000\n")
    path.chmod(0o644)
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)

    assert main(["-f", "--config", str(path)]) == 1

    assert capsys.readouterr().err == f"portmap: {path}: daemon.port: may be at most 65535\n"


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parser().parse_args(["--help"])

    shown = capsys.readouterr().out
    assert raised.value.code == 0
    for action in parser()._actions:
        assert all(option in shown for option in action.option_strings)
        assert action.help


@pytest.mark.parametrize("columns", [60, 120])
def test_help_is_as_wide_as_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    assert columns - 6 < max(map(len, parser().format_help().splitlines())) < columns


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parser().parse_args(["--version"])

    assert raised.value.code == 0
    assert capsys.readouterr().out == f"portmap (oncrpc) {__version__}\n"


@pytest.mark.parametrize(
    ("addresses", "hint"),
    [
        ({"tcp": "0.0.0.0.0.111", "local": "/run/rpcbind.sock"}, "try 'rpcinfo'"),
        ({"tcp": "0.0.0.0.39.127"}, "try 'rpcinfo 127.0.0.1:10111'"),
        ({"tcp6": "::.39.127"}, "try 'rpcinfo [::1]:10111'"),
        ({"udp": "0.0.0.0.39.127"}, "end with Ctrl-C"),
    ],
)
def test_hint_suggests_the_next_command(addresses: dict[str, str], hint: str) -> None:
    assert _hint(addresses).startswith(f"portmap: {hint}")
    assert _hint(addresses).endswith("end with Ctrl-C\n")


def test_why_it_cannot_start_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StartError("no port is free")

    monkeypatch.setattr(portmap_daemon, "run", fails)
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)

    assert main(["-f"]) == 1
    assert capsys.readouterr().err == "portmap: no port is free\n"


def test_foreground_daemon_suggests_a_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def serves(*_: object, ready: Callable[[object], None], **__: object) -> None:
        ready({"local": "/run/rpcbind.sock"})

    monkeypatch.setattr(portmap_daemon, "run", serves)
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)

    assert main(["-f"]) == 0
    assert capsys.readouterr().err == "portmap: try 'rpcinfo'; end with Ctrl-C\n"


@pytest.mark.parametrize("journal", [False, True])
def test_json_log_has_no_hint(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    journal: bool,
) -> None:
    def serves_then_fails(*_: object, ready: Callable[[object], None], **__: object) -> None:
        ready({"local": "/run/rpcbind.sock"})
        raise StartError("no port is free")

    monkeypatch.setattr(portmap_daemon, "run", serves_then_fails)
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)
    monkeypatch.setattr(logs, "to_journal", lambda: journal)

    assert main(["-f"] if journal else ["-f", "--log-format", "json"]) == 1
    assert capsys.readouterr().err == ""
    assert caplog.messages == ["no port is free"]


def test_in_the_background_it_reports_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    logged: dict[str, object] = {}

    def serves(*_: object, ready: Callable[[object], None], **__: object) -> None:
        ready({"local": "/run/rpcbind.sock"})

    monkeypatch.setattr(portmap_daemon, "run", serves)
    monkeypatch.setattr(portmap_daemon, "detach", lambda _: reports.append)
    monkeypatch.setattr(logs, "set_up", lambda name, **options: logged.update(options))

    assert main([]) == 0
    assert reports == [""]
    assert logged == {"to_syslog": True, "verbose": False, "debug": False, "form": "text"}


PROGRAM = [sys.executable, "-m", "oncrpc.cli.portmap", "--no-local", "--port", "0", "-l"]


@contextmanager
def foreground(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The daemon in the foreground, once it is ready, and its port."""
    process = subprocess.Popen([*PROGRAM, "-f", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "end with Ctrl-C" in line:
                    break
            found = re.search(r"rpcinfo 127.0.0.1:(\d+)", lines[-1])
            assert found, "".join(lines)
            yield process, int(found[1])
        finally:
            process.kill()


def own_port(netid: str, port: int) -> int:
    """The port that the daemon gives for itself."""
    with sync.run(sync.dial(netid, "127.0.0.1", port, timeout=DEADLINE)) as link:
        return sync.run(PMAP_VERS.Client(link).PMAPPROC_GETPORT(mapping(100000, 2, 6, 0)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_foreground_daemon_serves_until_a_signal(number: signal.Signals) -> None:
    with foreground() as (process, port):
        assert own_port("udp", port) == port
        assert own_port("tcp", port) == port
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0


@pytest.mark.slow
def test_it_ends_despite_a_connected_client() -> None:
    with (
        foreground() as (process, port),
        sync.run(sync.dial("tcp", "127.0.0.1", port, timeout=DEADLINE)) as link,
    ):
        sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())
        process.terminate()
        assert process.wait(DEADLINE) == 0
        assert link.sock.recv(1) == b""


@pytest.mark.slow
def test_port_in_use_is_one_line() -> None:
    with foreground() as (_, port):
        second = subprocess.run(
            [*PROGRAM, "-f", "-4", "-p", str(port)],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    assert second.returncode == 1
    assert second.stderr == (
        f"portmap: cannot bind udp port {port} of 127.0.0.1: in use; stop the port mapper"
        " that has it, or choose --port\n"
    )


def pids_of(marker: str) -> list[int]:
    """The processes whose command line has the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    links = (os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link[8:-1] for link in links if link.startswith("socket:")}


def listening_port(pid: int) -> int:
    """The TCP port that a process listens on."""
    inodes = sockets_of(pid)
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError(f"process {pid} listens on no TCP port")


@pytest.mark.slow
def test_background_daemon_serves_when_the_command_ends(tmp_path: Path) -> None:
    marker = str(tmp_path / "state")
    done = subprocess.run(
        [*PROGRAM, "-u", str(os.geteuid()), "-w", marker],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    (pid,) = pids_of(marker)
    watched = os.pidfd_open(pid)
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        port = listening_port(pid)
        assert own_port("udp", port) == port
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    finally:
        signal.pidfd_send_signal(watched, signal.SIGTERM)
        ended(watched)
        os.close(watched)
    assert pids_of(marker) == []


def ended(process: int) -> None:
    """Wait until a process that is not our child is gone."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(DEADLINE * 1000)


@pytest.mark.slow
def test_background_start_failure_is_reported() -> None:
    done = subprocess.run(
        [*PROGRAM, "-u", "nobody-at-all"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "portmap: unknown user 'nobody-at-all'; see --user\n"


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("option", ["-V", "--version"])
def test_every_command_has_a_version(
    capsys: pytest.CaptureFixture[str], word: str, option: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([word, option])

    assert raised.value.code == 0
    assert capsys.readouterr().out == f"portmap {word} (oncrpc) {__version__}\n"


@pytest.mark.parametrize("word", WORDS)
def test_usage_error_has_status_2(capsys: pytest.CaptureFixture[str], word: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main([word, "--nonsense"])

    assert raised.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
