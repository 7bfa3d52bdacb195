"""Guests and the server of their locks are killed and come back."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.programs.nlm import NLM_PROG, nlm4_stats
from oncrpc.programs.sm_inter import SM_PROG, SM_VERS, stat_chge
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.calls import call_header
from oncrpc.xdr import codec
from support.hosts import until
from support.lan_guests import CLIENT, SERVER
from support.lock_site import (
    FOLDER,
    GRANTED,
    GRANTED_MSG,
    LOCK,
    MOUNT,
    SERVING,
    LockPlace,
    LockSite,
)
from support.nlm_user import NlmUser, port_of

pytestmark = [pytest.mark.interop, pytest.mark.slow]

OTHER_ADDRESS = "10.98.0.99"
NOTIFY = 6
AT_ONCE = 1.0
"""Seconds."""


@pytest.fixture(scope="module")
def site(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockSite]:
    with LockSite(guest_image, tmp_path_factory.mktemp("locks")) as site:
        site.host.sh(f"ip address add {OTHER_ADDRESS}/32 dev br0")
        yield site


@pytest.fixture(scope="module")
def guests(site: LockSite) -> list[LockPlace]:
    return site.clients("one", "two", "three")


@pytest.fixture
def one(guests: list[LockPlace]) -> LockPlace:
    return guests[0]


@pytest.fixture
def two(guests: list[LockPlace]) -> LockPlace:
    return guests[1]


@pytest.fixture
def three(guests: list[LockPlace]) -> LockPlace:
    return guests[2]


@pytest.fixture
def file(request: pytest.FixtureRequest) -> str:
    """A file of the test's own."""
    return re.sub(r"\W", "", request.node.name)


def notices(site: LockSite, place: LockPlace, *, after: float) -> list[float]:
    """When a guest sent notices of its restart."""
    return [
        call.time
        for call in site.tap.seen()
        if (call.prog, call.proc, call.source) == (SM_PROG, NOTIFY, place.address)
        and call.time > after
    ]


def locked(site: LockSite, place: LockPlace, *, after: float) -> int:
    """How often a guest has asked for locks; calls that are repeated count once."""
    return len(
        {
            call.xid
            for call in site.tap.seen()
            if (call.prog, call.proc, call.source) == (NLM_PROG, LOCK, place.address)
            and call.time > after
        }
    )


def test_killed_guest_loses_locks_on_its_notice(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    begun = time.time()
    one.locks(file, "set:w:0:0", "hold").held()
    waiting = two.locks(file, "wait:w:0:0")
    site.asked(two.address, after=begun)

    site.lan["one"].kill()
    site.lan.boot("one")
    one.run(CLIENT)
    before = two.locks(file, "set:w:0:0").outcomes()
    is_early = waiting.has_done("wait")
    one.run("sm-notify")

    assert waiting.outcomes() == ["wait ok"]
    assert before == ["set EAGAIN"]
    assert not is_early
    granted = site.call(GRANTED, GRANTED_MSG, target=two.address, after=begun)
    assert notices(site, one, after=begun)[0] < granted.time
    one.run(MOUNT)


def test_forged_notice_is_refused_and_logged(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    held = one.locks(file, "set:w:0:0", "hold").held()
    procedure = SM_VERS.SM_NOTIFY
    header = call_header(1, (SM_PROG, 1, procedure.number), cred=AUTH_NONE)
    forged = header + codec(stat_chge).encode(stat_chge(b"one", 0x7FFFFFF1))

    with site.host.network(), socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((OTHER_ADDRESS, 0))
        sock.sendto(forged, (SERVER, port_of(site.host, SM_PROG)))

    refusal = f"refused SM_NOTIFY from {OTHER_ADDRESS} for one: "
    until(lambda: refusal in site.logged(), "the refusal is logged")
    assert two.locks(file, "set:w:0:0").outcomes() == ["set EAGAIN"]
    held.go_on()
    held.outcomes()


def grace_end(user: NlmUser) -> float:
    """Ask for a lock until it is granted; returns the time."""
    pause = threading.Event()
    while user.lock() == nlm4_stats.NLM4_DENIED_GRACE_PERIOD:
        pause.wait(0.02)
    granted = time.time()
    user.unlock()
    return granted


def test_killed_server_gets_its_locks_back(
    site: LockSite, one: LockPlace, two: LockPlace, three: LockPlace, file: str
) -> None:
    site.host.sh(f"touch /srv/tmpfs/{file}.free")
    held = [
        one.locks(file, "set:w:0:10", "hold").held(),
        two.locks(file, "set:w:10:10", "set:r:20:10", "hold").held(),
    ]
    user = NlmUser(site.host, "/srv/tmpfs", f"{file}.free")

    with site.lan["one"].stopped():
        killed = time.time()
        site.restart()
        thief = three.locks(file, "set:w:0:5", "set:w:25:1", "set:w:30:1")
        until(lambda: locked(site, two, after=killed) == 2, "the second guest has claimed")
        site.asked(three.address, after=killed)
        early, awaited = user.lock(), site.command("status")
    claimed = site.asked(one.address, after=killed)
    ended = grace_end(user)

    assert early == nlm4_stats.NLM4_DENIED_GRACE_PERIOD
    assert re.search(rf"^grace .* for one \({one.address}\)$", awaited, re.MULTILINE), awaited
    assert ended - claimed.time < AT_ONCE
    assert thief.outcomes() == ["set EAGAIN", "set EAGAIN", "set ok"]
    for process in held:
        process.go_on()
        process.outcomes()
    assert three.locks(file, "set:w:0:0").outcomes() == ["set ok"]


@pytest.mark.parametrize("restart", [LockSite.restart, LockSite.restart_in_place])
def test_no_count_is_lost_with_the_server(
    site: LockSite, one: LockPlace, two: LockPlace, file: str, restart: Callable[[LockSite], None]
) -> None:
    counter = Path(site.host.path(f"{FOLDER}/{file}"))
    counter.write_text("0")
    counter.chmod(0o666)

    processes = [place.locks(file, "count:60") for place in (one, one, two, two)]
    until(lambda: int(counter.read_text() or 0) > 50, "they count")
    restart(site)

    assert [each.outcomes() for each in processes] == [["count ok"]] * 4
    assert counter.read_text() == "240"


def test_no_grace_if_nobody_held_locks(site: LockSite, one: LockPlace, file: str) -> None:
    assert one.locks(file, "set:w:0:0").outcomes() == ["set ok"]

    before = len(site.logged())
    site.restart()

    # The guest asks twice if the notice of the restart comes while it asks.
    assert one.locks(file, "set:w:0:0").outcomes() == ["set ok"]
    log = site.logged()[before:]
    assert SERVING in log
    assert "grace period" not in log


def test_restart_in_place_keeps_locks_without_grace(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    held = one.locks(file, "set:w:0:10", "hold").held()
    begun = time.time()
    waiting = two.locks(file, "wait:w:0:10")
    site.asked(two.address, after=begun)

    restarted = time.time()
    site.restart_in_place()

    asked = two.locks(file, "set:w:9:1", "set:w:10:10")
    assert asked.outcomes() == ["set EAGAIN", "set ok"]
    assert locked(site, one, after=restarted) == 0
    assert locked(site, two, after=restarted) == 2, "nobody told it to try again"
    held.go_on()
    held.outcomes()
    assert waiting.outcomes() == ["wait ok"]


def test_admin_releases_locks_of_a_silent_guest(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    held = one.locks(file, "set:w:5:10", "hold").held()

    with site.lan["one"].stopped():
        listed = site.command("locks")
        site.command("locks", "--free", "one", "--yes")
        taken = two.locks(file, "set:w:0:0").outcomes()

    assert re.search(rf"/{file} +one \({one.address}\) .* 5-14 +exclusive ", listed), listed
    assert taken == ["set ok"]
    held.go_on()
    held.outcomes()
