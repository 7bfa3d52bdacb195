"""``oncrpc.nfs.server.shares``: what is checked before a file system sees a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

import pytest

from oncrpc.errors import AuthError
from oncrpc.nfs.filesystem import FileSystem, Identity
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions, FlavorOptions, UserGroups
from oncrpc.nfs.server.shares import (
    GroupsOf,
    Opened,
    Share,
    Shares,
    StrictGroups,
    WriteVerifier,
)
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.rpc.auth import AUTH_NONE, Credential
from oncrpc.rpc.program import Call, Caller
from oncrpc.rpc.prot import authsys_parms

USER = authsys_parms(0, b"client", 1000, 100, [4])
FILE = b"\1\2\3"


@dataclass
class FixedRules:
    """Rules that are a dictionary."""

    hosts: dict[str, ExportOptions] = field(default_factory=dict)

    def options_for(self, host: str) -> ExportOptions | None:
        return self.hosts.get(host)


class Rooted(FileSystem):
    root = FILE


def shares_with(options: ExportOptions, groups_of: GroupsOf | None = None) -> tuple[Shares, Share]:
    shares = Shares(Handles(bytes(32)), groups_of=groups_of)
    share = Share(7, b"/srv", Rooted(), FixedRules({"192.0.2.1": options}), fsid=1)
    shares.replace([share])
    return shares, share


def call_from(host: str, port: int = 700, credential: Credential = USER) -> Call:
    caller = Caller("tcp", (host, port, 0), ("192.0.2.9", 2049, 0))
    return Call(
        1, NFS_V3.NFSPROC3_GETATTR, credential, AUTH_NONE,
        caller=caller, message=b"", arguments_at=0,
    )  # fmt: skip


def opened(opening: Awaitable[Opened]) -> Opened:
    async def wait() -> Opened:
        return await opening

    return asyncio.run(wait())


def refusal(opening: Awaitable[Opened]) -> nfsstat3:
    with pytest.raises(NfsError) as caught:
        opened(opening)
    return caught.value.status


def test_handle_opens_its_file_as_the_caller() -> None:
    shares, share = shares_with(ExportOptions())

    found = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))

    assert found[:3] == (share, FILE, Identity(1000, 100, (4,), "192.0.2.1"))


def test_handle_of_version_2_opens_the_same_file() -> None:
    shares, share = shares_with(ExportOptions())
    handle = shares.handle(share, b"\7", v2=True)

    found = opened(shares.open(call_from("192.0.2.1"), handle, v2=True))

    assert found.file == b"\7"


def test_host_without_rule_is_refused() -> None:
    shares, share = shares_with(ExportOptions())
    opening = shares.open(call_from("192.0.2.2"), shares.handle(share, FILE))

    assert refusal(opening) is nfsstat3.NFS3ERR_ACCES


@pytest.mark.parametrize("port", [1024, 65535])
def test_secure_export_refuses_unreserved_ports(port: int) -> None:
    shares, share = shares_with(ExportOptions(secure=True))
    opening = shares.open(call_from("192.0.2.1", port), shares.handle(share, FILE))

    assert refusal(opening) is nfsstat3.NFS3ERR_PERM


def test_insecure_export_takes_any_port() -> None:
    shares, share = shares_with(ExportOptions(secure=False))

    assert opened(shares.open(call_from("192.0.2.1", 5000), shares.handle(share, FILE)))


def test_handle_of_a_removed_export_is_stale() -> None:
    shares, share = shares_with(ExportOptions())
    handle = shares.handle(share, FILE)

    shares.replace([])

    assert refusal(shares.open(call_from("192.0.2.1"), handle)) is nfsstat3.NFS3ERR_STALE


def test_refused_handle_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    shares, _ = shares_with(ExportOptions())
    other = Handles(bytes(31) + b"1")

    refusal(shares.open(call_from("192.0.2.1"), other.make(7, FILE)))

    assert caplog.messages == [
        "refused a file handle from 192.0.2.1:700: it is not signed with the key of this server"
    ]


def test_flavor_that_the_export_lacks_is_too_weak() -> None:
    shares, share = shares_with(ExportOptions())
    call = call_from("192.0.2.1", credential=None)

    with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
        opened(shares.open(call, shares.handle(share, FILE)))


def test_flavor_none_works_where_it_is_allowed() -> None:
    shares, share = shares_with(ExportOptions(sec=("none", "sys")))
    call = call_from("192.0.2.1", credential=None)

    assert opened(shares.open(call, shares.handle(share, FILE))).who.uid == 65534


def test_lock_manager_may_need_no_flavor() -> None:
    shares, share = shares_with(ExportOptions(insecure_locks=True))
    call, handle = call_from("192.0.2.1", credential=None), shares.handle(share, FILE)

    assert opened(shares.open(call, handle, locks=True)).file == FILE
    with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
        opened(shares.open(call, handle))


def test_lock_manager_needs_a_flavor_by_default() -> None:
    shares, share = shares_with(ExportOptions())
    call = call_from("192.0.2.1", credential=None)

    with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
        opened(shares.open(call, shares.handle(share, FILE), locks=True))


def test_share_is_found_by_its_tag() -> None:
    shares, share = shares_with(ExportOptions())

    assert (shares.of_tag(7), shares.of_tag(8)) == (share, None)


def test_groups_of_the_host_replace_those_sent() -> None:
    shares, share = shares_with(ExportOptions(), groups_of=lambda uid, gid: (uid, gid, 50))

    found = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))

    assert found.who.groups == (1000, 100, 50)


def test_group_root_of_the_host_is_squashed() -> None:
    shares, share = shares_with(ExportOptions(), groups_of=lambda uid, gid: (0, 50))

    found = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))

    assert found.who.groups == (65534, 50)


def test_squashed_caller_gets_no_groups_of_the_host() -> None:
    shares, share = shares_with(ExportOptions(all_squash=True), groups_of=lambda uid, gid: (50,))

    found = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))

    assert found.who.groups == ()


@pytest.mark.parametrize(
    ("on_host", "gid", "groups"),
    [((200, 50), 200, (200, 50)), ((50, 100), 100, (50, 100)), (None, 65534, (65534,))],
)
def test_strict_callers_have_only_groups_of_the_host(
    on_host: UserGroups | None, gid: int, groups: UserGroups
) -> None:
    shares, share = shares_with(ExportOptions())
    shares.strict = StrictGroups(lambda caller: caller.port == 700, lambda *_: on_host)

    strict = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))
    other = opened(shares.open(call_from("192.0.2.1", 701), shares.handle(share, FILE)))

    assert (strict.who.gid, strict.who.groups) == (gid, groups)
    assert (other.who.gid, other.who.groups) == (USER.gid, tuple(USER.gids))


def test_verifiers_of_two_starts_differ() -> None:
    assert len({WriteVerifier().value for _ in range(1000)}) == 1000


def test_renewed_verifier_is_another_one() -> None:
    verifier = WriteVerifier()
    before = verifier.value

    verifier.renew()

    assert verifier.value != before
    assert len(verifier.value) == 8


def test_unknown_user_keeps_its_groups() -> None:
    shares, share = shares_with(ExportOptions(), groups_of=lambda uid, gid: None)

    found = opened(shares.open(call_from("192.0.2.1"), shares.handle(share, FILE)))

    assert found.who.groups == (4,)


def test_options_may_depend_on_the_flavor() -> None:
    lax = FlavorOptions("none", ro=False, secure=False, root_squash=True, all_squash=True)
    shares, share = shares_with(ExportOptions(sec=("none", "sys"), by_flavor=(lax,)))

    found = opened(shares.open(call_from("192.0.2.1", 5000, None), shares.handle(share, FILE)))

    assert not found.options.ro
    assert refusal(shares.open(call_from("192.0.2.1", 5000), shares.handle(share, FILE))) == (
        nfsstat3.NFS3ERR_PERM
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/srv/a/b", [b"/srv/a", b"/srv"]),
        (b"/srv/a", [b"/srv/a", b"/srv"]),
        (b"/srv/ab", [b"/srv"]),
        (b"/srvx", []),
        (b"/", []),
        (b"srv", []),
        (b"", []),
    ],
)
def test_shares_around_a_path_are_innermost_first(path: bytes, expected: list[bytes]) -> None:
    shares = Shares(Handles(bytes(32)))
    rules = FixedRules()
    shares.replace(
        [Share(tag, name, Rooted(), rules, tag) for tag, name in ((1, b"/srv"), (2, b"/srv/a"))]
    )

    assert [share.path for share, _ in shares.around(path)] == expected
    assert [place for _, place in shares.around(path)] == expected


def test_share_is_found_by_its_spellings() -> None:
    shares = Shares(Handles(bytes(32)))
    share = Share(1, b"/srv", Rooted(), FixedRules(), 1, spellings={b"/data", b"/srv"})
    other = Share(2, b"/data/a", Rooted(), FixedRules(), 2, spellings={b"/srv"})
    shares.replace([share, other])

    assert list(shares.around(b"/data/a/b")) == [(other, b"/data/a"), (share, b"/data")]
    assert list(shares.around(b"/srv/a")) == [(share, b"/srv")]


def test_root_is_around_every_path() -> None:
    shares = Shares(Handles(bytes(32)))
    root = Share(1, b"/", Rooted(), FixedRules(), 1)
    shares.replace([root])

    for path in (b"/", b"/a", b"/a/b"):
        assert list(shares.around(path)) == [(root, b"/")]


def test_generation_grows_with_each_replacement() -> None:
    shares = Shares(Handles(bytes(32)))
    before = shares.generation

    shares.replace([])

    assert shares.generation == before + 1
