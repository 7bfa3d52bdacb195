"""Our reader of hosts.allow and hosts.deny and libwrap: the same decisions, but for a list."""

from __future__ import annotations

import ctypes
import os
import random
import syslog
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oncrpc.access.hosts.files import read
from oncrpc.access.hosts.libwrap import SONAME, Libwrap, question
from oncrpc.access.hosts.patterns import host_at
from oncrpc.access.hosts.reader import parse
from oncrpc.access.hosts.rules import judge
from oncrpc.portmap.vocabulary import hosts_daemon
from support.fake_libwrap import installed

PORT = 111
CLIENTS = (
    "10.0.0.5", "10.0.1.77", "192.168.1.5", "127.0.0.1", "203.0.113.250", "::ffff:10.0.0.5",
    "2001:db8::1", "2001:db8:0:1::5", "fe80::1", "::1", "::5", "",
)  # fmt: skip
NAMES = (
    "unknown", "paranoid", "localhost", "client", "a.example.com", "b.sub.example.com",
    "example.com", "a.example.com.evil.example", "A.Example.COM", "10-0-0-5.dyn.example.com",
    "aa", "a",
)  # fmt: skip
LOCALS = ("", "192.0.2.1", "2001:db8::53", "10.0.0.1")
HOST_PATTERNS = (
    "ALL", "all", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID", "known", "local",
    "10.", "10.0.", "10.0.0.", "1", "10", "192.168.1.", "192.168.", ".5", "5", "127.",
    "10.0.0.5", "10.0.0.05", "012.0.0.5", "0xa.0.0.5", "127.0.0.1", "203.0.113.250",
    "10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/24", "10.0.0.5/32", "10.0.0.5/24", "0.0.0.0/0",
    "0.0.0.0/0.0.0.0", "10.0.0.5/255.255.255.255", "012.0.0.0/8", "0xa.0.0.0/0xff.0.0.0",
    "10.0.0.0/8x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-8", "10.0.0.0/+8", "10.0.0/24",
    "128.0.0.0/1", "10.0.0.0/8/9", "10.0.0.0/255.0.255.0", "255.255.255.255/32",
    "[2001:db8::1]", "[2001:db8::]/32", "[2001:db8::]/64", "[2001:DB8::5]/48", "[::]/0", "[::1]",
    "[::1]/128", "[::]/x", "[::]/129", "[::]/-1", "[2001:db8::/32]", "[fe80::]/10", "[fe80::]/16",
    "[::ffff:10.0.0.5]", "[::ffff:0:0]/96", "[10.0.0.5]", "[10.0.0.0]/8", "[]", "[", "]", "[x]/4",
    "[::]/1", "[8000::]/1", "[::]/127", "[::4]/126", "::1", "2001:db8::/32", "fe80::",
    ".example.com", ".com", "example.com", "a.example.com", "A.EXAMPLE.com", "client", "localhost",
    "a.", "b.sub.", "*.example.com", "*", "**", "?", "??", "a*", "a**", "*?", "?*", "*a*a*", "*.5",
    "10.0.?.*", "10.*.5", "2001*", "fe80*1", "un*", "*[*", "10.0.0.?", "*e*e*e", ".", "..", "*.",
    "/nonexistent/list", "/nonexistent/l*st",
)  # fmt: skip
USERS = ("ALL", "UNKNOWN", "KNOWN", "root", "un*", "unknown", "", "*")
DAEMONS = (
    "portmap", "rpcbind", "ALL", "all", "KNOWN", "UNKNOWN", "sshd", "port*", "r?cbind", "PORTMAP",
    "111", "0111", "+111", "112", "65536", "111x", ".map", ".bind", "port.", "rpcbind.", "*", "**",
)  # fmt: skip
OPTIONS = (
    "allow", "deny", "ALLOW", "Deny", "allow ", " deny", "allow yes", "deny=", "allow=x",
    "severity info", "severity mail.info", "severity mail.", "severity x", "severity", "severity=",
    "severity = local7.debug", "severity info.mail", "severity warning x", "nice x", "nice 5 6",
    "keepalive", "keepalive 1", "linger 5", "linger -1", "linger",
    "linger x", "rfc931", "rfc931 5", "rfc931 0", "rfc931 x", "setenv", "setenv HOSTS_A b",
    "setenv HOSTS_A", "umask 22", "umask 9", "umask 1777", "umask 0000777", "umask",
    "banners /nonexistent", "banners", "user", "group", "", " ", "=", "= x", "nonsense",
    "/nonexistent/echo hello", "(echo x) &", "umask 0", "linger 0", "severity debug",
    "x\\:y", "severity\\: info", "deny\\", "severity\t=\tinfo",
)  # fmt: skip
SPAWNS = (
    "nice",
    "nice 5",
    "nice=-3",
    "spawn true",
    "spawn",
    "spawn=true",
    "spawn echo a\\:b",
    "SPAWN true",
)
"""Those that libwrap is only asked about in a dry run."""

TWISTS = ("twist true", "twist", "twist=true", "Twist echo x")
"""Those that a dry run changes. Our process goes on, so that they are refused."""

ODD_LINES = (
    "# a comment\n", " # none\n", "\n", " \t\n", "# x \\\n", "no colon\n", ":\n", "::\n", "\\\n",
    "ALL\\\n: ALL\n",
)  # fmt: skip
NOISE = "abAL.:,@/[]*?#\\ \t\n\r10%=-"


@dataclass(frozen=True)
class Case:
    """Two files and somebody who calls."""

    allow: str
    deny: str
    client: str
    name: str
    local: str


class Maker:
    """Makes files; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.commands: tuple[str, ...] = ()

    def case(self) -> Case:
        # In a dry run, which spawn needs, twist does something else.
        self.commands = self.random.choice((SPAWNS, TWISTS))
        pick = self.random.choice
        return Case(self.file(), self.file(), pick(CLIENTS), pick(NAMES), pick(LOCALS))

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def file(self) -> str:
        text = "".join(self.line() for _ in range(self.random.choice((0, 1, 1, 2, 3, 6))))
        if self.chance(8):
            place = self.random.randrange(len(text) + 1)
            text = (
                text[:place] + self.random.choice(NOISE) + text[place + self.random.randrange(2) :]
            )
        return text[:-1] if self.chance(3) else text

    def line(self) -> str:
        if self.chance(5):
            long = f"ALL: {'x' * self.random.randrange(2035, 2045)}\n"
            return self.random.choice((*ODD_LINES, long))
        line = f"{self.list(self.daemon)}{self.colon()}{self.list(self.client)}"
        if self.chance(30):
            options = [self.option() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
            line += "".join(self.colon() + option for option in options)
        if self.chance(5):
            place = self.random.randrange(len(line) + 1)
            line = f"{line[:place]}\\\n{line[place:]}"
        return line + self.random.choice(("\n",) * 20 + ("\r\n", " \n", ":\n", ": \n"))

    def colon(self) -> str:
        return self.random.choice((":", ": ", " : ", ":\t"))

    def list(self, word: object) -> str:
        assert callable(word)
        words = [word() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        while self.chance(20):
            words += ["EXCEPT" if self.chance(90) else "except"]
            words += [word() for _ in range(self.random.choice((0, 1, 1, 2)))]
        return self.random.choice((" ", ", ", ",", "\t", " ,, ")).join(words)

    def daemon(self) -> str:
        daemon = self.random.choice(DAEMONS)
        return f"{daemon}@{self.host()}" if self.chance(10) else daemon

    def client(self) -> str:
        user = self.random.choice(USERS)
        return f"{user}@{self.host()}" if self.chance(8) and user else self.host()

    def host(self) -> str:
        return self.random.choice(HOST_PATTERNS)

    def option(self) -> str:
        return self.random.choice(self.commands if self.chance(15) else OPTIONS)


DIFFERENCES = {
    "the command that would decide is not run, so it denies": (
        Case("ALL: ALL: aclexec true\n", "", "10.0.0.5", "unknown", ""),
        False,
    ),
    "whether the host has a user or a group of that name does not matter": (
        Case("ALL: ALL: user no-such-user\n", "", "10.0.0.5", "unknown", ""),
        True,
    ),
    "a NUL byte ends the file; libwrap takes the next line for more of this one": (
        Case("", "sshd: 10.0.0.5\0\nALL: ALL\n", "192.0.2.1", "unknown", ""),
        False,
    ),
    "an interface is compared as it is written, and need not exist": (
        Case("", "ALL: [fe80::1%no-such-one]\n", "fe80::1%no-such-one", "unknown", ""),
        False,
    ),
    "a port is a number, not its lowest bits": (
        Case("", "4294967407: ALL\n", "10.0.0.5", "unknown", ""),
        True,
    ),
}
"""Where our reader is meant to decide otherwise than libwrap: a case, and what ours decides.

These cannot be shown like that:

* a list that cannot be read makes a rule that denies deny everybody, one that allows nobody. In
  libwrap it matches nobody, as a list does here that is not there;
* lists that name each other are read once; libwrap reads on until it has no descriptors left;
* hosts.deny that is a directory, or too large, denies everybody; for libwrap the first is empty;
* netgroups match nobody in our reader;
* names longer than 127 characters are compared as a whole; libwrap cuts them;
* commands that are too long once expanded deny in libwrap; nothing is expanded here.
"""


@pytest.fixture(scope="module")
def libwrap() -> Iterator[Libwrap]:
    """The library, quiet; what its options do to this process is undone."""
    library = installed()
    quiet = syslog.setlogmask(syslog.LOG_MASK(syslog.LOG_EMERG))
    mask = os.umask(0)
    os.umask(mask)
    try:
        yield library
    finally:
        os.umask(mask)
        os.unsetenv("HOSTS_A")
        syslog.setlogmask(quiet)
        library.close()


def dry_run(on: bool) -> None:
    """Have libwrap not carry out most options: spawn among them."""
    ctypes.c_int.in_dll(ctypes.CDLL(SONAME), "dry_run").value = on


def no_list(path: str) -> str:
    raise FileNotFoundError(path)


def ours(case: Case) -> bool:
    allow = parse(case.allow, hosts_daemon(PORT), path="allow", allows=True, read_list=no_list)
    deny = parse(case.deny, hosts_daemon(PORT), path="deny", allows=False, read_list=no_list)
    client, local = host_at(case.client, case.name), host_at(case.local, "unknown")
    return judge(allow, deny, client=client, local=local).allowed


def libwraps(library: Libwrap, case: Case, *, dry: bool = True) -> bool:
    library.read(case.allow, case.deny)
    asked = question(
        host_at(case.client, case.name), host_at(case.local, "unknown"), hosts_daemon(PORT)
    )
    assert asked is not None
    dry_run(dry and "twist" not in (case.allow + case.deny).lower())
    try:
        return library.judge(asked)
    finally:
        dry_run(False)


def disagreements(library: Libwrap, seed: int, count: int) -> list[Case]:
    maker = Maker(seed)
    cases = [maker.case() for _ in range(count)]
    return [case for case in cases if ours(case) is not libwraps(library, case)]


@pytest.mark.parametrize("seed", range(4))
def test_our_reader_decides_as_libwrap(libwrap: Libwrap, seed: int) -> None:
    assert disagreements(libwrap, seed, 100) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 105))
def test_our_reader_decides_as_libwrap_on_many(libwrap: Libwrap, seed: int) -> None:
    assert disagreements(libwrap, seed, 2000) == []


@pytest.mark.parametrize("reason", DIFFERENCES)
def test_known_differences_are_listed(libwrap: Libwrap, reason: str) -> None:
    case, expected = DIFFERENCES[reason]

    assert ours(case) is expected
    assert libwraps(libwrap, case, dry=False) is not expected


@pytest.mark.parametrize("name", ["portmap", "rpcbind"])
def test_unreadable_files_decide_as_in_libwrap(libwrap: Libwrap, tmp_path: Path, name: str) -> None:
    beyond, rules, missing = tmp_path / "file" / "x", tmp_path / "file", tmp_path / "missing"
    rules.write_text(f"{name}: 10.\n")
    client, here = host_at("10.0.0.5", "unknown"), host_at("", "unknown")
    asked = question(client, here, hosts_daemon(PORT))
    assert asked is not None

    for allow, deny in [(missing, beyond), (beyond, rules), (rules, beyond), (missing, missing)]:
        tables = read(hosts_daemon(PORT), allow=str(allow), deny=str(deny))
        decided = judge(tables.allow, tables.deny, client=client, local=here).allowed
        paths = bytes(allow), bytes(deny)
        assert libwrap.ask(name, asked, *paths) is decided, (allow, deny)
