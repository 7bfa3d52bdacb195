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
from msgspec.structs import replace

from oncrpc import __version__, sync
from oncrpc.cli.portmap import daemon as portmap_daemon
from oncrpc.cli.portmap import main
from oncrpc.cli.portmap.daemon import _hint
from oncrpc.cli.portmap.options import asked, parser
from oncrpc.cli.portmap.settings import configuration, settings
from oncrpc.daemon.config.layers import Startup
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.daemon.log import setup as logs
from oncrpc.daemon.web.address import place_of
from oncrpc.programs.portmap import PMAP_VERS, mapping

DEADLINE = 20


def config(*arguments: str) -> Config:
    """What the options ask for."""
    return configuration(asked(arguments, {}), Startup())


def test_without_options_everything_is_served_on_port_111() -> None:
    assert config() == Config()
    assert (config().port, config().local, config().insecure) == (111, True, False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-p", "0"], Config(port=0)),
        (["--port", "65535"], Config(port=65535)),
        (["-l"], Config(hosts=("127.0.0.1", "::1"))),
        (["-h", "192.0.2.1", "--bind", "::1"], Config(hosts=("192.0.2.1", "::1"))),
        (["-h", "2001:DB8:0::1"], Config(hosts=("2001:db8::1",))),
        (["-4"], Config(families=("inet",))),
        (["--ipv6"], Config(families=("inet6",))),
        (["-4", "-6"], Config(families=("inet", "inet6"))),
        (["-ir"], Config(insecure=True, remote_calls=True)),
        (["-u", "nobody"], Config(user="nobody")),
        (["-w", "/var/lib/rpcbind"], Config(warm_start="/var/lib/rpcbind")),
        (["-w", "one"], Config(warm_start=os.path.abspath("one"))),
        (["--no-local", "-f", "-d", "-v"], Config(local=False)),
        (["--liveness", "2.5", "--watch"], Config(liveness_interval=2.5, watch=True)),
        (["--liveness", "0"], Config(liveness_interval=0)),
        (["--web", "[::1]:9111"], Config(web=place_of("[::1]:9111"))),
    ],
)
def test_an_option_asks_for(arguments: list[str], expected: Config) -> None:
    assert config(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-p", "65536"], "argument -p/--port: '65536' is no port; 0 to 65535 are"),
        (["-p", "-1"], "argument -p/--port: expected one argument"),
        (["-p", "http"], "argument -p/--port: 'http' is no port; 0 to 65535 are"),
        (
            ["--liveness", "0.5"],
            "argument --liveness: '0.5' is no interval; 0 and 1 to 86400 seconds are",
        ),
        (
            ["--liveness", "often"],
            "argument --liveness: 'often' is no interval; 0 and 1 to 86400 seconds are",
        ),
        (
            ["--web", "9111"],
            "argument --web: '9111' is no address with a port;"
            " write ADDRESS:PORT, such as 127.0.0.1:9111 or [::1]:9111",
        ),
        (["-h", "localhost"], "argument -h/--bind: 'localhost' is no IPv4 or IPv6 address"),
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


def from_all(path: Path, *arguments: str, variable: str = "") -> Config:
    """What holds with a file, options of the environment, and those of the command line."""
    path.write_text(FILE)
    path.chmod(0o644)
    given = asked([*arguments, "--config", str(path)], {"PORTMAP_OPTIONS": variable})
    found = settings(given)
    assert (found.verbose, found.log_format, found.fault) == (True, "json", None)
    return replace(found.config, policy=None)


IN_FILE = Config(
    port=1111, hosts=("192.0.2.1",), families=("inet",), local=False, insecure=True,
    remote_calls=True, user="nobody", warm_start="/var/lib/rpcbind", keep_state=False,
    pid_file="/run/portmap.pid",
)  # fmt: skip


OPPOSITE: dict[str, object] = {"local": True, "insecure": False, "remote_calls": False}


def test_the_file_says_all_that_options_can(tmp_path: Path) -> None:
    assert from_all(tmp_path / "toml") == IN_FILE


@pytest.mark.parametrize(
    ("variable", "arguments", "said"),
    [
        ("-p 2222", [], {"port": 2222}),
        ("-p 2222", ["-p", "3333"], {"port": 3333}),
        ("-l", [], {"hosts": ("127.0.0.1", "::1")}),
        ("-l", ["-h", "192.0.2.9"], {"hosts": ("192.0.2.9",)}),
        ("-h 192.0.2.8", ["-h", "192.0.2.9"], {"hosts": ("192.0.2.9",)}),
        ("-6", [], {"families": ("inet6",)}),
        ("-6", ["-4"], {}),
        ("--state-dir '/a b'", [], {"state_dir": "/a b", "keep_state": True}),
        ("--state-dir /a", ["--no-state"], {}),
        ("--watch --liveness 5", [], {"watch": True, "liveness_interval": 5.0}),
        ("--watch", ["--no-watch"], {"watch": False}),
        ("--state", [], {"keep_state": True}),
        ("--local --no-insecure", ["--no-remote-calls"], OPPOSITE),
        ("--no-loopback", [], {"hosts": ()}),
        ("-46", [], {"families": ("inet", "inet6")}),
    ],
)
def test_an_option_wins_over_the_variable_and_that_over_the_file(
    tmp_path: Path, variable: str, arguments: list[str], said: dict[str, object]
) -> None:
    found = from_all(tmp_path / "toml", *arguments, variable=variable)

    assert found == replace(IN_FILE, **said)


def test_what_the_file_turns_on_an_option_turns_off(tmp_path: Path) -> None:
    path = tmp_path / "toml"
    path.write_text("[daemon]\nverbose = true\nloopback = true\n")
    path.chmod(0o644)

    found = settings(asked(["--no-verbose", "--no-loopback", "--config", str(path)], {}))

    assert (found.verbose, found.config.hosts) == (False, ())


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("-p http", "argument -p/--port: 'http' is no port; 0 to 65535 are"),
        ("-4 'open", "no closing quotation"),
        ("--help", "unrecognized arguments: --help"),
        ("status", "unrecognized arguments: status"),
    ],
)
def test_a_bad_option_of_the_environment_names_the_variable(
    capsys: pytest.CaptureFixture[str], variable: str, line: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        asked([], {"PORTMAP_OPTIONS": variable})

    assert raised.value.code == 1
    said = f"portmap: PORTMAP_OPTIONS: {line}; see 'portmap --help'\n"
    assert capsys.readouterr().err == said


def test_a_bad_file_is_told_where_the_log_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toml"
    path.write_text("[daemon]\nport = 70000\n")
    path.chmod(0o644)
    monkeypatch.setattr(logs, "set_up", lambda **_: None)

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
        ({"tcp": "0.0.0.0.39.127"}, "try 'rpcinfo --rpcbind-port 10111 127.0.0.1'"),
        ({"tcp6": "::.39.127"}, "try 'rpcinfo --rpcbind-port 10111 ::1'"),
        ({"udp": "0.0.0.0.39.127"}, "end with Ctrl-C"),
    ],
)
def test_what_to_try_next_is_said(addresses: dict[str, str], hint: str) -> None:
    assert _hint(addresses).startswith(f"portmap: {hint}")
    assert _hint(addresses).endswith("end with Ctrl-C\n")


def test_why_it_cannot_start_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StartError("no port is free")

    monkeypatch.setattr(portmap_daemon, "run", fails)
    monkeypatch.setattr(logs, "set_up", lambda **_: None)

    assert main(["-f"]) == 1
    assert capsys.readouterr().err == "portmap: no port is free\n"


def test_in_the_foreground_it_says_what_to_try_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        portmap_daemon, "run", lambda _, ready, __: ready({"local": "/run/rpcbind.sock"})
    )
    monkeypatch.setattr(logs, "set_up", lambda **_: None)

    assert main(["-f"]) == 0
    assert capsys.readouterr().err == "portmap: try 'rpcinfo'; end with Ctrl-C\n"


@pytest.mark.parametrize("journal", [False, True])
def test_where_programs_read_the_log_it_has_no_hint_and_the_error_as_a_line(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    journal: bool,
) -> None:
    def serves_then_fails(_: object, ready: Callable[[object], None], __: object) -> None:
        ready({"local": "/run/rpcbind.sock"})
        raise StartError("no port is free")

    monkeypatch.setattr(portmap_daemon, "run", serves_then_fails)
    monkeypatch.setattr(logs, "set_up", lambda **_: None)
    monkeypatch.setattr(logs, "to_journal", lambda: journal)

    assert main(["-f"] if journal else ["-f", "--log-format", "json"]) == 1
    assert capsys.readouterr().err == ""
    assert caplog.messages == ["no port is free"]


def test_in_the_background_it_reports_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    logged: dict[str, object] = {}
    monkeypatch.setattr(
        portmap_daemon, "run", lambda _, ready, __: ready({"local": "/run/rpcbind.sock"})
    )
    monkeypatch.setattr(portmap_daemon, "detach", lambda: reports.append)
    monkeypatch.setattr(logs, "set_up", lambda **options: logged.update(options))

    assert main([]) == 0
    assert reports == [""]
    assert logged == {"to_syslog": True, "verbose": False, "debug": False, "form": "text"}


COMMAND = [sys.executable, "-m", "oncrpc.cli.portmap", "--no-local", "--port", "0", "-l"]


@contextmanager
def foreground(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The daemon in the foreground, once it is ready, and its port."""
    process = subprocess.Popen([*COMMAND, "-f", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "end with Ctrl-C" in line:
                    break
            found = re.search(r"--rpcbind-port (\d+)", lines[-1])
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
def test_in_the_foreground_it_serves_until_a_signal_and_ends_with_0(number: signal.Signals) -> None:
    with foreground() as (process, port):
        assert own_port("udp", port) == port
        assert own_port("tcp", port) == port
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0


@pytest.mark.slow
def test_it_ends_at_once_even_while_a_client_is_connected() -> None:
    with (
        foreground() as (process, port),
        sync.run(sync.dial("tcp", "127.0.0.1", port, timeout=DEADLINE)) as link,
    ):
        sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())
        process.terminate()
        assert process.wait(DEADLINE) == 0
        assert link.sock.recv(1) == b""


@pytest.mark.slow
def test_a_port_in_use_is_one_line_and_status_1() -> None:
    with foreground() as (_, port):
        second = subprocess.run(
            [*COMMAND, "-f", "-4", "-p", str(port)],
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
def test_in_the_background_it_serves_when_the_command_has_ended(tmp_path: Path) -> None:
    marker = str(tmp_path / "state")
    done = subprocess.run(
        [*COMMAND, "-u", str(os.geteuid()), "-w", marker],
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
def test_in_the_background_too_it_says_why_it_cannot_start() -> None:
    done = subprocess.run(
        [*COMMAND, "-u", "nobody-at-all"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "portmap: there is no user 'nobody-at-all'; see --user\n"
