"""Disks in a namespace: file systems in image files, of any size, which may be broken."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.namespace import PYTHON, Namespace, need

PLACE = "/mnt"


class Disks:
    """File systems mounted in a namespace, below a tmpfs of its own.

    A path of the namespace can be used from outside: ``path``. All are gone with the namespace.
    """

    def __init__(self, namespace: Namespace) -> None:
        need("mount", "umount", "mkfs.ext4", "truncate")
        self._namespace = namespace
        self.sh(f"mount -t tmpfs tmpfs {PLACE}")

    def sh(self, script: str) -> str:
        """Run a script in the namespace; returns what it prints."""
        ended = self._namespace.run(["sh", "-ec", script])
        if ended.returncode:
            raise subprocess.CalledProcessError(
                ended.returncode, script, ended.stdout, ended.stderr
            )
        return ended.stdout

    def python(self, script: str) -> str:
        """Run Python in the namespace; returns what it prints."""
        ended = self._namespace.run([PYTHON, "-c", script])
        assert not ended.returncode, ended.stderr
        return ended.stdout

    def path(self, name: str) -> Path:
        """The path by which this process reaches a mounted file system."""
        return Path(self._namespace.path(f"{PLACE}/{name}"))

    def ext4(
        self, name: str, *, size: str = "64M", backing: str | None = None, options: str = ""
    ) -> Path:
        """Mount a new ext4 file system; everybody may write to its root.

        ``backing`` is the size of the disk below the image. If it is smaller than the image, data
        fail to reach the disk when it is full, long after write(2) took them.
        """
        if backing is not None:
            self.sh(f"mkdir {PLACE}/{name}-disk")
            self.sh(f"mount -t tmpfs -o size={backing} tmpfs {PLACE}/{name}-disk")
        image = f"{PLACE}/{name}-disk/image" if backing else f"{PLACE}/{name}.image"
        self.sh(f"truncate -s {size} {image} && mkfs.ext4 -q -F -J size=4 {options} {image}")
        self.mount(name, image)
        os.chmod(self.path(name), 0o777)
        return self.path(name)

    def mount(self, name: str, image: str | None = None) -> None:
        """Mount an image, perhaps once more."""
        image = image or f"{PLACE}/{name}.image"
        self.sh(f"mkdir -p {PLACE}/{name} && mount -o loop {image} {PLACE}/{name}")

    def umount(self, name: str) -> None:
        self.sh(f"umount {PLACE}/{name}")

    def remount(self, name: str, option: str) -> None:
        self.sh(f"mount -o remount,{option} {PLACE}/{name}")
