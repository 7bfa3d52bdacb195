"""MOUNT as a part of the server: its program, and the list of the hosts that have mounted."""

from __future__ import annotations

import os
from collections.abc import Sequence

from oncrpc.nfs.daemon.config import NfsdConfig
from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.vocabulary import MOUNT
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_file import MountFile
from oncrpc.rpc import Service

RMTAB = "/var/lib/nfs/rmtab"
"""The mount list of rpc.mountd, read at the first start."""


class MountPart(Part):
    """MOUNT 1 to 3. A change of the mount list changes which hosts get long replies over UDP."""

    name = MOUNT

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.program = MountProgram(site.shares, site.mounts)
        self.file: MountFile | None = None

    def services(self) -> Sequence[Service]:
        """The three versions."""
        return self.program.services()

    def configure(self, config: NfsdConfig) -> None:
        """Hide exports, or show all of them."""
        self.program.only_allowed = not config.mount.list_all

    def start(self, left: bytes | None) -> None:  # noqa: ARG002  # the file has everything
        """Read the mount list."""
        mounts, directory = self.site.mounts, self.site.state.directory
        if directory is not None:
            former = RMTAB if os.geteuid() == 0 else ""
            self.file = MountFile(mounts, directory, former=former)
            self.file.load()
        keep = mounts.changed

        def changed() -> None:
            keep()
            self.site.daemon.udp_limits.look_again()

        mounts.changed = changed

    def settle(self) -> None:
        """Write the mount list."""
        if self.file is not None:
            self.file.save()

    async def stop(self) -> None:
        """Write the mount list for the last time."""
        if self.file is not None:
            await self.file.close()
