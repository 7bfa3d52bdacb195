"""rpcsnoop shows what a Linux kernel sends when it mounts, locks, and loses frames."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.nfs3 import NFS_PROGRAM
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.sm_inter import SM_PROG
from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.lan_guests import CLIENT, SERVER, LanGuest
from support.lock_site import FOLDER, MOUNT, LockPlace, LockSite, place_of
from support.namespace import need
from support.recorder import Recorder
from support.tshark import by_us, differences

pytestmark = [pytest.mark.interop, pytest.mark.slow]

BY_KERNEL = (
    f"busybox mount -i -t nfs -o vers=3,proto=tcp,mountproto=udp,nolock,noacl,noac,addr={SERVER}"
    f" server:{FOLDER} /mnt"
)
"""The kernel asks the port mapper and MOUNT itself."""

FLOW = """\
client -> server PORTMAP C GETPORT prog=100005 (MOUNT) vers=3 proto=UDP
server -> client PORTMAP R GETPORT port=2049
client -> server MOUNT3 C Null
server -> client MOUNT3 R Null
client -> server MOUNT3 C Mount /srv/tmpfs
server -> client MOUNT3 R Mount OK FH=9000 Auth=unix
client -> server PORTMAP C GETPORT prog=100003 (NFS) vers=3 proto=TCP
server -> client PORTMAP R GETPORT port=2049
client -> server NFS C NULL3
server -> client NFS R NULL3
client -> server NFS C FSINFO3 FH=9000
server -> client NFS R FSINFO3 OK
client -> server NFS C GETATTR3 FH=9000
server -> client NFS R GETATTR3 OK
"""
"""Linux also asks for PATHCONF and again for FSINFO. GETATTR comes with the first use."""

LOSS = "/usr/sbin/tc qdisc add dev eth0 root netem loss 5% 25%"


@pytest.fixture(scope="module")
def site(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockSite]:
    need("tshark")
    with LockSite(guest_image, tmp_path_factory.mktemp("snoop")) as site:
        yield site


@pytest.fixture(scope="module")
def guest(site: LockSite) -> LanGuest:
    (guest,) = site.lan.boot("one")
    guest.run(CLIENT)
    return guest


@pytest.fixture
def recorder(site: LockSite) -> Iterator[Recorder]:
    with Recorder(site.host, "br0") as recorder:
        yield recorder


def messages(path: Path) -> list[RpcMessage]:
    return list(Tracer().messages(frames_of_file(path)))


def flow_of(found: list[RpcMessage]) -> str:
    """Lines with names for the hosts and one number for the handle, which has a random key."""
    programs, lines = KnownPrograms(), ""
    for each in found:
        ends = "server -> client" if each.source.host == SERVER else "client -> server"
        lines += f"{ends} {line_of(each, programs)}\n"
    handle = re.search("Mount OK FH=(....)", lines)
    assert handle is not None, lines
    lines = lines.replace(f"FH={handle[1]}", "FH=9000")
    lines = re.sub(r".*PATHCONF3.*\n", "", lines)
    return re.sub(r"((?:.*FSINFO3.*\n){2})\1", r"\1", lines)


def test_mount_of_a_kernel_reads_as_in_snoop(
    guest: LanGuest, recorder: Recorder, tmp_path: Path
) -> None:
    guest.run(f"{BY_KERNEL} && stat /mnt")
    path = recorder.write(tmp_path, "kernel-mount")
    guest.run("umount /mnt")

    assert flow_of(messages(path))[: len(FLOW)] == FLOW
    assert differences(path) == {}


def test_locks_of_a_kernel_are_counted_alike(
    site: LockSite, guest: LanGuest, recorder: Recorder, tmp_path: Path
) -> None:
    guest.run(MOUNT)
    client: LockPlace = place_of(guest)

    held = site.local.locks("file", "set:w:0:10", "hold").held()
    waiting = client.locks("file", "set:w:0:10", "wait:w:0:10", "hold")
    waiting.step("set EAGAIN")
    held.go_on()
    waiting.step("hold")
    waiting.go_on()
    waiting.outcomes()
    guest.run("umount /mnt")
    path = recorder.write(tmp_path, "kernel-locks")

    counted = by_us(path)
    assert {(PMAP_PROG, 2), (MOUNTPROG, 3)} <= set(counted)
    assert counted[NLM_PROG, 4] >= 4
    assert differences(path) == {}


def test_notice_of_statd_is_counted_alike(
    site: LockSite, guest: LanGuest, recorder: Recorder, tmp_path: Path
) -> None:
    guest.run(MOUNT)
    place_of(guest).locks("noticed", "set:w:0:10").outcomes()
    guest.run("sm-notify -f")
    site.tap.until_answered(site.tap.until(lambda call: call.prog == SM_PROG))
    guest.run("umount /mnt")
    path = recorder.write(tmp_path, "kernel-notice")

    assert by_us(path)[SM_PROG, 1] == 1
    assert differences(path) == {}


def test_call_to_stopped_server_is_repeated(
    site: LockSite, guest: LanGuest, recorder: Recorder, tmp_path: Path
) -> None:
    guest.run(f"{MOUNT},soft,timeo=5,noac")
    site.host.nfsd.send_signal(signal.SIGSTOP)
    asked = guest.begin("stat /mnt")
    site.tap.until(lambda call: [each.xid for each in site.tap.calls].count(call.xid) > 1)
    site.host.nfsd.send_signal(signal.SIGCONT)
    assert asked.status() == 0
    guest.run("umount /mnt")
    path = recorder.write(tmp_path, "kernel-repeats")

    counted = by_us(path)[NFS_PROGRAM, 3]
    assert any(message.retransmission for message in messages(path))
    assert differences(path) == {(NFS_PROGRAM, 3): (counted + 1, counted)}  # the second reply too


def test_lost_frames_are_made_up_for(guest: LanGuest, recorder: Recorder, tmp_path: Path) -> None:
    guest.run(MOUNT)
    guest.run(LOSS)
    guest.run("dd if=/dev/zero of=/mnt/lost bs=64k count=20 conv=fsync 2>/dev/null")
    guest.run("umount /mnt && /usr/sbin/tc qdisc del dev eth0 root")
    path = recorder.write(tmp_path, "kernel-loss")

    assert by_us(path)[NFS_PROGRAM, 3] >= 4
    assert differences(path) == {}
