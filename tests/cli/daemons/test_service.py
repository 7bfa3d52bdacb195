"""``portmap service``: what it writes, what it has the init do, and what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from oncrpc.cli import portmap
from oncrpc.cli.daemons.service import HIDDEN, SAFE
from oncrpc.cli.portmap.service import main
from oncrpc.daemon.install.files import RECORD
from oncrpc.daemon.install.init import SYSTEMD_RUNS, Host
from oncrpc.portmap.product import PRODUCT

CONFLICT = "Id=rpcbind.socket\nActiveState=active\nUnitFileState=enabled\n"
NO_CONFLICT = "Id=portmap.socket\nActiveState=inactive\nUnitFileState=\n"


class FakeHost:
    """A host below a folder, that notes what is run there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.said = NO_CONFLICT
        self.statuses: dict[str, int] = {}
        self.programs = {"update-rc.d"}
        for folder in ("etc/init.d", "proc", "opt"):
            (root / folder).mkdir(parents=True)
        self.program = root / "opt/portmap"
        self.program.touch()
        self.program.chmod(0o755)

    def boot_systemd(self) -> None:
        (self.root / SYSTEMD_RUNS[1:]).mkdir(parents=True)

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        if command[1:2] == ("show",):
            return subprocess.CompletedProcess(command, 0, self.said, "")
        self.ran.append(" ".join(command))
        status = self.statuses.get(command[0], 0)
        return subprocess.CompletedProcess(command, status, "done\n", "why\n" if status else "")

    def __call__(self, *arguments: str) -> int:
        """Run ``portmap service`` on it."""
        which = lambda name: name if name in self.programs else None  # noqa: E731
        return main(arguments, Host(PRODUCT, self.run, which, str(self.root)))

    def install(self, *arguments: str) -> int:
        return self("install", "--program", str(self.program), *arguments)

    def content(self, path: str) -> str:
        return (self.root / path[1:]).read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    return FakeHost(tmp_path)


@pytest.fixture
def systemd(host: FakeHost) -> FakeHost:
    host.boot_systemd()
    return host


def test_it_is_a_word_of_portmap(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        portmap.main(["service", "--help"])

    assert ended.value.code == 0
    assert "condrestart" in capsys.readouterr().out


def test_without_systemd_a_script_is_written_and_enabled(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert host.install() == 0

    assert f"PROGRAM={host.program}\n" in host.content("/etc/init.d/portmap")
    assert "Default-Start:     S\n" in host.content("/etc/init.d/portmap")
    assert host.ran == ["update-rc.d portmap defaults"]
    assert capsys.readouterr().out.splitlines() == [
        f"portmap: wrote {host.root}/etc/init.d/portmap",
        "portmap: it starts with this host from now on; for now, run 'portmap service start'",
    ]


def test_with_systemd_units_are_written_and_enabled(systemd: FakeHost) -> None:
    assert systemd.install() == 0

    assert f"\nExecStart={systemd.program} " in systemd.content(
        "/etc/systemd/system/portmap.service"
    )
    assert systemd.ran == [
        "systemd-sysusers /etc/sysusers.d/portmap.conf",
        "systemd-tmpfiles --create /etc/tmpfiles.d/portmap.conf",
        "systemctl daemon-reload",
        "systemctl enable portmap.socket portmap.service",
    ]


def test_conflict_is_left_and_reported_with_commands(
    systemd: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    systemd.said = CONFLICT

    assert systemd.install() == 0

    assert not [command for command in systemd.ran if "able" in command]
    assert capsys.readouterr().err.splitlines() == [
        "portmap: not enabled, since rpcbind.socket is active and enabled; to have it run:",
        "    systemctl disable --now rpcbind.socket rpcbind.service",
        "    systemctl enable portmap.socket portmap.service",
        "    portmap service start",
    ]


def test_missing_tool_to_enable_scripts_is_reported(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.programs.clear()

    assert host.install() == 0

    assert host.ran == []
    assert "neither update-rc.d nor chkconfig" in capsys.readouterr().err
    assert "Default-Start:     2 3 4 5\n" in host.content("/etc/init.d/portmap")


def test_failed_command_is_reported(systemd: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    systemd.statuses["systemd-sysusers"] = 1

    assert systemd.install() == 0

    said = capsys.readouterr().err
    assert said == "portmap: 'systemd-sysusers /etc/sysusers.d/portmap.conf' failed: why\n"
    assert len(systemd.ran) == 4


def test_files_of_others_are_not_overwritten(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    (host.root / "etc/init.d/portmap").write_text("theirs")

    assert host.install() == 1

    assert host.content("/etc/init.d/portmap") == "theirs"
    assert capsys.readouterr().err == (
        f"portmap: {host.root}/etc/init.d/portmap exists, and was not written by"
        " 'service install'; move it away\n"
    )


@pytest.mark.parametrize("boot", [FakeHost.boot_systemd, lambda _: None], ids=PRODUCT.templates)
def test_packaged_service_is_not_installed_again(
    host: FakeHost, capsys: pytest.CaptureFixture[str], boot: Callable[[FakeHost], None]
) -> None:
    boot(host)
    folder = host.root / "lib/systemd/system"
    folder.mkdir(parents=True)
    (folder / "portmap.socket").touch()

    assert host.install() == 1

    assert "a package has already installed the service" in capsys.readouterr().err


@pytest.mark.parametrize("init", PRODUCT.templates)
def test_root_folder_gets_files_only(host: FakeHost, tmp_path: Path, init: str) -> None:
    into = tmp_path / "package"
    into.mkdir()

    assert host("install", "--root", str(into), "--init", init, "--program", "/usr/sbin/x") == 0
    written = {f"/{path.relative_to(into)}" for path in into.rglob("*") if path.is_file()}
    assert host("uninstall", "--root", str(into)) == 0

    assert written == {RECORD, *(source.path for source in PRODUCT.templates[init])}
    assert list(into.iterdir()) == []
    assert host.ran == []


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("/nowhere/portmap", "missing command /nowhere/portmap; see --program"),
        ("/", "missing command /; see --program"),
        ("/my folder/portmap", "invalid path '/my folder/portmap': it would need quotes"),
    ],
)
def test_a_program_that_could_not_run_is_refused(
    host: FakeHost, capsys: pytest.CaptureFixture[str], program: str, why: str
) -> None:
    assert host("install", "--program", program) == 1

    assert why in capsys.readouterr().err


def test_unit_refuses_an_interpreter_in_a_home(
    systemd: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/root/venv/bin/python")

    assert systemd.install() == 1

    assert "could not read /root/venv/bin/python: homes are hidden" in capsys.readouterr().err


def test_unit_protects_every_hidden_folder() -> None:
    unit = (Path(__file__).parents[3] / "packaging/portmap.service").read_text()

    assert "\nProtectHome=yes\n" in unit
    assert all(SAFE.fullmatch(folder) for folder in HIDDEN)


def test_the_program_is_the_one_that_was_called(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(host.program), "service", "install"])

    assert host("install") == 0

    assert f"PROGRAM={host.program}\n" in host.content("/etc/init.d/portmap")


def test_default_command_is_beside_the_interpreter(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(host.program.parent / "python3"))

    assert host("install") == 0

    assert f"PROGRAM={host.program}\n" in host.content("/etc/init.d/portmap")


def test_uninstall_stops_disables_and_removes(
    systemd: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    systemd.install()
    systemd.ran.clear()
    (systemd.root / "etc/tmpfiles.d/portmap.conf").write_text("edited")
    capsys.readouterr()

    assert systemd("uninstall") == 0

    assert systemd.ran == [
        "systemctl disable --now portmap.socket portmap.service",
        "systemctl daemon-reload",
    ]
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 3
    assert re.fullmatch(
        r"portmap: .*tmpfiles.d/portmap.conf was changed since, and stays\n", told.err
    )


def test_uninstall_without_installation_removes_nothing(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert host("uninstall") == 1

    assert capsys.readouterr().err.startswith("portmap: nothing to remove: ")
    assert host.ran == []


@pytest.mark.parametrize("word", ["start", "stop", "restart", "condrestart", "reload", "status"])
def test_a_word_is_passed_to_the_script(host: FakeHost, word: str) -> None:
    host.install()
    host.ran.clear()

    assert host(word) == 0

    assert host.ran == [f"/etc/init.d/portmap {word}"]


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("start", "systemctl start portmap.socket portmap.service"),
        ("stop", "systemctl stop portmap.socket portmap.service"),
        ("restart", "systemctl restart portmap.service"),
        ("condrestart", "systemctl try-restart portmap.service"),
        ("reload", "systemctl reload portmap.service"),
        ("status", "systemctl --no-pager status portmap.service"),
    ],
)
def test_a_word_is_what_systemd_calls_it(systemd: FakeHost, word: str, command: str) -> None:
    systemd.install()
    systemd.ran.clear()

    assert systemd(word) == 0

    assert systemd.ran == [command]


def test_a_status_is_passed_on(systemd: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    systemd.install()
    systemd.statuses["systemctl"] = 3
    capsys.readouterr()

    assert systemd("status") == 3

    assert capsys.readouterr() == ("done\n", "why\n")


def test_failed_start_names_the_conflict(
    systemd: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    systemd.install()
    systemd.statuses["systemctl"], systemd.said = 1, CONFLICT
    capsys.readouterr()

    assert systemd("start") == 1

    assert capsys.readouterr().err.splitlines()[1:] == [
        "portmap: rpcbind.socket is active; to have it run:",
        "    systemctl disable --now rpcbind.socket rpcbind.service",
        "    portmap service start",
    ]


@pytest.mark.parametrize("word", ["start", "status"])
def test_missing_service_is_not_started(
    host: FakeHost, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert host(word) == 5

    assert capsys.readouterr().err == (
        "portmap: the service is not installed; run 'portmap service install'\n"
    )


@pytest.mark.parametrize(
    "arguments", [(), ("sing",), ("start", "--root", "/x"), ("status", "--init", "sysv")]
)
def test_a_wrong_command_line_is_one_line(
    host: FakeHost, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        host(*arguments)

    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
