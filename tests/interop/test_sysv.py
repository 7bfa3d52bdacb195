"""The script of System V's init, as an administrator uses it: service(8) on a host of its own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from support.hosts import PORTMAP, Host, status_of, wait_gone
from support.namespace import PATH, end, environment, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

OWN = """
for folder in etc var/lib; do
    mkdir -p /run/own/$folder /run/work/$folder
    mount -t overlay overlay \
        -o lowerdir=/$folder,upperdir=/run/own/$folder,workdir=/run/work/$folder /$folder
done
rm -f /etc/rc*.d/*rpcbind /etc/default/portmap
mkdir /run/lock/subsys
"""
"""Gives the host its own copies of the folders that install writes to, without systemd."""

COMMAND = "/run/portmap-command"
PID_FILE = "/run/portmap.pid"
SCRIPT = "/etc/init.d/portmap"
OK, FAILED = "[  OK  ]\n", "[FAILED]\n"
USAGE = (
    f"Usage: {SCRIPT} {{start|stop|status|restart|condrestart|try-restart|reload|force-reload}}\n"
)


class SysV(Host):
    """A host on which the script is installed."""

    def install(self) -> None:
        """Install it with our command."""
        self.sh(OWN)
        command = shlex.join(["env", f"PYTHONPATH={environment()['PYTHONPATH']}", *PORTMAP])
        script = Path(self.path(COMMAND))
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
        done = self.run([COMMAND, "service", "install", "--program", COMMAND])
        assert (done.returncode, done.stderr) == (0, "")

    def service(self, word: str, *, uid: int = 0) -> tuple[int, str]:
        """Run ``service portmap``; returns its exit status and output."""
        done = self.run(["service", "portmap", word], uid=uid)
        return done.returncode, done.stdout + done.stderr

    def pid(self) -> int:
        """The process in the pid file."""
        return int(Path(self.path(PID_FILE)).read_text().splitlines()[0])

    def answers(self) -> bool:
        """True if the daemon replies over TCP."""
        return self.serves("tcp", "127.0.0.1")


def ended(pid: int) -> bool:
    """True if the process has ended, or is a zombie."""
    try:
        return status_of(pid)["State"].startswith("Z")
    except FileNotFoundError:
        return True


@pytest.fixture
def host() -> Iterator[SysV]:
    """A host with the script, on which the port mapper is ended with the test."""
    need("service", "update-rc.d")
    with SysV() as made:
        made.install()
        yield made
        made.service("stop")


def test_start_returns_when_the_daemon_answers(host: SysV) -> None:
    done = host.service("start")

    assert done == (0, f"Starting portmap: {OK}")
    assert host.answers()


def test_status_names_the_process(host: SysV) -> None:
    host.service("start")

    assert host.service("status") == (0, f"portmap (pid {host.port_mapper_pid()}) is running...\n")


def test_a_second_start_leaves_the_first_one(host: SysV) -> None:
    host.service("start")
    pid = host.pid()

    assert host.service("start") == (0, f"Starting portmap: already running (pid {pid}) {OK}")
    assert host.pid() == pid


def test_stop_returns_when_the_daemon_is_gone(host: SysV) -> None:
    host.service("start")
    pid = host.pid()

    assert host.service("stop") == (0, f"Stopping portmap: {OK}")
    assert ended(pid)
    assert not os.path.exists(host.path(PID_FILE))
    assert host.service("status") == (3, "portmap is stopped\n")


def test_registrations_of_c_are_taken_over(host: SysV) -> None:
    need("rpcbind")
    host.sh("chown _rpc /run/rpcbind")
    other = host.popen(["rpcbind", "-f", "-w"])
    host.await_answer(host.path("/run/rpcbind.sock"), other)
    assert sync.run(host.mapper().set(400700, 1, "tcp", "192.0.2.1.8.1"))
    end(other)

    assert host.service("start") == (0, f"Starting portmap: {OK}")
    assert len(host.registered(400700)) == 1


def test_stop_of_a_stopped_daemon_succeeds(host: SysV) -> None:
    assert host.service("stop") == (0, f"Stopping portmap: {FAILED}")


def test_port_in_use_is_a_failed_start(host: SysV) -> None:
    with host.network():
        taken = socket.create_server(("0.0.0.0", 111))

    with taken:
        status, said = host.service("start")

    assert status == 1
    assert said.startswith(f"Starting portmap: {FAILED}portmap: cannot bind tcp port 111")


def test_killed_daemon_has_status_1(host: SysV) -> None:
    host.service("start")
    pid = host.pid()
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)

    assert host.service("status") == (1, "portmap dead but pid file exists\n")
    assert host.service("start") == (0, f"Starting portmap: {OK}")


def test_ended_daemon_leaves_its_lock(host: SysV) -> None:
    host.service("start")
    pid = host.pid()
    os.kill(pid, signal.SIGTERM)
    wait_gone(pid)

    assert host.service("status") == (2, "portmap dead but subsys locked\n")


def test_reused_pid_is_not_the_daemon(host: SysV) -> None:
    Path(host.path(PID_FILE)).write_text(f"{host.holder.pid}\n1 1 0 serving\n")

    assert host.service("status") == (1, "portmap dead but pid file exists\n")
    assert host.service("stop") == (0, f"Stopping portmap: {FAILED}")
    assert host.holder.poll() is None


@pytest.mark.parametrize("text", ["", "garbage\n", "99999999\n", "1\n"])
def test_stale_pid_file_does_not_prevent_the_start(host: SysV, text: str) -> None:
    Path(host.path(PID_FILE)).write_text(text)

    assert host.service("status")[0] == (1 if text[:1].isdigit() else 3)
    assert host.service("start") == (0, f"Starting portmap: {OK}")
    assert host.pid() == host.port_mapper_pid()


@pytest.mark.parametrize("word", ["restart", "condrestart", "try-restart"])
def test_restart_keeps_registrations(host: SysV, word: str) -> None:
    host.service("start")
    pid = host.pid()
    assert sync.run(host.mapper().set(400700, 1, "tcp", "192.0.2.1.8.1"))

    assert host.service(word) == (0, f"Stopping portmap: {OK}Starting portmap: {OK}")
    assert host.pid() != pid
    assert len(host.registered(400700)) == 1


def test_restart_starts_a_stopped_daemon(host: SysV) -> None:
    assert host.service("restart") == (0, f"Stopping portmap: {FAILED}Starting portmap: {OK}")


def test_condrestart_leaves_a_stopped_daemon(host: SysV) -> None:
    assert host.service("condrestart") == (0, "")
    assert host.service("status")[0] == 3


@pytest.mark.parametrize("word", ["reload", "force-reload"])
def test_reload_reads_the_files_again(host: SysV, word: str) -> None:
    host.service("start")
    pid = host.pid()

    assert host.service(word) == (0, f"Reloading portmap: {OK}")
    assert host.pid() == pid


def test_reload_of_an_invalid_file_fails(host: SysV) -> None:
    host.service("start")
    Path(host.path("/etc/portmap.toml")).write_text("wrong = 1\n")

    status, said = host.service("reload")

    assert status == 1
    assert said.startswith(f"Reloading portmap: {FAILED}portmap: ")
    assert "wrong" in said
    assert host.answers()


def test_reload_of_a_stopped_daemon_fails(host: SysV) -> None:
    assert host.service("reload") == (7, f"Reloading portmap: {FAILED}")


def test_options_are_read_from_the_file_for_them(host: SysV) -> None:
    Path(host.path("/etc/default/portmap")).write_text('OPTIONS="-4 -p 10111"\n')

    assert host.service("start") == (0, f"Starting portmap: {OK}")
    assert host.serves("tcp", "127.0.0.1", 10111)


def test_an_unknown_word_is_a_usage_error(host: SysV) -> None:
    assert host.service("sing") == (2, USAGE)


def test_only_root_may_start_it(host: SysV) -> None:
    assert host.service("start", uid=1000) == (4, "portmap: only root may do this\n")


def test_ordinary_user_gets_the_true_status(host: SysV) -> None:
    host.service("start")

    said = "portmap status is unknown: only root may read /var/run/portmap.pid\n"
    assert host.service("status", uid=1000) == (4, said)


def test_a_program_that_is_gone_is_not_installed(host: SysV) -> None:
    os.rename(host.path(COMMAND), host.path(f"{COMMAND}.gone"))

    assert host.service("start") == (5, f"portmap: there is no {COMMAND}\n")
    os.rename(host.path(f"{COMMAND}.gone"), host.path(COMMAND))


def test_our_command_says_and_ends_as_the_script(host: SysV) -> None:
    words = ("start", "status", "stop", "status")

    told = [host.run([COMMAND, "service", word]) for word in words]

    assert [done.returncode for done in told] == [0, 0, 0, 3]
    assert told[0].stdout == f"Starting portmap: {OK}"
    assert re.fullmatch(r"portmap \(pid \d+\) is running\.\.\.\n", told[1].stdout)


def test_uninstall_stops_it_and_leaves_nothing(host: SysV) -> None:
    host.service("start")
    pid = host.pid()

    done = host.run([COMMAND, "service", "uninstall"])

    assert (done.returncode, done.stdout) == (0, f"portmap: removed {SCRIPT}\n")
    assert ended(pid)
    left = host.run(["find", "/etc", "/var/lib/oncrpc", "-name", "*portmap", "-newer", COMMAND])
    assert left.stdout == ""


def test_script_has_the_order_of_the_distribution(host: SysV) -> None:
    script = Path(host.path(SCRIPT))

    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    assert host.run(["sh", "-c", "ls /etc/rc*.d/S??portmap"]).stdout == "/etc/rcS.d/S01portmap\n"


def test_script_is_not_enabled_beside_c(host: SysV) -> None:
    need("rpcbind")
    host.run([COMMAND, "service", "uninstall"])
    other = host.popen(["rpcbind", "-f"])
    host.await_answer(host.path("/run/rpcbind.sock"), other)

    done = host.run([COMMAND, "service", "install", "--program", COMMAND])

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "portmap: not enabled, since rpcbind is running; to have it run:",
        "    service rpcbind stop",
        "    update-rc.d rpcbind disable",
        "    update-rc.d portmap defaults",
        "    portmap service start",
    ]
    assert other.poll() is None


def test_start_beside_c_says_what_to_run(host: SysV) -> None:
    need("rpcbind")
    other = host.popen(["rpcbind", "-f"])
    host.await_answer(host.path("/run/rpcbind.sock"), other)

    script = host.service("start")
    command = host.run([COMMAND, "service", "start"])

    held = "it holds /run/rpcbind.lock"
    why = f"portmap: another port mapper is already running ({held}); stop it first\n"
    assert script == (1, f"Starting portmap: {FAILED}{why}")
    assert (command.returncode, command.stderr.splitlines()[1:]) == (
        1,
        [
            "portmap: rpcbind is running; to have it run:",
            "    service rpcbind stop",
            "    update-rc.d rpcbind disable",
            "    portmap service start",
        ],
    )


def test_changed_script_is_kept_and_named(host: SysV) -> None:
    host.sh(f"echo '# mine' >> {SCRIPT}")

    again = host.run([COMMAND, "service", "install", "--program", COMMAND])
    gone = host.run([COMMAND, "service", "uninstall"])

    advice = "exists, and was not written by 'service install'; move it away"
    assert (again.returncode, again.stderr) == (1, f"portmap: {SCRIPT} {advice}\n")
    assert gone.stderr == f"portmap: {SCRIPT} was changed since, and stays\n"
    assert Path(host.path(SCRIPT)).read_text().endswith("\n# mine\n")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_shells_find_no_fault_in_it(shell: str) -> None:
    need(shell)
    script = Path(__file__).parents[2] / "packaging" / "portmap.init"

    done = subprocess.run(
        [shell, "-n", script], capture_output=True, text=True, check=False, env={"PATH": PATH}
    )

    assert (done.returncode, done.stderr) == (0, "")
