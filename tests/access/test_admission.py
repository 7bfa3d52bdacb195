"""Admission: rules, then hosts_access, and what is logged of refusals."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from oncrpc.access import admission
from oncrpc.access.admission import MAX_CALLERS, Admission
from oncrpc.access.call_lines import CallLog
from oncrpc.access.rules import Rule
from oncrpc.errors import AuthError
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, call_args, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb, rpcb_rmtcallargs
from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.rpc.prot import auth_stat
from oncrpc.testing import ManualClock
from support.callers import REMOTE, REMOTE6, REMOTE_UDP, ROOT, STATD, PortMapper, changed

MOUNTD, NFS = 100005, 100003
GETPORT = PMAP_VERS.PMAPPROC_GETPORT
NFS_PORT = mapping(NFS, 3, 17, 0)


class FakeHosts:
    """Denies the hosts that are named, at once or after a while; counts how often it is asked."""

    def __init__(self, *denied: str, later: bool = False) -> None:
        self.denied, self.later = set(denied), later
        self.generation, self.asked, self.checked = 0, 0, 0
        self.empty = False

    def check(self) -> None:
        self.checked += 1

    def judge(self, host: str, local: str) -> bool | Awaitable[bool]:
        self.asked += 1
        return self._look_up(host) if self.later else host not in self.denied

    async def _look_up(self, host: str) -> bool:
        return host not in self.denied


def rules(text: str) -> tuple[Rule, ...]:
    return SCHEMA.parse(text, "policy").rule


def guarded(
    text: str = "", hosts: FakeHosts | None = None, *, clock: ManualClock | None = None
) -> PortMapper:
    """A port mapper with rules."""
    made = PortMapper()
    made.admission = Admission(CallLog(VOCABULARY, now=clock or ManualClock(now=0.5)))
    made.admission.configure(rules(text), hosts)
    return made


def admission_of(mapper: PortMapper) -> Admission:
    assert mapper.admission is not None
    return mapper.admission


def made_admission() -> Admission:
    return Admission(CallLog(VOCABULARY))


def refused(mapper: PortMapper, caller: Caller, procedure: AnyProcedure, *arguments: Any) -> bool:
    """Whether the call is refused with AUTH_TOOWEAK; any other outcome is that it is not."""
    try:
        mapper.call(caller, procedure, *arguments)
    except AuthError as error:
        return error.stat == auth_stat.AUTH_TOOWEAK
    return False


DENY_UDP = "[[rule]]\nnetid = ['udp']\nthen = 'deny'\n"


def test_a_denied_source_gets_auth_tooweak() -> None:
    mapper = guarded("[[rule]]\nfrom = ['192.0.2.0/24']\nthen = 'deny'")

    assert refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert not refused(mapper, REMOTE6, GETPORT, NFS_PORT)


def test_a_silenced_source_gets_no_reply() -> None:
    mapper = guarded("[[rule]]\nfrom = ['192.0.2.0/24']\nthen = 'silent'")

    assert mapper.reply(REMOTE_UDP, mapper.message(GETPORT, NFS_PORT)) is None


@pytest.mark.parametrize(
    ("procedure", "arguments"),
    [
        (PMAP_VERS.PMAPPROC_SET, (NFS_PORT,)),
        (PMAP_VERS.PMAPPROC_UNSET, (NFS_PORT,)),
        (PMAP_VERS.PMAPPROC_GETPORT, (NFS_PORT,)),
        (PMAP_VERS.PMAPPROC_CALLIT, (call_args(NFS, 3, 0, b""),)),
        (RPCBVERS.RPCBPROC_GETADDR, (rpcb(NFS, 3, b"", b"", b""),)),
        (RPCBVERS.RPCBPROC_CALLIT, (rpcb_rmtcallargs(NFS, 3, 0, b""),)),
        (RPCBVERS4.RPCBPROC_SET, (rpcb(NFS, 3, b"", b"", b""),)),
        (RPCBVERS4.RPCBPROC_UNSET, (rpcb(NFS, 3, b"", b"", b""),)),
        (RPCBVERS4.RPCBPROC_BCAST, (rpcb_rmtcallargs(NFS, 3, 0, b""),)),
        (RPCBVERS4.RPCBPROC_GETVERSADDR, (rpcb(NFS, 3, b"", b"", b""),)),
        (RPCBVERS4.RPCBPROC_INDIRECT, (rpcb_rmtcallargs(NFS, 3, 0, b""),)),
        (RPCBVERS4.RPCBPROC_GETADDRLIST, (rpcb(NFS, 3, b"", b"", b""),)),
    ],
)  # fmt: skip
def test_program_is_denied_in_all_its_procedures(
    procedure: AnyProcedure, arguments: tuple[object, ...]
) -> None:
    mapper = guarded("[[rule]]\nprogram = ['nfs']\nfrom = ['192.0.2.0/24']\nthen = 'deny'")

    assert refused(mapper, REMOTE_UDP, procedure, *arguments)


def test_other_procedures_pass_a_program_rule() -> None:
    mapper = guarded("[[rule]]\nprogram = ['nfs']\nthen = 'deny'")

    assert not refused(mapper, REMOTE, PMAP_VERS.PMAPPROC_DUMP)
    assert not refused(mapper, REMOTE, GETPORT, mapping(MOUNTD, 3, 17, 0))


def test_short_arguments_have_no_program() -> None:
    mapper = guarded("[[rule]]\nprogram = [0]\nthen = 'deny'")
    message = mapper.message(GETPORT, NFS_PORT)

    reply = mapper.reply(REMOTE, message[:-14])

    assert reply is not None
    assert reply[8:12] == b"\0\0\0\0", "accepted, and refused as garbage"


def test_null_is_answered_to_everybody() -> None:
    mapper = guarded("[[rule]]\nthen = 'deny'", FakeHosts("192.0.2.9"))

    assert not refused(mapper, REMOTE, PMAP_VERS.PMAPPROC_NULL)
    assert not refused(mapper, REMOTE, RPCBVERS4.procedures[0])


def test_local_users_are_denied_by_uid() -> None:
    mapper = guarded("[[rule]]\nuid = [103]\nprocedure = ['SET']\nthen = 'deny'")
    entry = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"")

    assert refused(mapper, STATD, RPCBVERS4.RPCBPROC_SET, entry)
    assert mapper.call(ROOT, RPCBVERS4.RPCBPROC_SET, entry)


def test_a_refused_call_is_counted() -> None:
    mapper = guarded("[[rule]]\nthen = 'deny'")

    refused(mapper, REMOTE, PMAP_VERS.PMAPPROC_DUMP)

    assert mapper.mapper.statistics.report()[0].info[4] == 1


@pytest.mark.parametrize("later", [False, True])
def test_hosts_are_asked_where_no_rule_decides(later: bool) -> None:
    hosts = FakeHosts("192.0.2.9", later=later)
    mapper = guarded("[[rule]]\nprocedure = ['DUMP']\nthen = 'allow'", hosts)

    assert refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert not refused(mapper, REMOTE6, GETPORT, NFS_PORT)
    assert not refused(mapper, REMOTE, PMAP_VERS.PMAPPROC_DUMP)
    assert hosts.asked == 2


def test_hosts_are_not_asked_about_local_callers() -> None:
    hosts = FakeHosts("")
    mapper = guarded("", hosts)

    assert not refused(mapper, STATD, GETPORT, NFS_PORT)
    assert hosts.asked == 0


@pytest.mark.parametrize("later", [False, True])
def test_allowed_host_is_judged_once_a_generation(later: bool) -> None:
    hosts = FakeHosts(later=later)
    mapper = guarded("", hosts)
    for _ in range(3):
        assert not refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert hosts.asked == 1

    hosts.denied.add("192.0.2.9")
    hosts.generation += 1

    assert refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert hosts.asked == 3


def test_decision_during_a_change_is_not_kept() -> None:
    hosts = FakeHosts(later=True)
    mapper = guarded("", hosts)
    reply = mapper.dispatcher.handle(mapper.message(GETPORT, NFS_PORT), REMOTE)
    hosts.generation += 1

    assert not isinstance(reply, bytes | None)
    with pytest.raises(StopIteration):
        reply.__await__().send(None)
    assert not admission_of(mapper).open_to(REMOTE)


def awaited(mapper: PortMapper, caller: Caller) -> list[Awaitable[object]]:
    """What is awaited of three calls of a caller; those that are dropped are not among it."""
    message = mapper.message(GETPORT, NFS_PORT)
    replies = [mapper.dispatcher.handle(message, caller) for _ in range(3)]
    assert all(reply is None for reply in replies if isinstance(reply, bytes | None))
    return [reply for reply in replies if not isinstance(reply, bytes | None)]


def ended(calls: list[Awaitable[object]]) -> None:
    for each in calls:
        with pytest.raises(StopIteration):
            each.__await__().send(None)


def test_undecided_host_does_not_fill_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MAX_UNJUDGED_OF_HOST", 2)
    monkeypatch.setattr(admission, "MAX_UNJUDGED", 3)
    mapper = guarded("", FakeHosts("192.0.2.9", "192.0.2.10", later=True))
    other = changed(REMOTE_UDP, source=("192.0.2.10", 1000, 0))

    first, second, stream = (awaited(mapper, each) for each in (REMOTE_UDP, other, REMOTE))
    assert (len(first), len(second), len(stream)) == (2, 1, 3)

    ended([*first, *second, *stream])
    third = awaited(mapper, REMOTE_UDP)
    assert len(third) == 2
    ended(third)


def test_without_rules_and_hosts_nothing_is_asked() -> None:
    made = made_admission()
    assert not made.asks

    made.configure(rules(DENY_UDP))
    assert made.asks

    made.configure((), FakeHosts())
    assert made.asks


def test_open_to_callers_without_refusing_rules() -> None:
    made = made_admission()
    made.configure(rules(DENY_UDP + "[[rule]]\nprocedure = ['SET']\nthen = 'allow'"))

    assert made.open_to(REMOTE)
    assert made.open_to(STATD)
    assert not made.open_to(REMOTE_UDP)


def test_open_to_hosts_once_allowed() -> None:
    hosts = FakeHosts("2001:db8::9")
    mapper = guarded("", hosts)
    assert not admission_of(mapper).open_to(REMOTE)
    assert admission_of(mapper).open_to(STATD)

    for caller in (REMOTE, REMOTE6):
        refused(mapper, caller, GETPORT, NFS_PORT)

    assert admission_of(mapper).open_to(REMOTE)
    assert not admission_of(mapper).open_to(REMOTE6)
    assert not admission_of(mapper).open_to(REMOTE_UDP), "another transport"
    hosts.generation += 1
    assert not admission_of(mapper).open_to(REMOTE)


def test_empty_hosts_rules_are_not_asked() -> None:
    hosts = FakeHosts()
    hosts.empty = True
    mapper = guarded("", hosts)

    assert admission_of(mapper).open_to(REMOTE)
    assert not refused(mapper, REMOTE, GETPORT, NFS_PORT)
    assert (hosts.asked, hosts.checked) == (0, 2)


def test_a_rule_that_allows_everything_needs_no_hosts() -> None:
    made = made_admission()
    made.configure(rules("[[rule]]\nfrom = ['192.0.2.9']\nthen = 'allow'"), FakeHosts("192.0.2.9"))

    assert made.open_to(REMOTE)
    assert not made.open_to(REMOTE6)


def test_the_generation_grows_with_every_change() -> None:
    made, hosts = made_admission(), FakeHosts()
    hosts.generation = 5
    seen = [made.generation]
    made.configure(rules(DENY_UDP), hosts)
    seen.append(made.generation)
    hosts.generation += 1
    seen.append(made.generation)
    made.configure(rules(DENY_UDP))
    seen.append(made.generation)

    assert seen == sorted(set(seen))


def test_reading_the_generation_checks_the_files() -> None:
    hosts = FakeHosts()
    mapper = guarded(hosts=hosts)
    checked = hosts.checked
    _ = admission_of(mapper).generation
    assert hosts.checked == checked + 1


def test_new_rules_hold_for_callers_that_are_known() -> None:
    mapper = guarded("", FakeHosts())
    assert not refused(mapper, REMOTE, GETPORT, NFS_PORT)

    admission_of(mapper).configure(rules("[[rule]]\nthen = 'deny'"))

    assert refused(mapper, REMOTE, GETPORT, NFS_PORT)


def test_remembered_callers_are_bounded() -> None:
    made = made_admission()
    made.configure(rules(DENY_UDP), FakeHosts())

    for number in range(MAX_CALLERS + 1):
        made.open_to(changed(REMOTE, source=(f"10.0.{number >> 8}.{number & 255}", 700, 0)))

    assert made.remembered == MAX_CALLERS


def test_welcome_hosts_are_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_CALLERS", 1)
    mapper = guarded("", FakeHosts())

    for caller in (REMOTE, REMOTE6):
        refused(mapper, caller, GETPORT, NFS_PORT)

    assert not admission_of(mapper).open_to(REMOTE)
    assert admission_of(mapper).open_to(REMOTE6)


@pytest.mark.slow
def test_distinct_sources_do_not_fill_memory() -> None:
    clock = ManualClock(now=0.5)
    mapper = guarded("[[rule]]\nprocedure = ['SET']\nthen = 'deny'", FakeHosts(), clock=clock)
    admission = admission_of(mapper)
    call = seen_call(mapper)

    for number in range(200_000):
        source = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 700, 0)
        assert admission.before(changed(call, caller=changed(REMOTE, source=source))) is None
        assert admission.remembered <= 2 * MAX_CALLERS


def seen_call(mapper: PortMapper) -> Call:
    """A GETPORT as the dispatcher hands it to admission."""
    seen: list[Call] = []
    mapper.dispatcher.before = lambda call: seen.append(call)
    mapper.reply(REMOTE, mapper.message(GETPORT, NFS_PORT))
    return seen[0]


DENY_ALL = "[[rule]]\nthen = 'deny'\n"


@pytest.mark.parametrize(
    ("caller", "procedure", "arguments", "line"),
    [
        (REMOTE, GETPORT, (NFS_PORT,),
         "connect from 192.0.2.9 to getport/addr(nfs): request from unauthorized host"),
        (REMOTE6, RPCBVERS4.RPCBPROC_GETADDR, (rpcb(5, 3, b"", b"", b""),),
         "connect from 2001:db8::9 to getport/addr(5): request from unauthorized host"),
        (REMOTE, PMAP_VERS.PMAPPROC_DUMP, (),
         "connect from 192.0.2.9 to dump(): request from unauthorized host"),
        (REMOTE, RPCBVERS4.RPCBPROC_BCAST, (rpcb_rmtcallargs(NFS, 3, 0, b""),),
         "connect from 192.0.2.9 to callit(nfs): request from unauthorized host"),
        (STATD, PMAP_VERS.PMAPPROC_DUMP, (),
         "connect from local uid 103 to dump(): request from unauthorized user"),
    ],
)  # fmt: skip
def test_refusal_is_logged_as_by_c(
    caplog: pytest.LogCaptureFixture,
    caller: Caller,
    procedure: AnyProcedure,
    arguments: tuple[object, ...],
    line: str,
) -> None:
    refused(guarded(DENY_ALL), caller, procedure, *arguments)

    assert caplog.messages == [line]
