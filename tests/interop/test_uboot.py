"""U-Boot loads a file by NFS over UDP, as a board that boots from the network does.

It asks our port mapper for MOUNT and NFS. It speaks version 2, and version 3 if there is no other.
The board is QEMU's; its network is that of the namespace, where 10.0.2.2 is the loopback interface.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
import zlib
from collections.abc import Iterator

import pytest

from support.boot_server import IMAGE
from support.hosts import Host, portmap
from support.namespace import PYTHON, line_of, need

pytestmark = pytest.mark.interop

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
DEADLINE = 60.0
BOARD = (
    "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "256", "-nographic",
    "-bios", FIRMWARE, "-netdev", "user,id=lan", "-device", "virtio-net-pci,netdev=lan",
)  # fmt: skip
ADDRESSES = ("ipaddr 10.0.2.15", "netmask 255.255.255.0", "serverip 10.0.2.2")
PROMPT = "\n=> "


class Board:
    """A board, and its serial console."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.keys, self.screen = process.stdin.fileno(), process.stdout.fileno()
        self.unread = ""
        self._until("stop autoboot")
        self.type("")
        for each in ADDRESSES:
            self.type(f"setenv {each}")

    def type(self, command: str) -> str:
        """Enter a command; returns what it prints."""
        os.write(self.keys, f"{command}\n".encode())
        return self._until(PROMPT)

    def _until(self, text: str) -> str:
        """What the board prints up to this text."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.unread:
            ready, _, _ = select.select([self.screen], [], [], deadline - time.monotonic())
            assert ready, f"no {text!r} after {self.unread!r}"
            self.unread += os.read(self.screen, 4096).decode(errors="replace")
        printed, _, self.unread = self.unread.partition(text)
        return printed


@pytest.fixture
def host() -> Iterator[Host]:
    need("qemu-system-aarch64", FIRMWARE)
    with Host() as host:
        host.start(portmap())
        yield host


@pytest.mark.parametrize(("served", "spoken"), [("2", "2"), ("3", "3"), ("2 3", "2")])
@pytest.mark.parametrize("name", ["image", "current"], ids=["file", "link"])
def test_uboot_loads_a_file(host: Host, served: str, spoken: str, name: str) -> None:
    server = host.popen([PYTHON, "-m", "support.boot_server", *served.split()])
    assert line_of(server) == "ready\n"
    board = Board(host.popen(BOARD))

    loaded = board.type(f"nfs 0x40400000 10.0.2.2:/srv/boot/{name}")

    assert f"Bytes transferred = {len(IMAGE)} " in loaded
    checksum = board.type("crc32 0x40400000 ${filesize}")
    assert re.findall(r"==> (\w+)", checksum) == [f"{zlib.crc32(IMAGE):08x}"]
    called = counted(server)
    assert called["2 MOUNTPROC_MNT"] >= 1
    assert {name.split()[0] for name in called if "NFSPROC" in name} == {spoken}


def counted(server: subprocess.Popen[str]) -> dict[str, int]:
    """The procedures that were called."""
    assert server.stdin is not None
    server.stdin.close()
    server.stdin = None
    found: dict[str, int] = json.loads(line_of(server))
    return found
