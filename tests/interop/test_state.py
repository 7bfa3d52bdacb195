"""The registry on disk when root starts the daemon: /run/portmap, owned by another user."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.daemon.privileges import user_of
from oncrpc.errors import SystemFailure
from oncrpc.portmap.config import USERS
from oncrpc.programs.rpcb import rpcb
from support.hosts import PORTMAP, Host, finished, for_all, portmap, until
from support.namespace import PYTHON, PortMapper, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ORDINARY = 1000
DEFAULT = "/run/portmap"
C_RPCBIND = PortMapper(("rpcbind", "-f", "-w"), needs="rpcbind")
UNIT = Path(__file__).parents[2] / "packaging" / "portmap.service"


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as made:
        yield made


def register(host: Host, *numbers: int) -> None:
    """Register programs at addresses of another host, which liveness checks skip."""
    mapper = host.mapper()
    for number in numbers:
        assert sync.run(mapper.set(number, 1, "tcp", "192.0.2.1.8.1"))


def kill(daemon: subprocess.Popen[str]) -> None:
    daemon.kill()
    finished(daemon)


def registered(host: Host) -> list[int]:
    """The programs of others, in order."""
    found: list[rpcb] = sync.run(host.mapper().dump())
    return [entry.r_prog for entry in found if entry.r_prog != 100000]


def test_without_any_option_registrations_outlive_sigkill(host: Host) -> None:
    daemon = host.start(portmap())
    register(host, 3, 1, 2)
    assert sync.run(host.mapper().unset(1, 1))
    kill(daemon)

    host.start(portmap())

    assert registered(host) == [3, 2]


def test_the_directory_is_the_daemons_alone(host: Host) -> None:
    host.start(portmap())
    user = user_of(None, USERS)
    assert user is not None

    folder = Path(host.path(DEFAULT))
    for path, mode in ((folder, 0o700), *((path, 0o600) for path in folder.iterdir())):
        status = path.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (user.pw_uid, mode)


def test_nothing_is_kept_if_that_is_asked_for(host: Host) -> None:
    daemon = host.start(portmap("--no-state"))
    register(host, 1)
    kill(daemon)

    host.start(portmap("--no-state"))

    assert registered(host) == []
    assert os.listdir(host.path(DEFAULT)) == ["control"]


def test_each_port_has_a_directory_of_its_own(host: Host) -> None:
    host.start(portmap("-p", "10111"))

    assert os.path.isdir(host.path("/run/portmap-10111"))
    assert not os.path.exists(host.path(DEFAULT))


def test_ordinary_user_keeps_state_in_runtime_directory(host: Host) -> None:
    host.sh(f"mkdir -p /run/user/{ORDINARY} && chown {ORDINARY} /run/user/{ORDINARY}")
    env, *command = for_all(host)
    given = f"XDG_RUNTIME_DIR=/run/user/{ORDINARY}"
    options = ("-f", "--no-local", "-p", "10111")

    host.popen([env, given, *command, *options], uid=ORDINARY)
    until(lambda: host.serves("tcp", "127.0.0.1", 10111), "the daemon serves")

    folder = Path(host.path(f"/run/user/{ORDINARY}/portmap-10111"))
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (ORDINARY, 0o700)
    kept = {"snapshot", "journal", "control"}
    until(lambda: {path.name for path in folder.iterdir()} == kept, "the files are there")


def test_daemon_may_change_its_user(host: Host) -> None:
    kill(host.start(portmap("-u", "root")))
    daemon = host.start(portmap())
    register(host, 1)
    kill(daemon)

    host.start(portmap())

    assert registered(host) == [1]


def test_the_capabilities_of_the_unit_are_enough(host: Host) -> None:
    need("setpriv")
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("Capability"))
    kept = ",".join("+" + name.lower()[4:] for name in line.partition("=")[2].split())
    command = ("setpriv", "--bounding-set", f"-all,{kept}", *PORTMAP, "-f")
    daemon = host.start(PortMapper(command, needs=PYTHON))
    register(host, 1)
    kill(daemon)

    host.start(PortMapper(command, needs=PYTHON))

    assert registered(host) == [1]


def test_foreign_directory_means_no_state(host: Host) -> None:
    need("setpriv")
    kept = "-all,+net_bind_service,+setuid,+setgid"
    log = "2>/run/log"
    script = f"exec setpriv --bounding-set {kept} {' '.join(PORTMAP)} -f {log}"
    daemon = host.start(PortMapper(("sh", "-c", script), needs="sh"))
    register(host, 1)
    kill(daemon)

    assert (
        "registrations are not kept: /run/portmap: Operation not permitted"
        in Path(host.path("/run/log")).read_text()
    )


def test_full_file_system_refuses_changes_until_room(host: Host) -> None:
    host.sh(f"mkdir {DEFAULT} && mount -t tmpfs -o size=128k,mode=755 tmpfs {DEFAULT}")
    daemon = host.start(portmap())
    register(host, 1)
    host.sh(f"head -c 1M /dev/zero >{DEFAULT}/full 2>/dev/null || true")

    with pytest.raises(SystemFailure):
        register(host, *range(2, 200))

    before = registered(host)
    assert before == list(range(1, before[-1] + 1))

    host.sh(f"rm {DEFAULT}/full")
    register(host, 1000)
    kill(daemon)

    host.start(portmap())
    assert registered(host) == [*before, 1000]


def test_newer_files_of_c_are_read(host: Host) -> None:
    need("rpcbind")
    user = user_of(None, USERS)
    assert user is not None
    host.sh(f"chown {user.pw_name} /run/rpcbind")
    for port_mapper, number in (
        (portmap("-w", "/run/rpcbind"), 1),
        (C_RPCBIND, 2),
        (portmap("-w", "/run/rpcbind"), 3),
    ):
        daemon = host.start(port_mapper)
        register(host, number)
        daemon.terminate()
        finished(daemon)

    host.start(portmap("-w", "/run/rpcbind"))

    assert sorted(registered(host)) == [1, 2, 3]
