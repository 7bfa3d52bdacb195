"""What the status monitor keeps on disk, as lines of text.

::

    4f2c7a1e + peer 192.0.2.1 client.example.com 192.0.2.9 7
    9d01b3c2 + notice 192.0.2.5 192.0.2.9 % 1764000000
    77aa1f03 - peer 192.0.2.1 client.example.com

A line begins with the checksum of the rest. ``+`` adds or replaces an entry, ``-`` removes it and
has only its key. Words are quoted as in URLs; a lone ``%`` is an empty word.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from sys import intern
from typing import NamedTuple, Self
from urllib.parse import quote_from_bytes, unquote_to_bytes
from zlib import crc32

from oncrpc.nfs.locks.terms import LockClient
from oncrpc.programs.sm_inter import SM_PRIV_SIZE

Word = bytes | str | int
ADD, REMOVE = b"+", b"-"
EMPTY, SAFE = b"%", "/:+"
_PLAIN = re.compile(rb"[A-Za-z0-9_.~/:+-]+")


class StateNumber(NamedTuple):
    """The state number of this host; there is only one.

    ``at_boot`` is the number with which this boot began: the kernel's locks belong to it.
    ``boot`` is the kernel's id of the boot.
    """

    state: int
    at_boot: int
    boot: bytes

    @property
    def words(self) -> Sequence[Word]:
        """All fields."""
        return self

    @property
    def key(self) -> tuple[Word, ...]:
        """No words."""
        return ()

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Self:
        """The entry with these words."""
        state, at_boot, boot = words
        return cls(int(state), int(at_boot), boot)

    @classmethod
    def key_of(cls, words: Sequence[bytes]) -> tuple[Word, ...]:
        """The key with these words."""
        return tuple(words)


class WatchedPeer(NamedTuple):
    """A client of our own lock manager, and its last known state, 0 if none is known.

    ``own_host`` is the address of this host that it called.
    """

    client: LockClient
    own_host: str
    state: int

    @property
    def words(self) -> Sequence[Word]:
        """All fields."""
        return *self.client, self.own_host, self.state

    @property
    def key(self) -> LockClient:
        """The client's address and name."""
        return self.client

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Self:
        """The entry with these words."""
        *client, own_host, state = words
        return cls(cls.key_of(client), intern(own_host.decode("ascii")), int(state))

    @classmethod
    def key_of(cls, words: Sequence[bytes]) -> LockClient:
        """The key with these words."""
        host, name = words
        return LockClient(host.decode("ascii"), name)


class MonitorKey(NamedTuple):
    """The host that is watched, and the procedure to call: SM_MON's names are in lower case."""

    mon_name: bytes
    my_name: bytes
    prog: int
    vers: int
    proc: int


class RpcMonitor(NamedTuple):
    """A host that is watched for a program of this host, since SM_MON.

    The names are as the program gave them. ``state`` is the last known state of the host, 0 if none
    is known, and ``told`` the one of the last callback.
    """

    mon_name: bytes
    my_name: bytes
    prog: int
    vers: int
    proc: int
    priv: bytes
    state: int = 0
    told: int = 0

    @property
    def words(self) -> Sequence[Word]:
        """All fields."""
        return self

    @property
    def key(self) -> MonitorKey:
        """The names without regard to case, and the procedure."""
        return monitor_key(self.mon_name, self.my_name, self.prog, self.vers, self.proc)

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Self:
        """The entry with these words."""
        mon_name, my_name, *numbers, priv, state, told = words
        prog, vers, proc = map(int, numbers)
        if len(priv) != SM_PRIV_SIZE:
            raise ValueError(f"{len(priv)} bytes of private data")
        return cls(mon_name, my_name, prog, vers, proc, priv, int(state), int(told))

    @classmethod
    def key_of(cls, words: Sequence[bytes]) -> MonitorKey:
        """The key with these words."""
        mon_name, my_name, *numbers = words
        prog, vers, proc = map(int, numbers)
        return MonitorKey(mon_name, my_name, prog, vers, proc)


def monitor_key(mon_name: bytes, my_name: bytes, prog: int, vers: int, proc: int) -> MonitorKey:
    """The key of a monitor; upper and lower case of names are the same."""
    return MonitorKey(mon_name.lower(), my_name.lower(), prog, vers, proc)


class RestartNotice(NamedTuple):
    """A host that has not been notified yet that this host has restarted.

    ``host`` is its address or name. The notice is sent from ``own_host``, any address if that is
    empty, and names this host ``my_name``; if that is empty, by all of its names. ``since`` is the
    time in seconds since 1970.
    """

    host: str
    own_host: str
    my_name: bytes
    since: int

    @property
    def words(self) -> Sequence[Word]:
        """All fields."""
        return self

    @property
    def key(self) -> tuple[str, str, bytes]:
        """Everything but the time."""
        return self[:3]

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Self:
        """The entry with these words."""
        *key, since = words
        return cls(*cls.key_of(key), int(since))

    @classmethod
    def key_of(cls, words: Sequence[bytes]) -> tuple[str, str, bytes]:
        """The key with these words."""
        host, own_host, my_name = words
        return host.decode("ascii"), intern(own_host.decode("ascii")), my_name


Entry = StateNumber | WatchedPeer | RpcMonitor | RestartNotice
KINDS: dict[bytes, type[Entry]] = {
    b"state": StateNumber,
    b"peer": WatchedPeer,
    b"monitor": RpcMonitor,
    b"notice": RestartNotice,
}
NAMES = {kind: name for name, kind in KINDS.items()}


def added_line(entry: Entry) -> bytes:
    """The line that adds or replaces an entry."""
    return _line(ADD, NAMES[type(entry)], *entry.words)


def removed_line(entry: Entry) -> bytes:
    """The line that removes an entry."""
    return _line(REMOVE, NAMES[type(entry)], *entry.key)


def _line(*words: Word) -> bytes:
    text = b" ".join(map(_quoted, words))
    return b"%08x %s\n" % (crc32(text), text)


def _quoted(word: Word) -> bytes:
    data = word if isinstance(word, bytes) else str(word).encode()
    if _PLAIN.fullmatch(data):  # most are, and quoting takes four times as long
        return data
    return quote_from_bytes(data, safe=SAFE).encode() or EMPTY


class KeptChange(NamedTuple):
    """A line of the file: a key, and the entry that it gets; None removes what it has."""

    kind: type[Entry]
    key: Hashable
    entry: Entry | None


def change_of(line: bytes) -> KeptChange:
    """The change that a line is, without its end.

    Raises:
        ValueError: it is not a line of this file, or damaged.
    """
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % crc32(text):
        raise ValueError("the checksum is wrong")
    sign, name, *quoted = text.split(b" ")
    kind = KINDS.get(name)
    if kind is None or sign not in (ADD, REMOVE):
        raise ValueError("an unknown kind of entry")
    words = [b"" if word == EMPTY else unquote_to_bytes(word) for word in quoted]
    if sign == REMOVE:
        return KeptChange(kind, kind.key_of(words), None)
    entry = kind.of(words)
    return KeptChange(kind, entry.key, entry)
