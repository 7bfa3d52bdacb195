"""A Linux kernel as NFS client, in QEMU without hardware support: ``tests/interop/guest``.

    with Host() as host:
        output = Guest(image).run(host, "mount.nfs server:/srv /mnt -o vers=3,nolock && ls /mnt")

The guest's ``server`` and ``server6`` are the loopback addresses of the host's network namespace.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from support.guest_image import NEEDED, build, qemu, with_script
from support.namespace import Namespace, need

TIME = 150.0
"""Seconds for a guest to boot and run its script."""

BOOT_ERRORS = re.compile(r"^guest: cannot load", re.MULTILINE)


class Finished(NamedTuple):
    """A script's status, and the text that it printed."""

    status: int
    text: str

    def part(self, name: str) -> list[str]:
        """The lines between ``begin NAME`` and ``end NAME``."""
        found = re.search(rf"^begin {name}\n(.*?)^end {name}$", self.text, re.MULTILINE | re.DOTALL)
        assert found is not None, self.text[-2000:]
        return found[1].splitlines()


class Guest:
    """Builds the image in ``folder`` once, and boots it for each script."""

    def __init__(self, folder: Path) -> None:
        need(*NEEDED)
        self.folder = folder
        self.kernel, self.initramfs = build(folder)

    def start(self, host: Namespace, script: str, *, name: str = "guest") -> subprocess.Popen[str]:
        """Boot a guest that runs a shell script."""
        initramfs = with_script(self.initramfs, script, self.folder / f"{name}.gz")
        return host.popen(qemu(self.kernel, initramfs))

    def run(self, host: Namespace, script: str, *, timeout: float = TIME) -> Finished:
        """Boot a guest and wait for the end of its script."""
        return finished(self.start(host, script), timeout=timeout)


def finished(guest: subprocess.Popen[str], *, timeout: float = TIME) -> Finished:
    """Wait for the end of a guest's script."""
    printed, _ = guest.communicate(timeout=timeout)
    text = printed.replace("\r", "")
    assert not BOOT_ERRORS.search(text), text
    found = re.search(r"^guest: status (\d+)$", text, re.MULTILINE)
    assert found is not None, f"the guest stopped: {text[-2000:]}"
    return Finished(int(found[1]), text)
