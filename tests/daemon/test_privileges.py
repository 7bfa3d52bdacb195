"""Whom to become, and going to the background."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from oncrpc.daemon.privileges import drop, user_of


def test_a_user_is_found_by_name_or_number() -> None:
    me = pwd.getpwuid(os.getuid())

    assert user_of(me.pw_name, ()) == me
    assert user_of(str(me.pw_uid), ()) == me


@pytest.mark.parametrize("name", ["nobody-at-all", "999999999", "99999999999999999999", "\u00b2"])
def test_unknown_user_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        user_of(name, ())


def test_first_existing_default_user_is_used() -> None:
    nobody = pwd.getpwnam("nobody")

    assert user_of(None, ("nobody-at-all", "nobody", "root")) == nobody


def test_host_without_the_default_users_gives_none() -> None:
    assert user_of(None, ("nobody-at-all",)) is None


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
def test_root_is_left_for_good() -> None:
    done = python(
        "import os, pwd\n"
        "from oncrpc.daemon.privileges import drop\n"
        "drop(pwd.getpwnam('nobody'))\n"
        "print(os.getresuid(), os.getgroups())\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('for good')\n"
    )

    uid = pwd.getpwnam("nobody").pw_uid
    assert done.stdout == f"({uid}, {uid}, {uid}) []\nfor good\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can")
def test_others_cannot_become_anyone() -> None:
    with pytest.raises(OSError, match="not permitted"):
        drop(pwd.getpwnam("nobody"))


DETACH = (
    "import os, sys\n"
    "from oncrpc.daemon.privileges import detach\n"
    "started = os.getpid()\n"
    "report = detach('portmap')\n"
    "assert os.getpid() != started and os.getsid(0) not in (started, os.getpid())\n"
)


@pytest.mark.slow
def test_first_process_exits_0_once_daemon_serves(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.touch()
    fifo = tmp_path / "end"
    os.mkfifo(fifo)

    done = python(
        f"{DETACH}report('')\n"
        f"where = os.getcwd(), os.readlink('/proc/self/fd/2')\n"
        f"open({str(fifo)!r}, 'w').write(repr(where))\n"
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fifo.read_text() == "('/', '/dev/null')"


@pytest.mark.slow
def test_first_process_reports_why_daemon_cannot_serve() -> None:
    done = python(f"{DETACH}report('portmap: the port is in use\\n')\n")

    assert (done.returncode, done.stderr) == (1, "portmap: the port is in use\n")


@pytest.mark.slow
def test_first_process_reports_a_silent_end() -> None:
    done = python(f"{DETACH}os._exit(3)\n")

    assert done.returncode == 1
    assert done.stderr == "portmap: the daemon ended before it could serve\n"


@pytest.mark.slow
def test_standard_files_that_were_closed_are_opened() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 0<&- 2>&-', sys.executable,
         "from oncrpc.daemon.privileges import open_standard_files\n"
         "import os\n"
         "open_standard_files()\n"
         "print([os.readlink(f'/proc/self/fd/{n}') for n in (0, 2)])\n"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.stdout == "['/dev/null', '/dev/null']\n"
