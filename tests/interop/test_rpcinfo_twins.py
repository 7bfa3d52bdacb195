"""The C rpcinfo and ours give the same output, messages and exit status, to the byte.

Both run on one host, with the same port mapper and the same programs, among them one for each way
to refuse a call. Where we differ we do so on purpose: ``DIFFERENT`` says why.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest

from support.faulty_programs import PROGRAMS
from support.namespace import PORT_MAPPERS, PYTHON, Namespace, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

OURS = (PYTHON, "-m", "oncrpc.cli.rpcinfo")
REGISTER = """
import os
from oncrpc import sync
NFS_SERVER = [
    (prog, vers, netid, uaddr)
    for prog, versions, port in ((100005, (1, 2, 3), "78.80"), (100003, (3, 4), "8.1"))
    for vers in versions
    for netid, uaddr in (("udp", "0.0.0.0." + port), ("tcp", "0.0.0.0." + port),
                         ("udp6", "::." + port), ("tcp6", "::." + port))
]
ODD = [
    (499001, 1, "tcp", "nonsense"), (499002, 1, "tcp", "::1.8.8"),
    (499003, 1, "udp", "0.0.0.0.2.2"), (499003, 1, "tcp", "0.0.0.0.2.2"),
    (499004, 1, "foonet", "bar baz"), (499004, 9, "udp", ""),
    (499005, 1, "local", "/run/nothing.sock"), (499006, 1, "local", "/run/rpcbind.sock"),
    (499007, 100000, "a-netid-of-some-length", "x" * 40), (499007, 12, "another-netid", "y"),
]
for entry in NFS_SERVER:
    assert sync.rpcbind.set(*entry), entry
for entry in ODD:
    sync.rpcbind.set(*entry)
os.setuid(103)
for netid, uaddr in (("udp", "0.0.0.0.216.137"), ("tcp", "0.0.0.0.172.145")):
    assert sync.rpcbind.set(100024, 1, netid, uaddr)
assert sync.rpcbind.set(100003, 9, "tcp", "0.0.0.0.216.138")
"""
"""The registry of an NFS server, and unusual entries that some port mappers refuse.

Version 9 of NFS is another user's: ``-s`` shows it under the owner of the first entry.
"""

AS_USER = """
import os, sys
from oncrpc.cli.rpcinfo import listing, main
os.setgid(1000)
os.setuid(1000)
sys.exit(main(sys.argv[1:]))
"""
"""Our command as an ordinary user, who may be unable to read this tree."""

LISTS = """
rpcinfo
rpcinfo 127.0.0.1
rpcinfo ::1
rpcinfo 10.9.0.1
rpcinfo localhost
rpcinfo -T nosuch
rpcinfo -T udp 127.0.0.1
rpcinfo -T tcp 127.0.0.1
rpcinfo -T udp6 ::1
rpcinfo -p
rpcinfo -p 127.0.0.1
rpcinfo -p localhost
rpcinfo -p ::1
rpcinfo 127.0.0.1 -p
rpcinfo -s
rpcinfo -s 127.0.0.1
rpcinfo -s ::1
rpcinfo -T tcp6 -s ::1
rpcinfo -n 5 -s
rpcinfo -n 5 127.0.0.1
rpcinfo -T nosuch -s
rpcinfo -T nosuch -p 127.0.0.1
rpcinfo -l 127.0.0.1 100005 3
rpcinfo -l 127.0.0.1 mountd 3
rpcinfo -l ::1 100005 3
rpcinfo -T tcp -l 127.0.0.1 100005 3
rpcinfo -T udp -l 127.0.0.1 400100 2
rpcinfo -l localhost 100000 4
rpcinfo -l 127.0.0.1 100005 77
"""
PINGS = """
rpcinfo -u 127.0.0.1 400100
rpcinfo -u 127.0.0.1 400100 1
rpcinfo -u ::1 400100
rpcinfo -u 127.0.0.1 portmap
rpcinfo -u 127.0.0.1 100003 3
rpcinfo -u 127.0.0.1 400100 " 1"
rpcinfo -u 127.0.0.1 400100 +1
rpcinfo -t 127.0.0.1 400100
rpcinfo -t 127.0.0.1 400100 2
rpcinfo -t 127.0.0.1 400100 5
rpcinfo -t ::1 100000
rpcinfo -t 127.0.0.1 nfs 3
rpcinfo -t 127.0.0.1 499999
rpcinfo -u 127.0.0.1 499999
rpcinfo -t 127.0.0.1 499001
rpcinfo -t 127.0.0.1 499002
rpcinfo -u 127.0.0.1 499004
rpcinfo -t nosuch.invalid 100000
rpcinfo -n 111 -u 127.0.0.1 100000 2
rpcinfo -n 111 -t 127.0.0.1 portmapper
rpcinfo -T udp 127.0.0.1 400100
rpcinfo -T udp 127.0.0.1 400100 1
rpcinfo -T tcp 127.0.0.1 400100 9
rpcinfo -T tcp6 ::1 400100
rpcinfo -T udp 127.0.0.1 499999
rpcinfo -T tcp 127.0.0.1 499001
rpcinfo -T tcp nosuch.invalid 100000
rpcinfo -T tcp6 127.0.0.1 100000
rpcinfo -T udp ::1 100000
rpcinfo -T rawip 127.0.0.1 100000
rpcinfo -T local 127.0.0.1 100000
rpcinfo -T local localhost 499005
rpcinfo -T local /run/rpcbind.sock 499006
rpcinfo -a 127.0.0.1.0.111 -T udp 100000
rpcinfo -a 127.0.0.1.0.111 -T tcp 100000 4
rpcinfo -a 127.0.0.1.0.111 -T tcp 100000 7
rpcinfo -a ::1.0.111 -T udp6 100000
rpcinfo -a 127.0.0.1.0.112 -T tcp 100000 4
rpcinfo -a 127.0.0.1.0.112 -T udp 100000
rpcinfo -a /run/rpcbind.sock -T local 100000
rpcinfo -a garbage -T tcp 100000 4
rpcinfo -a garbage -T local 100000
rpcinfo -a 127.0.0.1 -T udp 100000
rpcinfo -a ::1.0.111 -T udp 100000
rpcinfo -a x -T rawip 100000
"""
MISTAKES = """
rpcinfo -l 127.0.0.1 400100
rpcinfo -l nosuch.invalid abc 1
rpcinfo -l 127.0.0.1 abc 1
rpcinfo 127.0.0.1 400100
rpcinfo 127.0.0.1 400100 1
rpcinfo -T nosuch 127.0.0.1 400100
rpcinfo -T nosuch 127.0.0.1
rpcinfo -T UDP 127.0.0.1 100000
rpcinfo -T udp ::1
rpcinfo -T tcp6 127.0.0.1
rpcinfo -T tcp nosuch.invalid
rpcinfo -T local 127.0.0.1
rpcinfo -p nosuchhost.invalid
rpcinfo -p 10.9.0.99.1
rpcinfo nosuchhost.invalid
rpcinfo -m nosuchhost.invalid
rpcinfo scan
rpcinfo scan -p
rpcinfo scan 100000 -T tcp
rpcinfo -t scan 100000
rpcinfo -
rpcinfo -- -p
rpcinfo -p a b
rpcinfo -p -s
rpcinfo -p -p
rpcinfo -T udp -p a b
rpcinfo -n 5 -p 127.0.0.1
rpcinfo -u a b c d
rpcinfo -t 127.0.0.1
rpcinfo -a 127.0.0.1.0.111 100000 4
rpcinfo -a 127.0.0.1.0.111 -T udp
rpcinfo -a 1 -T udp a b c
rpcinfo -a 127.0.0.1.0.111 -T nosuch abc
rpcinfo -a garbage -T udp abc
rpcinfo -aT
rpcinfo -T
rpcinfo -Z
rpcinfo -Z -Y
rpcinfo -pZ
rpcinfo -h
rpcinfo -n abc -u 127.0.0.1 100000
rpcinfo -n "" -u 127.0.0.1 100000
rpcinfo -n abc -Z
rpcinfo -Z -n abc
rpcinfo -u 127.0.0.1 nosuchprog
rpcinfo -u 127.0.0.1 400100 abc
rpcinfo -u 127.0.0.1 400100 ""
rpcinfo -u 127.0.0.1 400100 0x1
rpcinfo -u 127.0.0.1 400100 -1
rpcinfo -u 127.0.0.1 -- -1
rpcinfo -u 127.0.0.1 "" 1
rpcinfo -u 127.0.0.1 12_ 1
rpcinfo -u 127.0.0.1 _ 1
rpcinfo -u 127.0.0.1 5x 1
rpcinfo -b 400100
rpcinfo -b abc 1
rpcinfo -b 1 abc
rpcinfo -b x y
rpcinfo -d 400199 2
rpcinfo -d -T udp 400199 1
rpcinfo -d -T nosuch abc 1
rpcinfo -d abc xyz
rpcinfo -d abc 1
rpcinfo -d 400100
"""
SERVED = "127.0.0.1 400100"
REFUSED_PINGS = [
    (behaviour, ping)
    for behaviour in PROGRAMS
    for ping in ("-t 127.0.0.1", "-T udp 127.0.0.1", "-T tcp6 ::1")
    if behaviour != "malformed" and (behaviour, "udp" in ping) != ("hang-up", True)
]
"""UDP has no connection to close; after a malformed reply over TCP, C waits 10 more seconds."""

DIFFERENT = {
    f"rpcinfo -n 5 -u {SERVED} 1": "C reads -n and asks the port mapper all the same; we ping it",
    "rpcinfo -n 65536 -p": "C cuts a port to 16 bits: this one is none then",
    "rpcinfo -a 127.0.0.1.0.999 -T udp 100000 4": "C takes octets over 255",
    f"rpcinfo -u {SERVED} 4294967297": "C cuts a version to 32 bits, and reports the one it got",
    "rpcinfo -u 127.0.0.1 4295367396 1": "C cuts a program likewise",
    "rpcinfo -T rawip 127.0.0.1": "C reports a system call; a ping says what is wrong",
    "rpcinfo --portmap": "C has no long options",
}
"""Command lines whose output differs from C, and why."""

DEAD = """
rpcinfo
rpcinfo -p
rpcinfo -s
rpcinfo -m
rpcinfo -p 127.0.0.1
rpcinfo -s 127.0.0.1
rpcinfo -m 127.0.0.1
rpcinfo -l 127.0.0.1 100005 3
rpcinfo -T udp 127.0.0.1 100005 3
rpcinfo -T tcp 127.0.0.1 100005 3
rpcinfo -T local 127.0.0.1 100005 3
rpcinfo -u 127.0.0.1 100005 3
rpcinfo -t 127.0.0.1 100005 3
rpcinfo -T udp 127.0.0.1
rpcinfo -T tcp 127.0.0.1
rpcinfo -T udp -l 127.0.0.1 1 1
rpcinfo -d 100005 3
"""
"""Command lines for a host whose port mapper is missing, or refuses every call."""

BAD_PORT_MAPPERS = ("auth", "auth-unheard-of", "rpc-mismatch", "procedure", "garbage")
HIDDEN = "C takes a refusal for an empty registry"
SUCCESS = "C has the right error and prints another: Success"
DIFFERENT_PORT_MAPPERS = {
    ("unavailable", "rpcinfo -s"): HIDDEN,
    ("mismatch", "rpcinfo"): HIDDEN,
    ("mismatch", "rpcinfo -T tcp 127.0.0.1"): HIDDEN,
    ("mismatch", "rpcinfo -p"): "C prints a null pointer for the host",
    ("mismatch", "rpcinfo -p 127.0.0.1"): SUCCESS,
    ("mismatch", "rpcinfo -u 127.0.0.1 100005 3"): SUCCESS,
    ("system", "rpcinfo -u 127.0.0.1 100005 3"): SUCCESS,
    ("unavailable", "rpcinfo -p"): "C exits with 1 and says nothing",
    ("version-2-only", "rpcinfo -p"): "C exits with 1 and says nothing",
}


class Outcome(NamedTuple):
    """The result of a command."""

    status: int
    stdout: str
    stderr: str


def outcome(ended: CompletedProcess[str]) -> Outcome:
    return Outcome(ended.returncode, ended.stdout, ended.stderr)


def of_c(host: Namespace, line: str) -> Outcome:
    return outcome(host.run(shlex.split(line)))


def of_ours(host: Namespace, line: str) -> Outcome:
    return outcome(host.run([*OURS, *shlex.split(line)[1:]]))


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module", params=list(PORT_MAPPERS))
def host(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A host with a port mapper and programs."""
    need("rpcinfo")
    with Namespace() as namespace:
        namespace.start(PORT_MAPPERS[request.param])
        serve(namespace)
        registered = namespace.run([PYTHON, "-c", REGISTER])
        assert registered.returncode == 0, registered.stderr
        yield namespace


@pytest.fixture(scope="module")
def empty_host() -> Iterator[Namespace]:
    """A host without a port mapper."""
    need("rpcinfo")
    with Namespace() as namespace:
        yield namespace


def serve(namespace: Namespace, *arguments: str) -> None:
    """Start the programs, or the faulty port mapper, of ``support.faulty_programs``."""
    started = namespace.popen([PYTHON, "-m", "support.faulty_programs", *arguments])
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"


@pytest.mark.parametrize("line", lines(LISTS) + lines(PINGS) + lines(MISTAKES))
def test_a_form_is_answered_as_by_c(host: Namespace, line: str) -> None:
    assert of_ours(host, line) == of_c(host, line)


@pytest.mark.parametrize("version", ["", " 1"])
@pytest.mark.parametrize(("behaviour", "ping"), REFUSED_PINGS)
def test_a_refused_ping_is_reported_as_by_c(
    host: Namespace, behaviour: str, ping: str, version: str
) -> None:
    line = f"rpcinfo {ping} {PROGRAMS[behaviour]}{version}"

    assert of_ours(host, line) == of_c(host, line)


@pytest.mark.parametrize("line", list(DIFFERENT))
def test_a_difference_is_still_one(host: Namespace, line: str) -> None:
    assert of_ours(host, line) != of_c(host, line), DIFFERENT[line]


@pytest.mark.parametrize("line", ["rpcinfo -m", "rpcinfo -m 127.0.0.1", "rpcinfo -m ::1 ignored"])
def test_statistics_match_c_except_getstat(host: Namespace, line: str) -> None:
    for earlier in ("-u 127.0.0.1 400100 1", "-l 127.0.0.1 100005 3", "-t 127.0.0.1 499999"):
        of_c(host, f"rpcinfo {earlier}")

    assert asked_once(of_ours(host, line)) == asked_once(of_c(host, line))


def asked_once(found: Outcome) -> Outcome:
    """The outcome without the number of GETSTAT calls, which grows with every request."""
    masked = re.sub(r"(GETLIST GETSTAT \n.*?)\d+ +\n", r"\1#\n", found.stdout)
    assert "#" in masked
    return found._replace(stdout=masked)


def test_port_of_n_is_pinged_directly(host: Namespace) -> None:
    found = of_ours(host, "rpcinfo -n 111 -t 127.0.0.1 100000 --rpcbind-port 5")

    assert found.status == 0
    assert found.stdout.count("ready and waiting") == 3


@pytest.mark.parametrize("line", ["rpcinfo -d 100005 3", "rpcinfo -d -T udp 100003 3"])
def test_user_is_refused_deletion_as_by_c(host: Namespace, line: str) -> None:
    c = outcome(host.run(shlex.split(line), uid=1000))
    ours = outcome(host.run([PYTHON, "-c", AS_USER, *shlex.split(line)[1:]]))

    assert ours == c
    assert "Could not delete" in ours.stderr


def test_a_deleted_registration_is_gone(host: Namespace) -> None:
    register = "from oncrpc import sync; sync.rpcbind.set(499100, 1, 'udp', '0.0.0.0.2.2')"
    host.run([PYTHON, "-c", register])
    assert "499100" in of_ours(host, "rpcinfo -p").stdout

    deleted = of_ours(host, "rpcinfo -d 499100 1")

    assert deleted == (0, "", "")
    assert "499100" not in of_c(host, "rpcinfo -p").stdout


def test_broadcast_finds_the_same_servers_as_c(host: Namespace) -> None:
    commands = (["rpcinfo", "-b", "400100", "1"], [*OURS, "-b", "400100", "1"])
    running = [host.popen(command) for command in commands]

    c, ours = (sorted(each.communicate(timeout=30)[0].splitlines()) for each in running)

    assert ours == c
    assert len(ours) >= 8
    assert [each.returncode for each in running] == [0, 0]


@pytest.mark.parametrize("line", lines(DEAD))
def test_missing_port_mapper_is_reported_as_by_c(empty_host: Namespace, line: str) -> None:
    assert of_ours(empty_host, line) == of_c(empty_host, line)


@pytest.mark.parametrize("behaviour", BAD_PORT_MAPPERS)
def test_refusing_port_mapper_is_reported_as_by_c(behaviour: str) -> None:
    need("rpcinfo")
    with Namespace() as namespace:
        serve(namespace, behaviour)

        for line in lines(DEAD):
            assert of_ours(namespace, line) == of_c(namespace, line), line


@pytest.mark.parametrize(("behaviour", "line"), list(DIFFERENT_PORT_MAPPERS))
def test_bad_port_mapper_error_is_more_specific(behaviour: str, line: str) -> None:
    need("rpcinfo")
    with Namespace() as namespace:
        serve(namespace, behaviour)

        ours = of_ours(namespace, line)

        assert ours != of_c(namespace, line), DIFFERENT_PORT_MAPPERS[behaviour, line]
        assert (ours.status, ours.stdout) == (1, "")
        assert ours.stderr != ""


def test_missing_broadcast_network_is_explained(
    empty_host: Namespace,
) -> None:
    empty_host.run(["ip", "link", "delete", "lan0"])
    line = "rpcinfo -b 100000 2"

    ours, c = of_ours(empty_host, line), of_c(empty_host, line)

    assert (ours.status, ours.stdout) == (c.status, c.stdout)
    assert ours.stderr == c.stderr.rstrip() + "; no interface that broadcasts is up\n"
