"""``nfsd service``: what it writes and says; the rest is tested with ``portmap service``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from oncrpc.cli.nfsd.service import main
from oncrpc.cli.portmap.service import main as portmap_service
from oncrpc.daemon.install.init import SYSTEMD_RUNS, Command, Host
from oncrpc.nfs.daemon.product import PRODUCT
from oncrpc.portmap.product import PRODUCT as PORTMAP

KERNEL = "Id=nfs-server.service\nActiveState=active\nUnitFileState=enabled\n"
START = "nfsd: it starts with this host from now on; for now, run 'nfsd service start'"


class FakeInit:
    """A host below a folder: what is run there, and what ``systemctl show`` says."""

    def __init__(self, root: Path) -> None:
        self.root, self.ran, self.units = root, list[str](), ""
        self.program = root / "nfsd"
        self.program.touch()
        self.program.chmod(0o755)
        (root / "proc").mkdir()

    def run(self, command: Command) -> subprocess.CompletedProcess[str]:
        if "show" in command:
            return subprocess.CompletedProcess(command, 0, self.units, "")
        self.ran.append(" ".join(command))
        return subprocess.CompletedProcess(command, 0, "", "")

    def __call__(self, *arguments: str) -> int:
        return main(arguments, Host(PRODUCT, self.run, self.which, str(self.root)))

    def portmap(self, *arguments: str) -> int:
        return portmap_service(arguments, Host(PORTMAP, self.run, self.which, str(self.root)))

    def which(self, name: str) -> str | None:
        return name if name == "update-rc.d" else None

    def install(self) -> Sequence[str]:
        return ("install", "--program", str(self.program))


@pytest.fixture
def sysv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeInit:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    return FakeInit(tmp_path)


@pytest.fixture
def systemd(sysv: FakeInit) -> FakeInit:
    (sysv.root / SYSTEMD_RUNS[1:]).mkdir(parents=True)
    return sysv


def test_one_unit_is_written_and_enabled(
    systemd: FakeInit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert systemd(*systemd.install()) == 0

    unit = systemd.root / "etc/systemd/system/nfsd.service"
    assert f"\nExecStart={systemd.program} -f " in unit.read_text()
    assert systemd.ran == ["systemctl daemon-reload", "systemctl enable nfsd.service"]
    assert capsys.readouterr().out.splitlines() == [f"nfsd: wrote {unit}", START]


def test_script_starts_with_the_network_levels(sysv: FakeInit) -> None:
    assert sysv(*sysv.install()) == 0

    script = (sysv.root / "etc/init.d/nfsd").read_text()
    assert f"\nPROGRAM={sysv.program}\n" in script
    assert "\n# Default-Start:     2 3 4 5\n" in script
    assert sysv.ran == ["update-rc.d nfsd defaults"]


def test_it_is_not_enabled_beside_the_kernel(
    systemd: FakeInit, capsys: pytest.CaptureFixture[str]
) -> None:
    systemd.units = KERNEL

    assert systemd(*systemd.install()) == 0

    assert systemd.ran == ["systemctl daemon-reload"]
    assert capsys.readouterr().err.splitlines() == [
        "nfsd: not enabled, since nfs-server.service is active and enabled; to have it run:",
        "    systemctl disable --now nfs-server.service nfs-mountd.service",
        "    systemctl enable nfsd.service",
        "    nfsd service start",
    ]


def test_program_in_a_home_may_be_run(systemd: FakeInit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/root/venv/bin/python")

    assert systemd(*systemd.install()) == 0


def test_package_has_installed_the_unit(
    systemd: FakeInit, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = systemd.root / "lib/systemd/system"
    folder.mkdir(parents=True)
    (folder / "nfsd.service").touch()

    assert systemd(*systemd.install()) == 1

    assert "a package has already installed the service" in capsys.readouterr().err


def test_uninstall_leaves_the_port_mapper(
    systemd: FakeInit, capsys: pytest.CaptureFixture[str]
) -> None:
    systemd(*systemd.install())
    assert systemd.portmap(*systemd.install()) == 0
    systemd.ran.clear()

    assert systemd("uninstall") == 0

    assert systemd.ran == [
        "systemctl disable --now nfsd.service",
        "systemctl daemon-reload",
    ]
    assert not (systemd.root / "etc/systemd/system/nfsd.service").exists()
    assert (systemd.root / "etc/systemd/system/portmap.service").exists()
    capsys.readouterr()
    assert systemd("uninstall") == 1
    record = systemd.root / "var/lib/oncrpc/service.json"
    assert capsys.readouterr().err == f"nfsd: nothing to remove: {record} has no file of it\n"
