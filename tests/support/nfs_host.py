"""A host that exports directories by ``nfsd``, registered with our port mapper.

    with NfsHost("/srv/tmpfs *(rw,insecure)") as host:
        host.run(["nfs-ls", "nfs://127.0.0.1/srv/tmpfs"])

``/srv`` is its own. The directories ``/srv/tmpfs`` and ``/srv/ext4`` are file systems.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from oncrpc.programs.nfs3 import NFS_PROGRAM
from support.hosts import Host, portmap, until
from support.namespace import PYTHON, end, need

NFSD = (PYTHON, "-m", "oncrpc.cli.nfsd")
NFS_PORT = 2049
STATE = "/srv/state"
PLACES = (
    "-f", "--config", "/srv/nfsd.toml", "--exports", "/srv/exports", "--state-dir", STATE,
)  # fmt: skip
FILES = """
mount -t tmpfs tmpfs /srv
mkdir -p /srv/tmpfs /srv/ext4 /srv/state
chmod 700 /srv/state
mount -t tmpfs tmpfs /srv/tmpfs
truncate -s 400M /srv/ext4.img
mkfs.ext4 -q -b 4096 /srv/ext4.img
mount -o loop /srv/ext4.img /srv/ext4
rmdir /srv/ext4/lost+found
for folder in /srv/tmpfs /srv/ext4; do
  echo 'hello from nfsd' > $folder/hello.txt
  chmod 777 $folder
done
"""


class NfsHost(Host):
    """A host with our port mapper, and ``nfsd`` with these exports and this configuration.

    ``prepare`` is a script that runs before, ``around`` a command that runs ``nfsd``.
    """

    def __init__(
        self,
        exports: str,
        *options: str,
        config: str = "",
        prepare: str = "",
        around: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.exports, self.options, self.config = exports, options, config
        self.prepare, self.around = prepare, around

    def __enter__(self) -> Self:
        need("mkfs.ext4")
        super().__enter__()
        self.sh(FILES + self.prepare)
        Path(self.path("/srv/exports")).write_text(self.exports)
        Path(self.path("/srv/nfsd.toml")).write_text(self.config)
        self.start(portmap())
        self.nfsd = self.start_nfsd()
        return self

    def start_nfsd(self) -> subprocess.Popen[str]:
        """Start ``nfsd``, and wait until it answers and is registered."""
        started = self.popen([*self.around, *NFSD, *PLACES, *self.options])
        until(self._answers, "nfsd answers and is registered")
        return started

    def kill_nfsd(self) -> None:
        """End it as ``kill -9`` does."""
        self.nfsd.kill()
        self.nfsd.wait()
        end(self.nfsd)

    def _answers(self) -> bool:
        return self.serves("tcp", "127.0.0.1", NFS_PORT) and bool(self.registered(NFS_PROGRAM))
