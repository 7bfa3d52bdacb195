"""The units on a host whose process 1 is systemd, used as an administrator does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.errors import AuthError
from oncrpc.programs.rpcb import RPCBVERS4, rpcb_rmtcallargs
from support.hosts import for_all, until
from support.namespace import need
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

COMMAND = "/run/portmap-command"
UNITS = ("portmap.socket", "portmap.service")
THEIRS = ("rpcbind.socket", "rpcbind.service")
FILES = ("/etc/systemd/system", "/etc/sysusers.d", "/etc/tmpfiles.d", "/var/lib/oncrpc")
FORGET = "rm -rf /run/portmap /run/rpcbind; systemctl reset-failed"
"""Clears the registrations and systemd's count of recent starts."""


class Systemd(Booted):
    """A host that has our command."""

    def portmap(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return self.run([COMMAND, *words])

    def install(self) -> str:
        """Install the service; returns the message about conflicts."""
        done = self.portmap("service", "install", "--program", COMMAND)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def main_pid(self) -> int:
        """The daemon as systemd knows it, and as it is called there."""
        return int(self.property("portmap.service", "MainPID"))

    def states(self, *units: str) -> list[str]:
        """The state of units according to systemd."""
        return [self.property(unit, "ActiveState") for unit in units]

    def set(self, prog: int) -> None:
        """Register a program as root."""
        assert sync.run(self.mapper().set(prog, 1, "tcp", "192.0.2.1.8.1"))

    def has(self, prog: int) -> bool:
        """True if the program is registered."""
        return len(self.registered(prog)) == 1

    def found(self) -> list[str]:
        """Our files of the service, and the names that it takes."""
        names = "-name '*portmap*' -o -name 'rpcbind.*' -o -name service.json"
        return self.said(f"find {' '.join(FILES)} {names} 2> /dev/null || :").split()


@pytest.fixture(scope="module")
def booted() -> Iterator[Systemd]:
    """The host, without a service of ours."""
    with Systemd() as made:
        command = for_all(made)
        script = Path(made.path(COMMAND))
        script.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
        script.chmod(0o755)
        yield made


@pytest.fixture
def host(booted: Systemd) -> Iterator[Systemd]:
    """The host, on which the service is installed and runs; it is removed with the test."""
    assert booted.install() == ""
    started = booted.portmap("service", "start")
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    yield booted
    booted.portmap("service", "uninstall")
    booted.sh(FORGET)


def test_start_returns_when_the_daemon_answers(host: Systemd) -> None:
    assert host.states(*UNITS) == ["active", "active"]
    assert host.property("portmap.service", "StatusText") == "serving"
    assert {e.r_netid for e in host.registered(100000)} == {
        b"local", b"udp", b"tcp", b"udp6", b"tcp6",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["restart", "condrestart"])
def test_restart_keeps_registrations(host: Systemd, word: str) -> None:
    host.set(400700)
    pid = host.main_pid()

    assert host.portmap("service", word).returncode == 0
    assert host.main_pid() != pid
    assert host.has(400700)


def test_restart_in_place_is_the_same_process(host: Systemd) -> None:
    host.set(400700)
    pid = host.main_pid()

    done = host.portmap("reload", "--exec")

    assert done.stderr == ""
    assert done.stdout == f"portmap: process {pid} runs the new image, and answers\n"
    assert host.main_pid() == pid
    assert host.states(*UNITS) == ["active", "active"]
    assert host.property("portmap.service", "StatusText") == "serving"
    assert host.has(400700)


def test_reload_reads_the_files_again(host: Systemd) -> None:
    pid = host.main_pid()

    assert host.portmap("service", "reload").returncode == 0
    assert host.main_pid() == pid


def test_a_reload_of_a_wrong_file_fails(host: Systemd) -> None:
    Path(host.path("/etc/portmap.toml")).write_text("wrong = 1\n")

    status = host.portmap("service", "reload").returncode

    os.unlink(host.path("/etc/portmap.toml"))
    assert status == 1
    assert host.states("portmap.service") == ["active"]


def test_killed_daemon_is_started_again(host: Systemd) -> None:
    host.set(400700)
    pid = host.main_pid()

    host.sh(f"kill -KILL {pid}")

    until(lambda: host.main_pid() not in (0, pid), "it is started again")
    assert host.has(400700)


def test_first_call_starts_a_stopped_daemon(host: Systemd) -> None:
    host.sh("systemctl stop portmap.service")

    assert host.registered(100000)
    assert host.states("portmap.service") == ["active"]


def test_stop_ends_the_sockets_too(host: Systemd) -> None:
    assert host.portmap("service", "status").returncode == 0

    for _ in range(2):
        assert host.portmap("service", "stop").returncode == 0
    assert host.portmap("service", "status").returncode == 3
    assert not host.serves("tcp", "127.0.0.1")


def test_condrestart_leaves_a_stopped_daemon(host: Systemd) -> None:
    host.portmap("service", "stop")

    assert host.portmap("service", "condrestart").returncode == 0
    assert host.states(*UNITS) == ["inactive", "inactive"]


def test_status_shows_the_warm_start_folder(host: Systemd) -> None:
    done = host.portmap("status", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["warm_start"] == "/run/rpcbind"


def test_log_lines_are_in_the_journal(host: Systemd) -> None:
    with sync.run(host.dial("udp", "127.0.0.1")) as link, pytest.raises(AuthError):
        sync.run(RPCBVERS4.Client(link).RPCBPROC_INDIRECT(rpcb_rmtcallargs(100005, 1, 1, b"")))

    said = host.said("journalctl --sync; journalctl -u portmap -o json")

    lines = {line["MESSAGE"]: line["PRIORITY"] for line in map(json.loads, said.splitlines())}
    assert lines["connect from 127.0.0.1 to indirect(mountd): indirect call not allowed"] == "4"
    assert {lines[each] for each in lines if each.startswith("serving program 100000")} == {"6"}


def test_systemd_complains_of_nothing(host: Systemd) -> None:
    host.sh("systemctl daemon-reload")

    said = host.said(f"systemd-analyze verify --man=no {' '.join(UNITS)}")

    assert said == ""


def test_another_unit_that_requires_rpcbind_gets_ours(host: Systemd) -> None:
    host.portmap("service", "stop")
    unit = "[Unit]\nRequires=rpcbind.socket rpcbind.service\nAfter=rpcbind.service\n"
    Path(host.path("/run/systemd/system/tests-nfs.target")).write_text(unit)

    host.sh("systemctl daemon-reload && systemctl start tests-nfs.target")

    assert host.states(*UNITS) == ["active", "active"]


def test_missing_warm_start_folder_is_made(host: Systemd) -> None:
    """That link disappears when the C daemon's package is purged."""
    host.set(400700)
    host.sh("rm -rf /run/rpcbind")

    done = host.portmap("service", "restart")

    assert (done.returncode, done.stderr) == (0, "")
    assert host.has(400700)


def test_uninstall_stops_it_and_leaves_nothing(host: Systemd) -> None:
    host.portmap("service", "uninstall")

    assert host.found() == []
    assert not host.serves("tcp", "127.0.0.1")


def test_only_root_may_install_it(booted: Systemd) -> None:
    done = booted.run([COMMAND, "service", "install", "--program", COMMAND], uid=1000)

    said = "portmap: cannot write /var/lib/oncrpc: permission denied; run as root\n"
    assert (done.returncode, done.stderr) == (1, said)
    assert booted.found() == []


def test_uninstall_without_installation_is_an_error(booted: Systemd) -> None:
    done = booted.portmap("service", "uninstall")

    said = "portmap: nothing to remove: /var/lib/oncrpc/service.json does not exist\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("folder", ["sysconfig", "default"])
def test_options_are_read_from_the_file_for_them(host: Systemd, folder: str) -> None:
    host.sh(f"mkdir -p /etc/{folder}; echo 'OPTIONS=\"-v -r\"' > /etc/{folder}/portmap")

    host.portmap("service", "restart")

    command = host.said(f"tr '\\0' ' ' < /proc/{host.main_pid()}/cmdline; rm /etc/{folder}/portmap")
    assert command.endswith(" -f -w /run/rpcbind -v -r ")


def test_installed_twice_it_runs_on(host: Systemd) -> None:
    pid = host.main_pid()

    assert host.install() == ""
    assert host.main_pid() == pid


def test_changed_unit_is_kept_and_named(host: Systemd) -> None:
    place = "/etc/systemd/system/portmap.socket"
    host.sh(f"echo '# mine' >> {place}")

    done = host.portmap("service", "install", "--program", COMMAND)
    gone = host.portmap("service", "uninstall")

    kept = host.said(f"tail -n 1 {place} && rm {place} && systemctl daemon-reload")
    assert (done.returncode, gone.returncode, kept) == (1, 0, "# mine\n")
    advice = "exists, and was not written by 'service install'; move it away"
    assert done.stderr == f"portmap: {place} {advice}\n"
    assert gone.stderr == f"portmap: {place} was changed since, and stays\n"


@pytest.fixture
def beside(booted: Systemd) -> Iterator[Systemd]:
    """The host, with the C daemon running as the distribution sets it up."""
    need("rpcbind")
    booted.sh(f"systemd-tmpfiles --create rpcbind.conf; systemctl enable --now {' '.join(THEIRS)}")
    yield booted
    booted.portmap("service", "uninstall")
    booted.sh(f"systemctl disable --now {' '.join(THEIRS)}; {FORGET}")


def test_installation_does_not_stop_c(beside: Systemd) -> None:
    said = beside.install()
    started = beside.portmap("service", "start")

    assert said.startswith("portmap: not enabled, since rpcbind.socket is active and enabled, ")
    assert started.returncode == 1
    assert "    systemctl disable --now rpcbind.socket rpcbind.service\n" in started.stderr
    assert beside.states(*THEIRS) == ["active", "active"]
    beside.sh("systemctl reset-failed")


def test_printed_commands_switch_from_c(beside: Systemd) -> None:
    beside.set(400700)
    said = beside.install()
    commands = [line.strip() for line in said.splitlines() if line.startswith("    ")]

    for command in commands:
        beside.said(command.replace("portmap service", f"{COMMAND} service"))

    assert beside.states(*UNITS) == ["active", "active"]
    assert beside.property("rpcbind.service", "Id") == "portmap.service"
    assert beside.has(400700)


def test_and_back(beside: Systemd) -> None:
    beside.sh(f"systemctl disable --now {' '.join(THEIRS)}")
    assert beside.install() == ""
    assert beside.portmap("service", "start").returncode == 0
    beside.set(400700)

    beside.portmap("service", "uninstall")
    beside.sh(f"systemctl enable --now {' '.join(THEIRS)}")

    assert beside.property("rpcbind.service", "Id") == "rpcbind.service"
    assert beside.has(400700)
