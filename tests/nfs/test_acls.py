"""``oncrpc.nfs.acls``: which lists are valid, and what they are for a mode."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.acls import (
    NOBODY_HAS,
    AclEntry,
    AclTag,
    entries_after_chmod,
    entries_of_mode,
    inherited_entries,
    mode_of_entries,
    permission_sets,
    says_more_than_mode,
    valid_entries,
)
from support.access_list_rules import acl, group, user
from support.errnos import fails_with

MASK = AclEntry(AclTag.MASK, 0, 5)
modes = st.integers(0, 0o777)


@given(st.permutations(acl(user(7, 6), user(3, 1), group(7, 0), mask=5)))
def test_valid_list_is_put_in_order(entries: list[AclEntry]) -> None:
    tags = [(entry.tag.name, entry.id) for entry in valid_entries(entries)]

    assert tags == [
        ("USER_OBJ", 0), ("USER", 3), ("USER", 7), ("GROUP_OBJ", 0), ("GROUP", 7), ("MASK", 0),
        ("OTHER", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "entries",
    [
        (),
        acl()[1:],
        acl()[:2],
        (acl()[0], acl()[2]),
        (*acl(), acl()[0]),
        (*acl(), user(1, 7)),
        (*acl(), group(1, 7)),
        (*acl(), MASK, MASK),
        acl(user(1, 8)),
        acl(user(1, -1)),
        acl(user(NOBODY_HAS, 7)),
        acl(group(-1, 7)),
    ],
)
def test_invalid_list_is_refused(entries: tuple[AclEntry, ...]) -> None:
    with fails_with(errno.EINVAL):
        valid_entries(entries)


@given(modes)
def test_list_of_a_mode_is_that_mode(mode: int) -> None:
    entries = entries_of_mode(0o7000 | mode)

    assert mode_of_entries(valid_entries(entries)) == mode
    assert not says_more_than_mode(entries)


@given(modes, st.sampled_from([acl(), acl(user(1, 2)), acl(group=3, mask=4)]))
def test_mode_after_chmod_is_that_mode(mode: int, entries: tuple[AclEntry, ...]) -> None:
    assert mode_of_entries(entries_after_chmod(entries, mode)) == mode


def test_chmod_keeps_the_group_under_a_mask() -> None:
    assert entries_after_chmod(acl(group=3, mask=4), 0o070) == acl(owner=0, group=3, mask=7)
    assert entries_after_chmod(acl(group=3), 0o070) == acl(owner=0, group=7)


@given(modes)
def test_new_file_has_no_more_than_its_mode(mode: int) -> None:
    default = acl(user(1, 7), owner=7, group=5, mask=6, other=3)

    made = mode_of_entries(inherited_entries(default, mode))

    assert made == mode & 0o763


def test_list_without_a_mask_permits_all_entries() -> None:
    assert permission_sets(acl(group=6), 1, (5,), group=5) == [6]
    assert permission_sets(acl(group=6, other=1), 1, (4,), group=5) == [1]


def test_each_group_has_a_set_of_its_own() -> None:
    entries = acl(group(4, 3), group(6, 4), group=5, mask=6)

    assert permission_sets(entries, 1, (4, 5, 6), group=5) == [4, 2, 4]
