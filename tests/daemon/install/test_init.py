"""The commands for each kind of init, and the conflicts that are found."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oncrpc.daemon.install.init import (
    NOT_RUN,
    WORDS,
    Command,
    Conflict,
    Host,
    after_removal,
    after_writing,
    before_removal,
    conflict,
    driven,
    enable,
    init_of,
    this_machine,
)
from oncrpc.daemon.install.product import SYSTEMD, SYSV
from oncrpc.portmap.product import PRODUCT

UNITS = "Id={}\nActiveState={}\nUnitFileState={}\n"


def host(root: Path, *, said: str = "", programs: tuple[str, ...] = ()) -> Host:
    """A fake host with these programs, where every command prints this text."""
    run: Callable[[Command], subprocess.CompletedProcess[str]]
    run = lambda command: subprocess.CompletedProcess(command, 0, said, "")  # noqa: E731
    return Host(PRODUCT, run, lambda name: name if name in programs else None, str(root))


def test_where_systemd_runs_that_is_the_init(tmp_path: Path) -> None:
    assert init_of(host(tmp_path)) == SYSV

    (tmp_path / "run/systemd/system").mkdir(parents=True)

    assert init_of(host(tmp_path)) == SYSTEMD


def test_root_folder_needs_only_systemd_files(tmp_path: Path) -> None:
    assert init_of(host(tmp_path), running=False) == SYSV

    (tmp_path / "usr/lib/systemd/systemd").mkdir(parents=True)

    assert init_of(host(tmp_path), running=False) == SYSTEMD


def test_both_kinds_do_the_same_words() -> None:
    assert {word: driven(PRODUCT, SYSTEMD, word)[0] for word in WORDS} == dict.fromkeys(
        WORDS, "systemctl"
    )
    assert [driven(PRODUCT, SYSV, word) for word in WORDS] == [
        ("/etc/init.d/portmap", word) for word in WORDS
    ]


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        (("update-rc.d",), ("update-rc.d", "portmap", "defaults")),
        (("chkconfig",), ("chkconfig", "--add", "portmap")),
        ((), None),
    ],
)
def test_script_is_enabled_with_the_distribution_s_tool(
    tmp_path: Path, programs: tuple[str, ...], expected: Command | None
) -> None:
    assert enable(host(tmp_path, programs=programs), SYSV) == expected


def test_units_are_enabled_and_disabled_both(tmp_path: Path) -> None:
    units = ("portmap.socket", "portmap.service")

    assert enable(host(tmp_path), SYSTEMD) == ("systemctl", "enable", *units)
    assert before_removal(host(tmp_path), SYSTEMD) == [("systemctl", "disable", "--now", *units)]
    assert after_removal(host(tmp_path), SYSTEMD) == [("systemctl", "daemon-reload")]
    assert after_writing(this_machine(PRODUCT), SYSTEMD)[-1] == ("systemctl", "daemon-reload")


def test_a_script_is_stopped_before_it_is_removed(tmp_path: Path) -> None:
    red_hat = host(tmp_path, programs=("chkconfig",))
    assert before_removal(red_hat, SYSV) == []

    (tmp_path / "etc/init.d").mkdir(parents=True)
    (tmp_path / "etc/init.d/portmap").touch()

    stop, delete = before_removal(red_hat, SYSV)
    assert stop == ("/etc/init.d/portmap", "stop")
    assert delete == ("chkconfig", "--del", "portmap")
    assert after_writing(this_machine(PRODUCT), SYSV) == []


def test_links_of_levels_go_after_the_script(tmp_path: Path) -> None:
    debian = host(tmp_path, programs=("update-rc.d",))

    assert after_removal(debian, SYSV) == [("update-rc.d", "portmap", "remove")]
    assert after_removal(host(tmp_path), SYSV) == []


def test_running_units_of_the_other_conflict(tmp_path: Path) -> None:
    service = UNITS.format("rpcbind.service", "inactive", "disabled")
    socket = UNITS.format("rpcbind.socket", "active", "enabled")

    assert conflict(host(tmp_path, said=f"{socket}\n{service}"), SYSTEMD) == Conflict(
        "rpcbind.socket is active and enabled",
        ("systemctl disable --now rpcbind.socket rpcbind.service",),
    )


def test_enabled_but_stopped_units_do_not_conflict(tmp_path: Path) -> None:
    service = UNITS.format("rpcbind.service", "inactive", "enabled")
    socket = UNITS.format("rpcbind.socket", "active", "enabled")

    assert conflict(host(tmp_path, said=service), SYSTEMD, now=True) is None
    found = conflict(host(tmp_path, said=f"{socket}\n{service}"), SYSTEMD, now=True)
    assert found is not None
    assert found.what == "rpcbind.socket is active"


def test_aliases_of_our_units_do_not_conflict(tmp_path: Path) -> None:
    ours = UNITS.format("portmap.socket", "active", "enabled")

    assert conflict(host(tmp_path, said=ours), SYSTEMD) is None


def process(root: Path, pid: int, *, name: str, network: str) -> None:
    """A process as /proc has it."""
    folder = root / f"proc/{pid}"
    (folder / "ns").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "ns/net").symlink_to(network)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A root folder where our own process is 1, and another 2."""
    process(tmp_path, 1, name="portmap", network="net:[1]")
    process(tmp_path, 2, name="bash", network="net:[1]")
    (tmp_path / "proc/self").symlink_to("1")
    return tmp_path


def test_running_process_of_the_other_conflicts(proc: Path) -> None:
    process(proc, 3, name="rpcbind", network="net:[1]")

    assert conflict(host(proc, programs=("update-rc.d",)), SYSV) == Conflict(
        "rpcbind is running", ("service rpcbind stop", "update-rc.d rpcbind disable")
    )


def test_process_in_another_network_does_not_conflict(proc: Path) -> None:
    process(proc, 3, name="rpcbind", network="net:[2]")
    process(proc, 4, name="rpcbind", network="net:[1]")
    (proc / "proc/4/ns/net").unlink()

    assert conflict(host(proc), SYSV) is None


def test_enabled_script_of_the_other_conflicts(proc: Path) -> None:
    (proc / "etc/rc3.d").mkdir(parents=True)
    (proc / "etc/rc3.d/S13rpcbind").touch()

    assert conflict(host(proc), SYSV) == Conflict(
        "rpcbind starts with this host", ("service rpcbind stop", "chkconfig rpcbind off")
    )
    assert conflict(host(proc), SYSV, now=True) is None


def test_a_command_that_is_not_there_fails() -> None:
    done = this_machine(PRODUCT).run(("/nowhere/systemctl", "start"))

    assert (done.returncode, done.stderr) == (
        NOT_RUN,
        "/nowhere/systemctl: no such file or directory\n",
    )


def test_run_captures_standard_output() -> None:
    assert this_machine(PRODUCT).run(("echo", "said")).stdout == "said\n"
