"""A product to install as a service: a daemon, its files, and the services that it replaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

SYSTEMD, SYSV = "systemd", "sysv"


class Template(NamedTuple):
    """A file as it is kept in the package, and its path on the host."""

    name: str
    path: str
    mode: int = 0o644


@dataclass(frozen=True)
class Product:
    """A daemon of this package.

    Its files are in the folder ``unit_files`` of ``package``, and name the program ``program``.
    ``rival`` is a service for the same ports, whose units are ``rival_units``, and whose process is
    ``rival_process`` if that has another name. An ``activated`` product has a socket unit, and a
    user and folders of its own. An ``early`` one starts before network file systems are mounted.
    """

    name: str
    package: str
    program: str
    rival: str
    rival_units: tuple[str, ...]
    rival_process: str = ""
    activated: bool = True
    early: bool = True

    @property
    def service(self) -> str:
        """The name of the systemd service."""
        return f"{self.name}.service"

    @property
    def socket(self) -> str:
        """The name of the systemd socket unit."""
        return f"{self.name}.socket"

    @property
    def units(self) -> tuple[str, ...]:
        """The units to start, the socket first."""
        return (self.socket, self.service) if self.activated else (self.service,)

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all files, for every kind of init."""
        return frozenset(file.path for kind in self.templates.values() for file in kind)

    @property
    def script(self) -> str:
        """The path of the script of System V's init."""
        return f"/etc/init.d/{self.name}"

    @property
    def users(self) -> str:
        """The path of the file for systemd-sysusers."""
        return f"/etc/sysusers.d/{self.name}.conf"

    @property
    def folders(self) -> str:
        """The path of the file for systemd-tmpfiles."""
        return f"/etc/tmpfiles.d/{self.name}.conf"

    @property
    def templates(self) -> Mapping[str, tuple[Template, ...]]:
        """The files for each kind of init."""
        units = "/etc/systemd/system"
        service = Template(self.service, f"{units}/{self.service}")
        beside = (
            Template(self.socket, f"{units}/{self.socket}"),
            Template(f"{self.name}.sysusers", self.users),
            Template(f"{self.name}.tmpfiles", self.folders),
        )
        return {
            SYSTEMD: (service, *(beside if self.activated else ())),
            SYSV: (Template(f"{self.name}.init", self.script, 0o755),),
        }
