"""Known attacks on NFS servers, repeated against ours; the page lists them with their tests."""

from __future__ import annotations

import ast
import asyncio
import os
import random
import re
import resource
from pathlib import Path

import pytest

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import MAX_ID, MAX_ID_V2
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Opened, Share, Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import FHSIZE, NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, GETATTR3args, nfsstat3
from oncrpc.rpc import AUTH_NONE, Call
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import authsys_parms
from oncrpc.testing import ManualClock
from support.exported import Exported
from support.mount_site import CLIENT, OTHER, ListedRules, tcp
from support.words import words

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "nfs-security.md"
FORGED = int(os.environ.get("ONCRPC_FORGED_HANDLES", "1000000"))
"""Handles that are tried; a long run sets a larger number."""

KEY = bytes(range(32))
NAMED = re.findall(r"`tests/([\w/]+\.py)::(\w+)`", PAGE.read_text())


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_named_test_exists(path: str, name: str) -> None:
    tree, kinds = ast.parse((TESTS / path).read_text()), (ast.FunctionDef, ast.AsyncFunctionDef)

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_claim_has_a_row() -> None:
    numbers = set[int]()
    for claim, what, shown in rows("Claims about behaviour"):
        first, _, last = claim.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
        assert shown != "-" or "not served yet" in what

    assert numbers == set(range(1, 26))


def test_every_attack_has_a_test_or_reason() -> None:
    attacks = rows("Known attacks")

    assert len(attacks) >= 16
    assert [row for row in attacks if row[2] == "-" and "not served yet" not in row[1]] == []


@pytest.mark.slow
@pytest.mark.parametrize("v2", [False, True], ids=["v3", "v2"])
def test_forged_handles_are_refused(v2: bool) -> None:
    """Goal G9: handles that were edited in every way, and random bytes: none is accepted."""
    handles, source = Handles(KEY), random.Random(1813)
    make, open_ = (handles.make_v2, handles.open_v2) if v2 else (handles.make, handles.open)
    longest = MAX_ID_V2 if v2 else MAX_ID
    ids = [source.randbytes(source.randrange(1, longest + 1)) for _ in range(64)]
    real = [make(source.randrange(1, 9), file) for file in ids]
    accepted = list[bytes]()
    genuine = {*real, *(handle.ljust(FHSIZE, b"\0") for handle in real)}  # also as of version 2
    for _ in range(FORGED // 2):
        handle = edited(source, source.choice(real), source.choice(real))
        try:
            open_(handle)
        except NfsError:
            continue
        if handle not in genuine:
            accepted.append(handle)

    assert accepted == []


def edited(source: random.Random, handle: bytes, other: bytes) -> bytes:
    """A handle with other bits, or another tag, id, length or signature; some are of ``other``."""
    data = bytearray(handle)
    end = 4 + handle[1]
    match source.randrange(10):
        case 0:
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        case 1:
            data[2:4] = source.randbytes(2)
        case 2:
            data[2:4] = other[2:4]
        case 3:
            data[end : end + 8] = source.randbytes(8)
        case 4:
            data[end : end + 8] = other[4 + other[1] :][:8]
        case 5:
            data[4:end] = source.randbytes(handle[1])
        case 6:
            data[1], data[4:end] = other[1], other[4 : 4 + other[1]]
        case 7:
            del data[source.randrange(len(data)) :]
        case 8:
            data += source.randbytes(source.randrange(1, 9))
        case _:
            data = bytearray(handle[:2] + source.randbytes(len(data) - 2))
    return bytes(data)


@pytest.mark.parametrize(
    "handle",
    [
        bytes.fromhex("01000700 02000000 00000000 00000000"),  # knfsd: fsid type 7, inode 2
        bytes.fromhex("01000100 00000000"),                    # knfsd: the root of fsid 0
        bytes.fromhex("0100060200000000") + bytes(16) + (2).to_bytes(8, "little"),
        b"\1\x08\0\7" + (2).to_bytes(8, "little"),             # our form without a signature
        b"\1\x08\0\7" + (2).to_bytes(8, "little") + bytes(8),  # with an empty one
        bytes(32), bytes(64), b"",
    ],
)  # fmt: skip
def test_unsigned_kernel_handles_are_refused(handle: bytes) -> None:
    handles = Handles(KEY)

    with pytest.raises(NfsError) as caught:
        handles.open(handle)

    assert caught.value.status in (nfsstat3.NFS3ERR_BADHANDLE, nfsstat3.NFS3ERR_STALE)
    with pytest.raises(NfsError):
        handles.open_v2(handle)


def test_longest_handle_has_56_bytes() -> None:
    """Claim 18: ESXi refuses longer ones."""
    assert len(Handles(KEY).make(0xFFFF, bytes(MAX_ID))) == 56


SQUASHES = [
    ExportOptions(),
    ExportOptions(root_squash=False),
    ExportOptions(all_squash=True, anonuid=4000, anongid=4000),
    ExportOptions(anonuid=5000, anongid=5000),
    None,
]
"""The options of the exports of the matrix; None does not export to the host."""

CREDENTIALS = {uid: authsys_parms(0, b"client", uid, uid, [0, 7]) for uid in (0, 1000)}


@pytest.fixture
def matrix() -> Shares:
    """An export for each of ``SQUASHES``, by tag, all of one file system."""
    shares, files = Shares(Handles(KEY)), MemoryFileSystem()
    shares.replace(
        [
            Share(
                tag, b"/%d" % tag, files, ListedRules({} if rule is None else {CLIENT: rule}), tag
            )
            for tag, rule in enumerate(SQUASHES, 1)
        ]
    )
    return shares


@pytest.mark.parametrize("uid", CREDENTIALS)
@pytest.mark.parametrize("tag", range(1, len(SQUASHES) + 1))
def test_handle_has_the_rules_of_its_export(matrix: Shares, tag: int, uid: int) -> None:
    """The matrix of handles, exports and squashing: no handle is valid in another export."""
    handle = matrix.handles.make(tag, next(iter(matrix)).filesystem.root)
    options = SQUASHES[tag - 1]
    found = opened(matrix, handle, uid)

    if options is None:
        assert found is nfsstat3.NFS3ERR_ACCES
    else:
        assert isinstance(found, Opened)
        assert (found.share.tag, found.options) == (tag, options)
        assert found.who[:3] == squashed(options, uid)
    assert opened(matrix, handle, uid, host=OTHER) is nfsstat3.NFS3ERR_ACCES
    for other in range(1, len(SQUASHES) + 2):
        carried = handle[:2] + other.to_bytes(2, "big") + handle[4:]
        if other != tag:
            assert opened(matrix, carried, uid) is nfsstat3.NFS3ERR_STALE


def squashed(options: ExportOptions, uid: int) -> tuple[int, int, tuple[int, ...]]:
    """The user and the groups that exports(5) gives to a caller with groups 0 and 7."""
    anonymous = options.anonuid, options.anongid
    if options.all_squash:
        return *anonymous, ()
    if options.root_squash:
        user = anonymous if uid == 0 else (uid, uid)
        return *user, (options.anongid, 7)
    return uid, uid, (0, 7)


def opened(shares: Shares, handle: bytes, uid: int, *, host: str = CLIENT) -> Opened | nfsstat3:
    """The file of a handle for a caller, or why it is refused."""
    call = Call(
        1, NFS_V3.NFSPROC3_GETATTR, CREDENTIALS[uid], AUTH_NONE,
        caller=tcp(host), message=b"", arguments_at=0,
    )  # fmt: skip
    try:
        return asyncio.run(shares.open(call, handle))
    except NfsError as error:
        return error.status


def test_bytes_after_arguments_change_nothing() -> None:
    """CVE-2017-7895: what follows the arguments is neither read nor sent back."""
    exported = Exported()
    message = exported.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))

    plain = exported.reply(message)

    assert exported.reply(message + b"\xff" * 4096) == plain


PROCEDURES = [
    (version, procedure.number)
    for version in (NFS_V3, NFS_VERSION)
    for procedure in version.procedures.values()
    if procedure.arguments
]


@pytest.fixture(scope="module")
def dispatcher() -> Dispatcher:
    """MOUNT and both versions of NFS, over an export."""
    shares = Shares(Handles(KEY))
    rules = ListedRules({CLIENT: ExportOptions(ro=False)})
    shares.replace([Share(1, b"/srv", MemoryFileSystem(), rules, 1)])
    mounting = MountProgram(shares, MountList())
    services = [Nfs3(shares), Nfs2(shares), *mounting.services()]
    return Dispatcher(services, clock=ManualClock())


@pytest.mark.slow
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF])
def test_announced_lengths_take_no_memory(dispatcher: Dispatcher, length: int) -> None:
    """CVE-2017-8779: 1,000 calls that announce 4 GiB."""

    async def scenario() -> None:
        for number in range(1000):
            version, proc = PROCEDURES[number % len(PROCEDURES)]
            call = words(
                number, 0, 2, version.prog, version.vers, proc, 0, 0, 0, 0,
                *[length] * 20,
            )  # fmt: skip
            reply = dispatcher.handle(call, tcp())
            sent = reply if isinstance(reply, bytes | None) else await reply
            assert sent is not None
            assert len(sent) < 1024

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asyncio.run(scenario())

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # KiB
