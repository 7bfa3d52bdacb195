"""The written service: checks by systemd's own tools, and the unit's capabilities."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.daemon.capabilities import Capability
from oncrpc.daemon.install.files import rendered, write_files
from oncrpc.nfs.daemon.modes import IDENTITIES
from oncrpc.portmap.product import PRODUCT
from support.hosts import PORTMAP, Host, finished
from support.namespace import PYTHON, PortMapper, end, environment, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

PACKAGING = Path(__file__).parents[2] / "packaging"
C_RPCBIND = PortMapper(("rpcbind", "-f"), needs="rpcbind")
USERS, FOLDERS = (Path(source.path).name for source in PRODUCT.templates["systemd"][2:])
EXPOSURES = {"portmap": 3.0, "nfsd": 5.6}
"""The highest accepted exposure of each unit; systemd rates one without hardening 9.6.

Any directory may be exported, and written by any user.
"""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder for which the service was written."""
    write_files(str(tmp_path), list(rendered(PRODUCT, "systemd", "/usr/bin/env")))
    return tmp_path


def capabilities(name: str) -> set[str]:
    """The capabilities of a unit."""
    unit = (PACKAGING / f"{name}.service").read_text()
    lines = "".join(re.findall(r"^CapabilityBoundingSet=.*$", unit, re.MULTILINE))
    return set(re.findall(r"CAP_([A-Z_]+)", lines.replace("CapabilityBoundingSet=", " ")))


def said(*command: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_user_is_made_as_systemd_makes_users(root: Path) -> None:
    need("systemd-sysusers")

    said("systemd-sysusers", f"--root={root}", USERS)

    users = (root / "etc/passwd").read_text()
    assert re.search(
        r"^_rpc:x:\d+:\d+:RPC port mapper:/run/rpcbind:/usr/sbin/nologin$", users, re.M
    )


def test_the_folder_is_made_for_that_user(root: Path) -> None:
    need("systemd-sysusers", "systemd-tmpfiles")
    said("systemd-sysusers", f"--root={root}", USERS)
    user = int((root / "etc/passwd").read_text().split(":")[2])

    said("systemd-tmpfiles", f"--root={root}", "--create", FOLDERS)

    assert (root / "run/rpcbind").stat().st_uid == user


def test_units_take_the_names_of_rpcbind(root: Path) -> None:
    need("systemctl")

    said("systemctl", f"--root={root}", "enable", "portmap.socket", "portmap.service")

    folder = root / "etc/systemd/system"
    for name, ours in (("rpcbind.service", "service"), ("rpcbind.socket", "socket")):
        assert (folder / name).readlink().name == f"portmap.{ours}"


@pytest.mark.parametrize(("name", "most"), EXPOSURES.items())
def test_little_is_exposed(name: str, most: float) -> None:
    need("systemd-analyze")

    last = said(
        "systemd-analyze", "security", "--offline=yes", str(PACKAGING / f"{name}.service")
    ).splitlines()[-1]

    assert float(re.findall(r"[\d.]+", last)[-1]) <= most, last


def test_server_unit_has_the_capabilities_of_root_mode() -> None:
    assert capabilities("nfsd") == {
        each.name for each in (*IDENTITIES, Capability.NET_BIND_SERVICE)
    }


def test_unit_capabilities_suffice_after_c(host: Host) -> None:
    """The lock has mode 0444, which root cannot write without one of the capabilities."""
    need("rpcbind", "setpriv")
    end(host.start(C_RPCBIND))
    assert Path(host.path("/run/rpcbind.lock")).stat().st_mode & 0o777 == 0o444
    kept = ",".join(f"+{name.lower()}" for name in capabilities("portmap"))

    command = ("setpriv", "--bounding-set", f"-all,{kept}", *PORTMAP, "-f")
    daemon = host.start(PortMapper(command, needs=PYTHON))

    daemon.terminate()
    assert finished(daemon) == 0
