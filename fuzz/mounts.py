"""The mount protocol: sequences of calls by admitted and other hosts.

A mount that succeeds gives a handle of a directory of an export that the host may use, and only
such mounts are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from fuzz.datagrams import answer, check
from fuzz.driver import Target
from fuzz.mutation import joined, mutated, parted
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Attributes, Identity, NewAttributes
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_file import decoded_mounts, encoded_mounts
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX, fhstatus, mountres3
from oncrpc.programs.nfs3 import ftype3
from oncrpc.rpc import AUTH_NONE, Caller, auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.xdr import codec

MOST_CALLS = 8
ADMITTED, OTHER, STRANGER = "192.0.2.1", "2001:db8::1", "198.51.100.1"
CALLERS = (
    Caller("tcp", (ADMITTED, 700, 0), ("192.0.2.9", 2049, 0)),
    Caller("tcp", (ADMITTED, 5000, 0), ("192.0.2.9", 2049, 0)),
    Caller("udp", (ADMITTED, 700, 0), ("192.0.2.9", 2049, 0), datagram=True),
    Caller("udp", (OTHER, 700, 0), ("2001:db8::9", 2049, 0), datagram=True, to_group=True),
    Caller("tcp6", (OTHER, 700, 0), ("2001:db8::9", 2049, 0)),
    Caller("tcp", (STRANGER, 700, 0), ("192.0.2.9", 2049, 0)),
    Caller("local", uid=0, loopback=True),
)
VERSIONS = (MOUNTVERS, MOUNTVERS_POSIX, MOUNT_V3)
CREDENTIALS = (
    AUTH_NONE, auth_sys(b"host", 1000, 100, [4, 24]), auth_sys(b"host", 0, 0),
    auth_sys(b"", 0xFFFFFFFF, 0xFFFFFFFF, [0] * 16),
)  # fmt: skip
PARTS = (
    b"srv", b"srv", b"srv", b"a", b"b", b"closed", b"file", b"link", b"..", b".", b"", b"\0",
    b"\xff", b"n" * 255, b"n" * 256, b"etc", b"\n",
)  # fmt: skip
ROOT = Identity(0, 0)
KEY = bytes(32)


class FixedRules:
    """Rules that are a dictionary."""

    def __init__(self, hosts: Mapping[str, ExportOptions]) -> None:
        self.hosts = hosts

    def options_for(self, host: str) -> ExportOptions | None:
        return self.hosts.get(host)

    def groups(self) -> list[str]:
        return list(self.hosts)


def tree() -> MemoryFileSystem:
    """A small tree with a closed directory, a file and a link."""
    made = MemoryFileSystem()
    for path in ("a", "b", "closed"):
        mode = 0o700 if path == "closed" else 0o755
        below = made.mkdir(ROOT, made.root, path.encode(), NewAttributes(mode=mode))
        made.mkdir(ROOT, below, b"a", NewAttributes(mode=0o755))
    made.create(ROOT, made.root, b"file", NewAttributes(mode=0o644))
    made.symlink(ROOT, made.root, b"link", b"/etc", NewAttributes())
    return made


def exported() -> Shares:
    """Two exports, one below the other."""
    shares = Shares(Handles(KEY))
    outer = {ADMITTED: ExportOptions(), OTHER: ExportOptions(sec=("none", "krb5"))}
    inner = {OTHER: ExportOptions(all_squash=True), STRANGER: ExportOptions(sec=("krb5",))}
    shares.replace(
        [
            Share(1, b"/srv", tree(), FixedRules(outer), 1),
            Share(2, b"/srv/b", tree(), FixedRules(inner), 2),
        ]
    )
    return shares


def call(source: Random) -> bytes:
    """A call of any procedure, as a rule of MNT, with a path that may lead somewhere."""
    version = source.choice(VERSIONS)
    procedures: list[Any] = list(version.procedures.values())
    procedure = version.procedures[1] if source.random() < 0.6 else source.choice(procedures)
    place = version.prog, version.vers, procedure.number
    message = call_header(source.randrange(1 << 32), place, cred=source.choice(CREDENTIALS))
    path = b"/" + b"/".join(source.choices(PARTS, k=source.randrange(6)))
    if source.random() < 0.5:
        path = b"/srv" + path
    for declared in procedure.arguments:
        message += codec(declared).encode(path[:1024])
    return message


def make(source: Random) -> bytes:
    """A few calls, some of them wrong, each preceded by the number of its caller."""
    calls = []
    for _ in range(source.randrange(1, MOST_CALLS + 1)):
        message = call(source)
        if source.random() < 0.3:
            message = mutated(message, source, [call(source)])
        calls.append(bytes([source.randrange(len(CALLERS))]) + message)
    return joined(*calls)


def run(data: bytes) -> None:
    """Have them answered, and judge the mount list."""
    shares, mounts = exported(), MountList(most=6, most_of_host=3, clock=lambda: 0.0)
    program = MountProgram(shares, mounts)
    dispatcher = Dispatcher(program.services(), clock=lambda: 0.0)
    for part in parted(data, MOST_CALLS):
        number, message = (part or b"\0")[0], part[1:]
        caller = CALLERS[number % len(CALLERS)]
        program.only_allowed = bool(number & 128)
        reply = answer(dispatcher, message, caller)
        check(message, reply)
        if reply is not None:
            judge(shares, caller, message, reply)
    listed = list(mounts)
    assert len(listed) == len(mounts) <= 6
    assert all(host in (ADMITTED, OTHER) for host, _ in listed)
    assert all(directory.startswith(b"/srv") for _, directory in listed)
    again = list(decoded_mounts(encoded_mounts(mounts)))
    assert [host for host, _ in again] == [host for host, _ in mounts.hosts()]


def judge(shares: Shares, caller: Caller, message: bytes, reply: bytes) -> None:
    """A handle in a reply to MNT is that of a directory of an export of the caller's."""
    version, procedure = (int.from_bytes(message[at : at + 4], "big") for at in (16, 20))
    if procedure != 1 or version not in (1, 2, 3) or reply[8:24] != bytes(16):
        return
    if version == 3:
        result, _ = codec(mountres3).decode_from(reply, 24)
        handle = result.body.fhandle if result.body else None
        opened = shares.handles.open(handle) if handle else None
    else:
        status, _ = codec(fhstatus).decode_from(reply, 24)
        opened = shares.handles.open_v2(status.body) if status.body else None
    if opened is None:
        return
    tag, file = opened
    share = next(each for each in shares if each.tag == tag)
    options = share.rules.options_for(caller.host)
    assert options is not None
    assert caller.port < 1024
    attributes = share.filesystem.getattr(ROOT, file)
    assert isinstance(attributes, Attributes)
    assert attributes.kind is ftype3.NF3DIR


TARGET = Target("mounts", make, run)
