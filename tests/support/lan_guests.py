"""Linux guests with addresses of their own, on one network with the host of a test.

    with NfsHost(EXPORTS) as host, Lan(host, image) as lan:
        guest = lan.boot("one")
        guest.run("mount.nfs server:/srv/tmpfs /mnt -o vers=3")
        waiting = guest.begin("locks /mnt/file wait:w:0:0")
        ...
        waiting.line("wait ok")

A guest calls the host ``server`` or ``server6``, and can be called back. It keeps the state of
nfs-utils on a disk, also when it is killed and booted again.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

from support.guest_image import COMMAND_LINE, NEEDED, QEMU, build, command
from support.hosts import Host
from support.namespace import end, need
from support.printed_lines import LINE_TIME, PrintedLines

SERVER, SERVER6 = "10.98.0.1", "fd98::1"
FIRST_GUEST = 11
BRIDGE = f"""
ip link add br0 type bridge
ip address add {SERVER}/24 broadcast + dev br0
ip address add {SERVER6}/64 dev br0 nodad
ip link set br0 up
"""
TAP = """
ip tuntap add dev {name} mode tap
ip link set dev {name} master br0 up
"""
CLIENT = "rpcbind -w && rpc.statd --no-notify"
"""What a client needs for locks; it does not tell yet that it has restarted."""

BOOT_TIME = 150.0
"""Seconds for a guest to boot while others do."""


class LanGuest:
    """A guest that does commands one by one, or several at the same time."""

    def __init__(self, host: Host, folder: Path, *, name: str, number: int) -> None:
        self.name = name
        self.address, self.address6 = f"10.98.0.{number}", f"fd98::{number}"
        self._host = host
        self._number = number
        self._console = folder / f"{name}.console"
        self._state = folder / f"{name}.state"
        self._commands: dict[str, PrintedLines] = {}
        self._numbers = count(1)
        self._qemu: subprocess.Popen[str] | None = None

    def boot(self, kernel: Path, initramfs: Path, *disks: Path) -> None:
        """Start it, without waiting: what it writes to further disks is lost."""
        self._ready = PrintedLines()
        hosts = f"name={self.name} server={SERVER} server6={SERVER6}"
        addresses = f"address={self.address}/24 address6={self.address6}/64"
        device = f"virtio-net-pci,netdev=n0,mac=52:54:00:00:00:{self._number:02x},romfile="
        drives = [f"file={self._state}", *(f"file={disk},snapshot=on" for disk in disks)]
        started = [
            *QEMU, "-m", "256", "-kernel", str(kernel), "-initrd", str(initramfs),
            "-append", f"{COMMAND_LINE} {hosts} {addresses}",
            "-serial", f"file:{self._console}", "-serial", "stdio",
            "-netdev", f"tap,id=n0,ifname={self.name},script=no,downscript=no", "-device", device,
            *(word for drive in drives for word in ("-drive", f"{drive},format=raw,if=virtio")),
        ]  # fmt: skip
        self._qemu = qemu = self._host.popen(started)
        self._reader = threading.Thread(target=self._read, args=(qemu,))
        self._reader.start()

    def begin(self, text: str) -> PrintedLines:
        """Begin a command for the shell."""
        number = str(next(self._numbers))
        printed = self._commands[number] = PrintedLines()
        assert self._qemu is not None, "it runs"
        assert self._qemu.stdin is not None, "it is a pipe"
        self._qemu.stdin.write(f"{number} {text}\n")
        self._qemu.stdin.flush()
        return printed

    def run(self, text: str) -> str:
        """What a command prints, which has to succeed."""
        printed = self.begin(text)
        status = printed.status()
        assert status == 0, printed.text
        return printed.text

    def lines(self, text: str, *, timeout: float = LINE_TIME) -> list[str]:
        """The lines that a command prints, which has to succeed within the time."""
        printed = self.begin(text)
        status = printed.line(r"^exit (\d+)$", timeout=timeout)[1]
        found = printed.text.splitlines()[:-1]
        assert status == "0", found[-20:]
        return found

    def until_ready(self) -> Self:
        """Wait until it does commands."""
        self._ready.line("^guest", timeout=BOOT_TIME)
        return self

    def kill(self) -> None:
        """End it as a loss of power does, if it runs."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
            self._reader.join()
            end(self._qemu)
            self._qemu = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the guest within the context, as if the network to it were cut."""
        assert self._qemu is not None, "it runs"
        self._qemu.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._qemu.send_signal(signal.SIGCONT)

    def _read(self, qemu: subprocess.Popen[str]) -> None:
        assert qemu.stdout is not None, "it is a pipe"
        for line in qemu.stdout:
            number, _, text = line.rstrip().partition(" ")
            self._commands.get(number, self._ready).feed(text)
        for printed in (self._ready, *self._commands.values()):
            printed.stop()


class Lan:
    """The network of a host and its guests; ``image`` is where their image is built, once.

    ``state_size`` is the size of the disk that a guest keeps.
    """

    def __init__(self, host: Host, image: Path, folder: Path, *, state_size: str = "16M") -> None:
        need(*NEEDED, "mkfs.ext4", "/dev/net/tun")
        self._host, self._folder, self._state_size = host, folder, state_size
        self.image = build(image)
        self._guests: dict[str, LanGuest] = {}

    def __enter__(self) -> Self:
        self._host.sh(BRIDGE)
        return self

    def __exit__(self, *_: object) -> None:
        for guest in self._guests.values():
            guest.kill()

    def boot(self, *names: str, disks: Sequence[Path] = ()) -> list[LanGuest]:
        """Boot guests at the same time, new ones and those that were killed."""
        guests = [self._guests.get(name) or self._new(name) for name in names]
        for guest in guests:
            guest.boot(*self.image, *disks)
        return [guest.until_ready() for guest in guests]

    def __getitem__(self, name: str) -> LanGuest:
        """The guest of a name."""
        return self._guests[name]

    def _new(self, name: str) -> LanGuest:
        self._host.sh(TAP.format(name=name))
        state = self._folder / f"{name}.state"
        command("truncate", "-s", self._state_size, state)
        command("mkfs.ext4", "-q", "-F", state)
        number = FIRST_GUEST + len(self._guests)
        guest = LanGuest(self._host, self._folder, name=name, number=number)
        self._guests[name] = guest
        return guest
