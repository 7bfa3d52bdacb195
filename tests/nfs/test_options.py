"""``oncrpc.nfs.options``: the user that a caller becomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.options import NO_ID, ExportOptions, FlavorOptions, identity_of
from oncrpc.rpc.prot import authsys_parms

HOST = "192.0.2.7"
UINTS = st.integers(0, 0xFFFFFFFF)
OPTIONS = st.builds(
    ExportOptions,
    root_squash=st.booleans(),
    all_squash=st.booleans(),
    anonuid=st.integers(1, 70000),
    anongid=st.integers(1, 70000),
)


def parms(uid: int, gid: int, *gids: int) -> authsys_parms:
    return authsys_parms(0, b"client", uid, gid, list(gids))


def test_ordinary_user_keeps_its_numbers() -> None:
    found = identity_of(ExportOptions(), parms(1000, 100, 4, 27), host=HOST)

    assert found == Identity(1000, 100, (4, 27), HOST)


def test_root_and_its_groups_are_squashed() -> None:
    found = identity_of(ExportOptions(), parms(0, 0, 0, 27), host=HOST)

    assert found == Identity(65534, 65534, (65534, 27), HOST)


def test_no_root_squash_keeps_root() -> None:
    found = identity_of(ExportOptions(root_squash=False), parms(0, 0, 27), host=HOST)

    assert found == Identity(0, 0, (27,), HOST)


def test_all_squash_drops_groups_too() -> None:
    options = ExportOptions(all_squash=True, anonuid=5000, anongid=5001)

    assert identity_of(options, parms(1000, 100, 27), host=HOST) == Identity(5000, 5001, (), HOST)


def test_caller_without_credential_is_anonymous() -> None:
    found = identity_of(ExportOptions(root_squash=False), None, host=HOST)

    assert found == Identity(65534, 65534, (), HOST)


@given(OPTIONS, UINTS, UINTS, st.lists(UINTS, max_size=16))
def test_no_number_reaches_the_system_as_minus_one(
    options: ExportOptions, uid: int, gid: int, gids: list[int]
) -> None:
    found = identity_of(options, parms(uid, gid, *gids), host=HOST)

    assert NO_ID not in (found.uid, found.gid, *found.groups)


@given(OPTIONS, UINTS, UINTS, st.lists(UINTS, max_size=16))
def test_squashed_caller_never_becomes_root(
    options: ExportOptions, uid: int, gid: int, gids: list[int]
) -> None:
    found = identity_of(options, parms(uid, gid, *gids), host=HOST)

    assert 0 not in (found.uid, found.gid, *found.groups) or not (
        options.root_squash or options.all_squash
    )


def test_repeated_sec_gives_a_flavor_its_options() -> None:
    options = ExportOptions(
        ro=True,
        sec=("sys", "krb5"),
        by_flavor=(FlavorOptions("krb5", False, False, False, False),),
    )

    assert options.under("sys") is options
    assert options.under("krb5") == options._replace(ro=False, secure=False, root_squash=False)
