"""rpc.statd, unchanged, registers with us and takes its registrations back."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Iterator

import pytest

from support.hosts import Host, finished, portmap, until
from support.namespace import need

pytestmark = pytest.mark.interop

STATUS = 100024
STATD = ("rpc.statd", "-F", "--no-notify", "-p", "32765", "-o", "32766", "-n", "127.0.0.1")
STATE = """
mount -t tmpfs tmpfs /var/lib/nfs
mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak
chown -R statd /var/lib/nfs
"""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with our port mapper and a private folder of statd's."""
    need("rpc.statd", "rpcinfo")
    with Host() as made:
        made.start(portmap())
        made.sh(STATE)
        yield made


def start_statd(host: Host) -> subprocess.Popen[str]:
    """Start it, and wait for its last registration."""
    statd = host.popen(STATD)
    until(lambda: len(host.registered(STATUS)) == 4, "statd registers four times")
    return statd


def test_statd_registers_on_four_netids_as_its_own_user(host: Host) -> None:
    start_statd(host)

    found = host.registered(STATUS)

    uid = str(pwd.getpwnam("statd").pw_uid).encode()
    assert {(entry.r_netid, entry.r_addr, entry.r_owner) for entry in found} == {
        (b"udp", b"0.0.0.0.127.253", uid),
        (b"tcp", b"0.0.0.0.127.253", uid),
        (b"udp6", b"::.127.253", uid),
        (b"tcp6", b"::.127.253", uid),
    }


def test_statd_is_found_and_answers(host: Host) -> None:
    start_statd(host)

    done = host.run(["rpcinfo", "-u", "127.0.0.1", "status"])

    assert done.stdout == "program 100024 version 1 ready and waiting\n"


def test_statd_unregisters_when_it_ends(host: Host) -> None:
    statd = start_statd(host)

    statd.terminate()

    finished(statd)
    assert host.registered(STATUS) == []
