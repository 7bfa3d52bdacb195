"""Who may call by the two files: at once or later, remembered, and forgotten when they change."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from oncrpc.access.hosts import access as hosts
from oncrpc.access.hosts.access import LOOK_AGAIN, HostsAccess
from oncrpc.access.hosts.names import LIFETIME, Names
from oncrpc.access.hosts.patterns import UNKNOWN
from oncrpc.access.hosts.rules import HostsDecision
from oncrpc.portmap.vocabulary import hosts_daemon
from oncrpc.testing import ManualClock
from support.fake_libwrap import FakeLibwrap, installed
from support.loops import run, until

NAMES = {"10.0.0.5": "a.example.com", "10.0.0.6": "b.example.net", "127.0.0.1": "localhost"}


class Site:
    """Both files, a name service, a clock."""

    def __init__(self, path: Path) -> None:
        self.allow, self.deny = path / "hosts.allow", path / "hosts.deny"
        self.clock = ManualClock()
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.answers.set()

    def resolve(self, address: str) -> str:
        self.asked.append(address)
        self.answers.wait()
        return NAMES.get(address, UNKNOWN)

    def write(self, *, allow: str = "", deny: str = "") -> None:
        self.allow.write_text(allow)
        self.deny.write_text(deny)

    def access(self, libwrap: FakeLibwrap | None = None, *, deadline: float = 2.0) -> HostsAccess:
        return HostsAccess(
            hosts_daemon(),
            allow=str(self.allow),
            deny=str(self.deny),
            names=Names(self.resolve, clock=self.clock, deadline=deadline),
            libwrap=libwrap,
            clock=self.clock,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def answer(verdict: bool | Awaitable[bool]) -> bool:
    """A verdict that took its time."""
    assert not isinstance(verdict, bool)
    return await verdict


async def explained(access: HostsAccess, by: str) -> None:
    """Wait until that says whether 10.0.0.5 may call."""
    while by not in (await access.explain("10.0.0.5")).by:
        await asyncio.sleep(0)


def test_without_files_everybody_may_call(site: Site) -> None:
    access = site.access()

    assert access.empty
    assert access.judge("10.0.0.5") is True
    assert run(access.explain("10.0.0.5")) == HostsDecision(True, "no rule matches")


def test_addresses_are_judged_at_once(site: Site) -> None:
    site.write(allow="portmap: 10.0.0.5\n", deny="ALL: ALL\n")
    access = site.access()

    assert access.judge("10.0.0.5") is True
    assert access.judge("::ffff:10.0.0.5") is True
    assert access.judge("10.0.0.6") is False
    assert run(access.explain("10.0.0.6")).by == "hosts.deny line 1: ALL: ALL"
    assert site.asked == []


def test_a_name_takes_its_time_once(site: Site) -> None:
    site.write(allow="portmap: .example.com\n", deny="ALL: ALL\n")
    access = site.access()

    async def main() -> None:
        assert await answer(access.judge("10.0.0.5"))
        assert not await answer(access.judge("10.0.0.6"))
        assert access.judge("::ffff:10.0.0.5") is True

    run(main())
    assert access.judge("10.0.0.5") is True
    assert access.judge("10.0.0.6") is False
    assert run(access.explain("10.0.0.5")).by == "hosts.allow line 1: portmap: .example.com"
    assert site.asked == ["10.0.0.5", "10.0.0.6"]


def test_cached_name_is_used_at_once(site: Site) -> None:
    site.write(deny="portmap: .example.com\n")
    access = site.access()
    assert run(access.explain("10.0.0.5")).allowed is False

    site.write(deny="portmap: .example.net, KNOWN\n")
    site.clock.advance(LOOK_AGAIN)

    assert access.judge("10.0.0.5") is False
    assert len(site.asked) == 1


def test_late_name_means_a_new_decision(site: Site) -> None:
    site.write(allow="portmap: .example.com\n", deny="ALL: ALL\n")
    access = site.access(deadline=0.001)
    site.answers.clear()

    async def main() -> None:
        assert not await answer(access.judge("10.0.0.5"))
        site.answers.set()
        await explained(access, "hosts.allow line 1")
        assert access.judge("10.0.0.5") is True

    run(main())


def test_decision_without_name_expires_soon(site: Site) -> None:
    site.write(deny="portmap: .example.com\n")
    access = site.access(deadline=0.001)
    site.answers.clear()

    async def main() -> None:
        assert await answer(access.judge("10.0.0.5"))
        generation = access.generation

        site.clock.advance(LOOK_AGAIN)
        access.check()

        assert access.generation == generation + 1
        site.answers.set()
        await explained(access, "hosts.deny line 1")
        assert access.judge("10.0.0.5") is False

    run(main())


def test_decision_expires_with_its_name(site: Site) -> None:
    site.write(allow="portmap: .example.com\n", deny="ALL: ALL\n")
    access = site.access()
    run(access.explain("10.0.0.5"))
    generation = access.generation

    site.clock.advance(LIFETIME - 1)
    assert access.judge("10.0.0.5") is True
    assert access.generation == generation
    site.clock.advance(1)

    assert run(answer(access.judge("10.0.0.5")))
    assert access.generation == generation + 1
    assert len(site.asked) == 2


def test_the_files_are_looked_at_once_a_second(site: Site) -> None:
    site.write(deny="portmap: 10.\n")
    access = site.access()
    assert access.judge("10.0.0.5") is False
    generation = access.generation

    site.write(deny="portmap: 11.0.0.0/8\n")
    site.clock.advance(LOOK_AGAIN / 2)
    assert access.judge("10.0.0.5") is False
    site.clock.advance(LOOK_AGAIN / 2)

    assert access.judge("10.0.0.5") is True
    assert access.generation == generation + 1


@pytest.mark.parametrize(
    "change", [lambda path: path.unlink(), lambda path: path.write_text("# nothing\n")]
)
def test_rules_may_go(site: Site, change: Callable[[Path], object]) -> None:
    site.write(deny="ALL: ALL\n")
    access = site.access()
    assert access.judge("10.0.0.5") is False

    change(site.deny)
    site.clock.advance(LOOK_AGAIN)

    assert access.judge("10.0.0.5") is True
    assert access.empty


def test_files_that_say_the_same_change_nothing(site: Site) -> None:
    site.write(deny="ALL: ALL\n")
    access = site.access()
    generation = access.generation

    site.write(deny="ALL: ALL\n")
    site.clock.advance(LOOK_AGAIN)
    access.check()

    assert access.generation == generation


def test_unreadable_file_denies_with_one_warning(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.deny.mkdir()
    access = site.access()
    for _ in range(3):
        site.clock.advance(LOOK_AGAIN)
        assert access.judge("10.0.0.5") is False

    assert run(access.explain("10.0.0.5")).by == "hosts.deny cannot be read (is a directory)"
    assert len(caplog.messages) == 1
    assert f"{site.deny} cannot be read (is a directory): it denies" in caplog.messages[0]


def test_only_new_mistakes_are_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.write(deny="no colon\n")
    access = site.access()
    site.write(deny="no colon\nALL: 10.0.0.0/0\nALL: @group\n")
    site.clock.advance(LOOK_AGAIN)
    access.check()

    assert [message.split(": ")[0] for message in caplog.messages] == [
        f"{site.deny} line 1",
        f"{site.deny} line 2",
        f"{site.deny} line 3",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_rule_for_local_address_decides_there_only(site: Site) -> None:
    site.write(deny="portmap@192.0.2.1: ALL\n")
    access = site.access()

    assert access.judge("10.0.0.5", "192.0.2.1") is False
    assert access.judge("10.0.0.5", "192.0.2.2") is True
    assert access.judge("10.0.0.5", "192.0.2.1") is False


def test_number_of_decisions_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MAX_DECISIONS", 2)
    site.write(deny="ALL: ALL\n")
    access = site.access()
    for number in range(5):
        assert access.judge(f"10.0.0.{number}") is False

    assert access.remembered == 2


def test_libwrap_is_asked_about_plain_files(site: Site) -> None:
    site.write(deny="portmap: 11.\n")
    libwrap = FakeLibwrap()
    access = site.access(libwrap)

    assert access.judge("10.0.0.5", "192.0.2.1") is True
    assert libwrap.texts == [("", "portmap: 11.\n")]
    assert [(asked.address, asked.name, asked.daemon) for asked in libwrap.asked] == [
        (b"10.0.0.5", b"unknown", hosts_daemon())
    ]


@pytest.mark.parametrize(
    "deny", ["portmap: ALL: spawn mail root\n", "portmap: /list\n", "ALL: ALL", "no colon\n"]
)
def test_libwrap_is_not_asked_about_other_files(site: Site, deny: str) -> None:
    site.write(deny=deny)
    libwrap = FakeLibwrap()
    access = site.access(libwrap)

    access.judge("10.0.0.5")

    assert libwrap.texts == []
    assert libwrap.asked == []


def test_libwrap_gets_the_new_texts(site: Site) -> None:
    site.write(deny="portmap: 11.\n")
    libwrap = FakeLibwrap()
    access = site.access(libwrap)
    site.write(deny="portmap: 12.0.\n")
    site.clock.advance(LOOK_AGAIN)

    access.check()

    assert libwrap.texts[1:] == [("", "portmap: 12.0.\n")]


@pytest.mark.parametrize("allows", [True, False])
def test_both_have_to_allow(site: Site, caplog: pytest.LogCaptureFixture, allows: bool) -> None:
    site.write(deny="portmap: 10.\n" if allows else "portmap: 11.\n")
    access = site.access(FakeLibwrap(allows=allows))

    assert access.judge("10.0.0.5") is False
    assert caplog.messages == ["libwrap decides differently about 10.0.0.5, which is denied"]


def test_libwrap_is_not_asked_about_long_names(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "10.0.0.7", "x" * 200)
    site.write(deny="portmap: LOCAL\n")
    libwrap = FakeLibwrap()
    access = site.access(libwrap)

    assert run(access.explain("10.0.0.7")).allowed is False
    assert libwrap.asked == []


def test_busy_libwrap_is_asked_later(site: Site) -> None:
    site.write(deny="portmap: 11.\n")
    libwrap = FakeLibwrap()
    libwrap.busy = True
    access = site.access(libwrap)
    assert access.judge("11.0.0.1") is False

    libwrap.busy = False
    site.clock.advance(LOOK_AGAIN)
    assert access.judge("10.0.0.5") is True
    assert len(libwrap.asked) == 1

    libwrap.busy = True
    assert access.judge("10.0.0.6") is True


def test_libwrap_that_takes_no_texts_is_dropped(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.write(deny="portmap: @group\n")
    libwrap = FakeLibwrap()
    libwrap.broken = OSError(28, "No space left on device")

    access = site.access(libwrap)

    assert caplog.messages[0] == "libwrap is not asked: No space left on device"
    assert "netgroup @group matches nobody" in caplog.messages[1]
    assert run(access.explain("10.0.0.5")).allowed


def test_libwrap_looks_up_netgroups_in_a_thread(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.write(allow="portmap: @trusted\n", deny="ALL: ALL\n")
    libwrap = FakeLibwrap()
    access = site.access(libwrap)

    async def main() -> None:
        verdicts = [access.judge(host) for host in ("10.0.0.5", "10.0.0.6")]
        assert await asyncio.gather(*map(answer, verdicts)) == [True, True]

    run(main())
    assert access.judge("10.0.0.5") is True
    assert run(access.explain("10.0.0.5")).by == "libwrap, as the files name netgroups"
    assert {asked.name for asked in libwrap.asked} == {b"a.example.com", b"b.example.net"}
    assert threading.current_thread() not in libwrap.threads
    assert caplog.messages == []


def test_late_netgroup_denies_for_now(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "NETGROUP_DEADLINE", 0.001)
    site.write(deny="portmap: @bad\n")
    libwrap = FakeLibwrap()
    libwrap.goes_on.clear()
    access = site.access(libwrap)

    async def main() -> None:
        late = await access.explain("10.0.0.5")
        assert late == HostsDecision(False, "libwrap did not look up the netgroups in time")
        assert not await answer(access.judge("10.0.0.6"))

        libwrap.goes_on.set()
        await until(lambda: not access.looks_up)

        monkeypatch.undo()
        assert await answer(access.judge("10.0.0.5"))

    run(main())


def test_busy_libwrap_denies_netgroups_for_now(site: Site) -> None:
    site.write(deny="portmap: @bad\n")
    libwrap = FakeLibwrap()
    access = site.access(libwrap)
    libwrap.busy = True

    assert not run(access.explain("10.0.0.5")).allowed
    site.write(deny="portmap: @worse\n")
    site.clock.advance(LOOK_AGAIN)
    assert not run(access.explain("10.0.0.5")).allowed

    libwrap.busy = False
    site.clock.advance(LOOK_AGAIN)
    assert run(access.explain("10.0.0.5")).allowed


def test_answer_about_former_files_is_not_cached(site: Site) -> None:
    site.write(deny="portmap: @bad\n")
    libwrap = FakeLibwrap()
    libwrap.goes_on.clear()
    access = site.access(libwrap)

    async def main() -> None:
        verdict = asyncio.ensure_future(answer(access.judge("10.0.0.5")))
        await until(lambda: libwrap.asked)
        site.write(deny="portmap: 10.\n")
        site.clock.advance(LOOK_AGAIN)
        access.check()

        libwrap.goes_on.set()

        assert await verdict
        libwrap.allows = False
        assert access.judge("10.0.0.5") is False

    run(main())


def test_the_library_agrees_about_the_files(site: Site) -> None:
    site.write(allow="rpcbind: .example.com EXCEPT b.example.com\n", deny="ALL: ALL\n")
    library = installed()
    access = HostsAccess(
        hosts_daemon(),
        allow=str(site.allow),
        deny=str(site.deny),
        names=Names(site.resolve),
        libwrap=library,
    )

    assert run(access.explain("10.0.0.5")) == HostsDecision(
        True, "hosts.allow line 1: rpcbind: .example.com EXCEPT b.example.com"
    )
    assert run(access.explain("10.0.0.6")) == HostsDecision(False, "hosts.deny line 1: ALL: ALL")
    library.close()
