"""Room for many sources."""

from __future__ import annotations

import pytest

from oncrpc.daemon.web.room import Room, client_source
from oncrpc.rpc.program import Origin


def filled(members: str, *, most: int = 4, per_source: int = 4) -> Room[int]:
    """A room with members of the sources named by letters."""
    made: Room[int] = Room(most=most, per_source=per_source)
    for number, source in enumerate(members):
        made.enter(source, number)
    return made


@pytest.mark.parametrize(
    ("members", "crowded"),
    [
        ("aaa", None),
        ("aaaa", "a"),
        ("aaab", "a"),
        ("aabb", "a"),
        ("aabc", "a"),
        ("aaac", "a"),
        ("abcd", "z"),
    ],
)
def test_newcomer_displaces_only_larger_sources(members: str, crowded: str | None) -> None:
    assert filled(members).crowded("z") == crowded


def test_without_members_the_oldest_is_another() -> None:
    assert filled("abbc").oldest("z") == 1


@pytest.mark.parametrize(("members", "crowded"), [("aaaz", "a"), ("aazz", "z"), ("abcz", "z")])
def test_member_displaces_only_larger_sources(members: str, crowded: str) -> None:
    assert filled(members).crowded("z") == crowded


def test_source_at_its_share_displaces_itself() -> None:
    assert filled("aazz", most=8, per_source=2).crowded("z") == "z"


def test_entering_again_makes_a_member_young() -> None:
    room = filled("aa")
    room.enter("a", 0)

    assert (room.oldest("a"), room.members()) == (1, [1, 0])


def test_leaving_twice_is_harmless() -> None:
    room = filled("ab")
    for _ in range(2):
        room.leave("a", 0)

    assert (len(room), room.members()) == (1, [1])


@pytest.mark.parametrize(
    ("peername", "source"),
    [
        (("192.0.2.1", 700), "192.0.2.1"),
        (("2001:db8::1:2", 700, 0, 0), bytes.fromhex("20010db800000000")),
        (("fe80::1%lo", 700, 0, 1), bytes.fromhex("fe80000000000000")),
        (None, None),
    ],
)
def test_source_is_an_address_or_a_network(
    peername: tuple[str, int] | None, source: Origin
) -> None:
    assert client_source(peername) == source
