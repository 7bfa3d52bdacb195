"""The duplicate-request cache of NFS: which calls are the same, and from which connections."""

from __future__ import annotations

import pytest

from oncrpc.nfs.server.duplicates import LIFETIME, ClientCall, NfsDuplicates
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.programs.nlm import NLM4_VERS
from oncrpc.rpc import AUTH_NONE, Call, Caller
from oncrpc.rpc.program import AnyProcedure
from support.callers import changed
from support.repeated_calls import (
    CALL,
    LATER_STAMP,
    OTHER_USER,
    OTHER_XID,
    REPLY,
    SIZE,
    UDP,
    Client,
    found,
    is_empty,
    ran,
)
from support.words import words


@pytest.fixture
def cache() -> NfsDuplicates:
    return NfsDuplicates()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("message", [CALL, LATER_STAMP])
def test_same_connection_gets_the_reply(
    cache: NfsDuplicates, client: Client, message: bytes
) -> None:
    connection = client.connect()
    ran(cache, connection)

    again = cache.find(connection, message, 1.0)

    assert again is not None
    assert again.reply == REPLY


def test_new_connection_gets_reply_of_closed_one(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    ran(cache, first)
    client.close(first)

    again = cache.find(second, CALL, 1.0)

    assert again is not None
    assert again.reply == REPLY


def test_second_live_connection_runs_the_call(cache: NfsDuplicates, client: Client) -> None:
    ran(cache, client.connect())

    assert not found(cache, client.connect())


def test_two_live_connections_have_their_own_replies(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    ran(cache, first)
    ran(cache, second, reply=REPLY + b"2")

    replies = [cache.find(each, CALL, 1.0) for each in (first, second)]

    assert [each and each.reply for each in replies] == [REPLY, REPLY + b"2"]


@pytest.mark.parametrize("message", [OTHER_USER, OTHER_XID, CALL[:-4] + b"else"])
def test_another_message_is_not_a_duplicate(
    cache: NfsDuplicates, client: Client, message: bytes
) -> None:
    first = client.connect()
    ran(cache, first)
    client.close(first)

    assert not found(cache, client.connect(), message)


@pytest.mark.parametrize(
    "other",
    [
        Client("192.0.2.2").connect(),
        Client(netid="udp").connect(),
        changed(Client().connect(), local=("192.0.2.8", 2049, 0)),
        changed(Client().connect(), source=("192.0.2.1", 710, 3)),
        changed(Client().connect(), loopback=True),
    ],
)
def test_another_client_runs_the_call(cache: NfsDuplicates, client: Client, other: Caller) -> None:
    first = client.connect()
    ran(cache, first)
    client.close(first)

    assert not found(cache, other)


def test_client_may_reuse_its_port(cache: NfsDuplicates, client: Client) -> None:
    ran(cache, client.connect(port=800))

    assert found(cache, client.connect(port=800))


def test_found_call_belongs_to_its_new_connection(cache: NfsDuplicates, client: Client) -> None:
    first, second, third = (client.connect() for _ in range(3))
    ran(cache, first)
    client.close(first)
    assert found(cache, second)

    assert not found(cache, third)
    client.close(second)
    assert found(cache, third)


def test_other_call_with_the_same_xid_replaces(cache: NfsDuplicates, client: Client) -> None:
    connection = client.connect()
    ran(cache, connection)
    ran(cache, connection, CALL + b"else")

    assert not found(cache, connection)
    assert len(cache) == 1


def test_moved_call_is_replaced_like_any_other(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    ran(cache, first)
    client.close(first)
    assert found(cache, second)
    ran(cache, second, CALL + b"else")

    assert not found(cache, second)


@pytest.mark.parametrize("port", [700, 701])
def test_udp_duplicates_come_from_the_same_port(cache: NfsDuplicates, port: int) -> None:
    ran(cache, UDP)

    assert found(cache, changed(UDP, source=("192.0.2.1", port, 0))) == (port == 700)


@pytest.mark.parametrize(
    "reply", [None, REPLY[:24] + words(nfsstat3.NFS3ERR_JUKEBOX)], ids=["none", "jukebox"]
)
def test_call_not_carried_out_runs_again(
    cache: NfsDuplicates, client: Client, reply: bytes | None
) -> None:
    connection = client.connect()
    ran(cache, connection, reply=reply)

    assert not found(cache, connection)
    assert is_empty(cache)


@pytest.mark.parametrize(("now", "kept"), [(LIFETIME, True), (LIFETIME + 1, False)])
def test_reply_expires(cache: NfsDuplicates, client: Client, now: float, kept: bool) -> None:
    first, second = client.connect(), client.connect()
    ran(cache, first)
    client.close(first)

    assert found(cache, first, now=now) == kept
    assert found(cache, second, now=now) == kept


def procedures(*, datagram: bool) -> dict[str, bool]:
    """Each procedure of both versions, and whether it is covered."""
    cache, caller = NfsDuplicates(), changed(UDP, datagram=datagram)

    def covered(procedure: AnyProcedure) -> bool:
        return cache.covers(Call(1, procedure, None, AUTH_NONE, caller, b"", 0))

    both = [*NFS_VERSION.procedures.values(), *NFS_V3.procedures.values()]
    return {each.name: covered(each) for each in both}


def test_procedures_that_change_something_are_covered() -> None:
    over_udp, over_tcp = procedures(datagram=True), procedures(datagram=False)

    assert {name.split("_")[1] for name, covered in over_tcp.items() if covered} == {
        "SETATTR", "CREATE", "MKDIR", "SYMLINK", "MKNOD", "REMOVE", "RMDIR", "RENAME", "LINK",
        "WRITE",
    }  # fmt: skip
    assert over_udp == over_tcp


def test_further_procedures_are_covered() -> None:
    cache = NfsDuplicates(further={NLM4_VERS.NLMPROC4_LOCK})

    def covered(procedure: AnyProcedure) -> bool:
        return cache.covers(Call(1, procedure, None, AUTH_NONE, UDP, b"", 0))

    assert covered(NLM4_VERS.NLMPROC4_LOCK)
    assert covered(NFS_V3.NFSPROC3_REMOVE)
    assert not covered(NLM4_VERS.NLMPROC4_UNLOCK)


def test_number_of_write_in_another_program_is_kept(cache: NfsDuplicates, client: Client) -> None:
    """Version 3 of NLM has procedure 7 as well."""
    message = CALL[:12] + words(100021, 3, 7) + CALL[24:]

    assert cache.new(client.connect(), message).is_kept


# WRITE over TCP runs again, but not late

WRITE = CALL[:20] + words(7) + CALL[24:] + bytes(4096)


def test_write_of_a_live_connection_runs_again(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    ran(cache, first, WRITE)

    assert not found(cache, first, WRITE)
    client.close(first)
    assert not found(cache, second, WRITE)
    assert len(cache) == 0


def test_late_write_does_not_run(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    client.close(first)
    ran(cache, second, WRITE)

    late = cache.find(first, WRITE, 2 * LIFETIME)

    assert late is not None
    assert (late.done, late.reply) == (True, None)


def test_late_call_does_not_run(cache: NfsDuplicates, client: Client) -> None:
    first, second = client.connect(), client.connect()
    client.close(first)
    ran(cache, second)

    assert found(cache, first)
    assert found(cache, second)


def test_first_write_of_an_ended_connection_runs(cache: NfsDuplicates, client: Client) -> None:
    first = client.connect()
    client.close(first)
    assert not found(cache, first, WRITE)
    ran(cache, first, WRITE)

    assert not found(cache, first, WRITE)


def test_write_over_udp_is_kept(cache: NfsDuplicates) -> None:
    ran(cache, UDP, WRITE)

    assert found(cache, UDP, WRITE)
    assert not found(cache, UDP, WRITE[:-1] + b"x")


def test_number_of_known_writes_is_bounded(
    cache: NfsDuplicates, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.nfs.server.duplicates.MAX_WRITTEN", 2)
    first, second = client.connect(), client.connect()
    client.close(first)

    for xid in range(3):
        ran(cache, second, words(xid) + WRITE[4:])

    assert [found(cache, first, words(xid) + WRITE[4:]) for xid in range(3)] == [False, True, True]


def test_busy_client_forgets_its_own_calls_first() -> None:
    cache, quiet, busy = (
        NfsDuplicates(max_bytes=16 * SIZE),
        Client("192.0.2.2"),
        Client(),
    )
    one, many = quiet.connect(), busy.connect()
    ran(cache, one)

    for xid in range(40):
        ran(cache, many, words(xid) + CALL[4:])

    assert found(cache, one)
    assert [xid for xid in range(40) if found(cache, many, words(xid) + CALL[4:])] == [38, 39]


def test_all_clients_together_stay_within_the_bound() -> None:
    cache = NfsDuplicates(max_bytes=16 * SIZE)

    for last in range(1, 41):
        ran(cache, Client(f"192.0.2.{last}").connect())

    assert (len(cache), cache.size) == (16, 16 * SIZE)


def test_forgotten_replies_leave_nothing_behind(client: Client) -> None:
    cache = NfsDuplicates(max_bytes=0)

    ran(cache, client.connect())

    assert is_empty(cache)


# Calls in progress


def restarted(cache: NfsDuplicates, *, at: float = 0.0, **options: int) -> NfsDuplicates:
    """The cache of the next image of the process."""
    following = NfsDuplicates()
    following.resume(cache.leave(at, **options), at)
    return following


def test_reply_survives_a_restart_in_place(cache: NfsDuplicates, client: Client) -> None:
    same = client.connect()
    ran(cache, same)
    ran(cache, UDP, OTHER_XID)
    ran(cache, Caller("local", uid=1000, loopback=True), OTHER_USER)

    after = restarted(cache)

    assert found(after, UDP, OTHER_XID)
    assert found(after, Caller("local", uid=1000, loopback=True), OTHER_USER)
    assert found(after, same)
    again = after.find(same, CALL, 1.0)
    assert again is not None
    assert again.reply == REPLY
    assert after.size == cache.size


def test_new_connection_finds_reply_after_restart(cache: NfsDuplicates, client: Client) -> None:
    ran(cache, client.connect())
    second = client.connect()

    after = restarted(cache)

    assert found(after, second)
    assert not found(after, client.connect())


def test_age_counts_over_a_restart(cache: NfsDuplicates, client: Client) -> None:
    connection = client.connect()
    ran(cache, connection, now=100.0)

    after = restarted(cache, at=200.0)

    assert found(after, connection, now=100.0 + LIFETIME)
    assert not found(after, connection, now=101.0 + LIFETIME)
    assert len(restarted(cache, at=101.0 + LIFETIME)) == 0


def test_only_the_newest_replies_are_left(cache: NfsDuplicates, client: Client) -> None:
    connection = client.connect()
    for xid in range(4):
        ran(cache, connection, words(xid) + CALL[4:])

    after = restarted(cache, max_bytes=2 * SIZE)

    kept = [found(after, connection, words(xid) + CALL[4:]) for xid in range(4)]
    assert kept == [False, False, True, True]


@pytest.mark.parametrize("left", [b"", b"{}", b"[[1]]", b"[", b'[["AA==",null,"x"]]'])
def test_what_was_not_left_is_ignored(
    cache: NfsDuplicates, left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache.resume(left, 0.0)

    assert is_empty(cache)
    assert "not understood" in caplog.text


def test_entry_knows_whether_its_connection_ended(client: Client) -> None:
    connection = client.connect()
    entry = ClientCall((b"", None), b"", connection)

    assert not entry.has_moved
    client.close(connection)
    assert entry.has_moved
