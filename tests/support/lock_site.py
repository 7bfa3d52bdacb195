"""A host with ``nfsd`` and guests that take locks there: processes that take them step by step.

with LockSite(image, folder) as site:
    one, two = site.clients("one", "two")
    held = one.locks("file", "set:w:0:10", "hold")
    ...
    assert two.locks("file", "set:w:5:1").outcomes() == ["set EAGAIN"]
    held.go_on()
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from oncrpc.programs.nlm import NLM_PROG
from support.hosts import Host, until
from support.lan_guests import CLIENT, Lan, LanGuest
from support.nfs_host import NFSD, STATE, NfsHost
from support.printed_lines import PrintedLines, begun
from support.wire_tap import SeenCall, WireTap

EXPORTS = "/srv/tmpfs  *(rw,no_root_squash,insecure)\n"
FOLDER = "/srv/tmpfs"
LOG, SERVING = "/srv/log", "serving nfs"
LOGGED = ("sh", "-c", f'exec "$@" 2>> {LOG}', "sh")

MOUNT = f"mount.nfs server:{FOLDER} /mnt -o vers=3,proto=tcp"

TEST, LOCK, CANCEL, UNLOCK, GRANTED, GRANTED_MSG = 1, 2, 3, 4, 5, 10
"""Procedures of the lock manager."""


class LockProcess:
    """A process that takes locks on a file: see ``locks.c``."""

    def __init__(self, place: LockPlace, printed: PrintedLines) -> None:
        self._place, self._printed = place, printed
        self.pid = printed.line(r"^pid (\d+)$")[1]

    def step(self, outcome: str) -> str:
        """Wait until a step has this outcome."""
        return self._printed.line(rf"^{outcome}\b").string

    def has_done(self, outcome: str) -> bool:
        """Whether a step has this outcome already."""
        return self._printed.has(rf"^{outcome}\b")

    def held(self) -> Self:
        """Wait until it has what it wants, and holds it."""
        self.step("hold")
        assert not re.search(" E[A-Z]+ ", self._printed.text), self._printed.text
        return self

    def go_on(self) -> None:
        """End a ``hold``."""
        self._place.begin(f"kill -TERM {self.pid}")

    def kill(self) -> None:
        """End it as it is, and wait for that."""
        self._place.begin(f"kill -KILL {self.pid}")
        self._printed.status()

    def outcomes(self) -> list[str]:
        """Wait for its end; returns the outcomes of its steps, without times and processes.

        Guests see processes of others by numbers that only the client's kernel knows.
        """
        assert self._printed.status() == 0, self._printed.text
        lines = self._printed.text.splitlines()[1:-1]
        return [re.sub(r"( pid -?\d+)? [\d.]+ ms$", "", line) for line in lines]


class LockPlace:
    """A host on which processes take locks: a guest, or the server itself."""

    def __init__(
        self,
        begin: Callable[[str], PrintedLines],
        program: str,
        folder: str,
        *addresses: str,
    ) -> None:
        self.begin, self.addresses = begin, addresses
        self._program, self._folder = program, folder

    @property
    def address(self) -> str:
        """The IPv4 address of a guest."""
        return self.addresses[0]

    @property
    def address6(self) -> str:
        """The IPv6 address of a guest."""
        return self.addresses[1]

    def at(self, folder: str) -> LockPlace:
        """The same host, with files in another folder."""
        return LockPlace(self.begin, self._program, folder, *self.addresses)

    def run(self, text: str) -> None:
        """Run a command there, which has to succeed."""
        printed = self.begin(text)
        assert printed.status() == 0, printed.text

    def locks(self, file: str, *steps: str) -> LockProcess:
        """Start a process that takes these steps."""
        command = f"exec {self._program} {self._folder}/{file} {' '.join(steps)}"
        return LockProcess(self, self.begin(command))


class LockSite:
    """A host with ``nfsd``, its network, and what goes over it."""

    def __init__(self, image: Path, folder: Path, *options: str, config: str = "") -> None:
        self.host = NfsHost(EXPORTS, *options, config=config, around=LOGGED)
        self._image, self._folder = image, folder

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            entered.enter_context(self.host)
            self.lan = entered.enter_context(Lan(self.host, self._image, self._folder))
            self.tap = entered.enter_context(WireTap(self.host, "br0"))
            self._entered = entered.pop_all()
        self.local = local_place(self.host, self._image, FOLDER)
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def clients(self, *names: str, mount: str = MOUNT) -> list[LockPlace]:
        """Boot guests, which mount the export."""
        guests = self.lan.boot(*names)
        for guest in guests:
            guest.run(f"{CLIENT} && sm-notify && {mount}")
        return [place_of(guest) for guest in guests]

    def restart(self) -> None:
        """Kill ``nfsd`` and start it again."""
        self.host.kill_nfsd()
        self.host.nfsd = self.host.start_nfsd()

    def restart_in_place(self) -> None:
        """Replace the program, as ``nfsd reload --exec`` does."""
        before = self.logged().count(SERVING)
        self.host.nfsd.send_signal(signal.SIGUSR2)
        until(lambda: self.logged().count(SERVING) > before, "it serves again")

    def command(self, *words: str) -> str:
        """What a command of ``nfsd`` prints."""
        done = self.host.run([*NFSD, *words, "--state-dir", STATE])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logged(self) -> str:
        """The log of ``nfsd`` until now."""
        return Path(self.host.path(LOG)).read_text()

    def asked(self, host: str, *, after: float) -> SeenCall:
        """Wait until a host has asked for a lock, after a time, and has an answer."""
        call = self.call(LOCK, source=host, after=after)
        self.tap.until_answered(call)
        return call

    def call(self, *procs: int, source: str = "", target: str = "", after: float = 0) -> SeenCall:
        """Wait for a call of a lock manager, sent after a time."""

        def wanted(call: SeenCall) -> bool:
            return (
                call.prog == NLM_PROG
                and call.proc in procs
                and source in ("", call.source)
                and target in ("", call.target)
                and call.time > after
            )

        return self.tap.until(wanted)


def place_of(guest: LanGuest, folder: str = "/mnt") -> LockPlace:
    """Processes of a guest."""
    return LockPlace(guest.begin, "locks", folder, guest.address, guest.address6)


def local_place(host: Host, image: Path, folder: str) -> LockPlace:
    """Processes of the host itself."""
    program = str(image / "root/bin/locks")
    return LockPlace(lambda text: begun(host, ["sh", "-c", text]), program, folder)
