"""The key that signs handles, and the tags of the exports in them, kept in the state directory.

Handles stay valid over a restart only if both are the same again. There are two files, each with a
version in its first line::

    key     nfsd key 1                  tags    nfsd tags 1
            <64 hexadecimal digits>             key <the key's fingerprint>
                                                1 "fsid=7"
                                                2 "uuid=1f2e... root=/srv"

A tag belongs to an export for ever: if another export got it, the handles of the first one would
open files of the second. So ``tags`` only grows, and an entry is on disk before it is used. At the
first start ``tags`` is written before ``key``: a missing file is never mistaken for a first start
once a handle may have been given out.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.directory import Directory
from oncrpc.host.files import replace_file, write_whole
from oncrpc.nfs.handles import KEY_SIZE, MAX_TAG

log = logging.getLogger("oncrpc.nfs")

KEY_FILE, TAGS_FILE = "key", "tags"
KEY_VERSION, TAGS_VERSION = "nfsd key 1", "nfsd tags 1"
MAX_IDENTITY = 4096
"""Characters of an export's identity."""

LOSS = "all clients get 'Stale file handle' (ESTALE) and have to mount again"
NEXT_STEP = (
    "restore {0}/key and {0}/tags from one backup; or remove both files, and the daemon makes new"
    f" ones: then {LOSS}"
)
NOT_KEPT = (
    "file handles are not kept on disk, since --no-state is given or there is no state directory:"
    f" when nfsd is started again, {LOSS}, and locks are lost"
)
_KEY = re.compile(rf"{KEY_VERSION}\n([0-9a-f]{{{2 * KEY_SIZE}}})\n", re.ASCII)
_TAGS = re.compile(rf"{TAGS_VERSION}\nkey ([0-9a-f]{{16}})\n((?:[1-9][0-9]* \".*\"\n)*)", re.ASCII)


class Keys(NamedTuple):
    """The key of the handles, and the tags of the exports."""

    key: bytes
    tags: Tags


class Tags:
    """The tags of exports, by the exports' identity; ``directory`` keeps them, if there is one."""

    def __init__(
        self, known: Mapping[str, int], *, directory: Directory | None = None, head: str = ""
    ) -> None:
        self._known, self._directory, self._head = dict(known), directory, head

    def __len__(self) -> int:
        return len(self._known)

    @property
    def known(self) -> Mapping[str, int]:
        """The tags that were given so far, by identity."""
        return self._known

    def tag_for(self, identity: str) -> int:
        """The tag of an export; see ``tags_for``."""
        return self.tags_for([identity])[0]

    def tags_for(self, identities: Sequence[str]) -> list[int]:
        """The tags of exports; new ones are on disk when this returns.

        An identity is what stays the same when the export is moved or listed in another order: its
        fsid, or the UUID of its file system with the id of its root.

        Raises:
            ValueError: an identity is empty or too long.
            StartError: no tag is left, or the file cannot be written. No tag was given then.
        """
        grown = dict(self._known)
        for identity in identities:
            if not 1 <= len(identity) <= MAX_IDENTITY:
                raise ValueError(f"an identity of {len(identity)} characters: 1 to {MAX_IDENTITY}")
            # Entries are never removed, so the next number was never used.
            grown.setdefault(identity, len(grown) + 1)
        if len(grown) > len(self._known):
            self._keep(grown)
        return [grown[identity] for identity in identities]

    def _keep(self, grown: dict[str, int]) -> None:
        if len(grown) > MAX_TAG:
            raise StartError(
                f"no tag is left for another export: {MAX_TAG} have been used since"
                f" {self._place()} was made; give exports an fsid that stays the same, and "
                + NEXT_STEP.format(self._directory.path if self._directory else "")
            )
        if self._directory is not None:
            _write(self._directory, TAGS_FILE, _tags_text(self._head, grown))
        self._known = grown

    def _place(self) -> str:
        return f"{self._directory.path}/{TAGS_FILE}" if self._directory else "the daemon's start"


def open_keys(directory: Directory | None) -> Keys:
    """Read the key and the tags, or make them at the first start.

    Without a directory they are new, and a line in the log says what that means.

    Raises:
        StartError: a file is lost, damaged, or others could have changed or read it.
    """
    if directory is None:
        log.warning(NOT_KEPT)
        return Keys(secrets.token_bytes(KEY_SIZE), Tags({}))
    key_text, tags_text = _read(directory, KEY_FILE), _read(directory, TAGS_FILE)
    found = None if tags_text is None else _parsed_tags(directory, tags_text)
    if key_text is None:
        if found is not None and found[1]:
            raise _unusable(directory, KEY_FILE, "is missing")
        return _first(directory)
    if found is None:
        raise _unusable(directory, TAGS_FILE, "is missing")
    key, (fingerprint, known) = _parsed_key(directory, key_text), found
    if fingerprint != fingerprint_of(key):
        raise _unusable(directory, TAGS_FILE, "belongs to another key")
    return Keys(key, Tags(known, directory=directory, head=fingerprint))


def fingerprint_of(key: bytes) -> str:
    """A text that identifies a key, and does not reveal it."""
    return blake2b(key, digest_size=8, person=b"nfsd tags").hexdigest()


def _first(directory: Directory) -> Keys:
    """Make both files. After a crash between the two, ``tags`` is empty and is made again."""
    key = secrets.token_bytes(KEY_SIZE)
    head = fingerprint_of(key)
    _write(directory, TAGS_FILE, _tags_text(head, {}))
    _write(directory, KEY_FILE, f"{KEY_VERSION}\n{key.hex()}\n")
    return Keys(key, Tags({}, directory=directory, head=head))


def _parsed_key(directory: Directory, text: str) -> bytes:
    matched = _KEY.fullmatch(text)
    if matched is None:
        raise _unusable(directory, KEY_FILE, _damage(text, KEY_VERSION))
    return bytes.fromhex(matched[1])


def _parsed_tags(directory: Directory, text: str) -> tuple[str, dict[str, int]]:
    """The fingerprint of the key, and the tags. They are numbered in the order of the file."""
    matched = _TAGS.fullmatch(text)
    if matched is None:
        raise _unusable(directory, TAGS_FILE, _damage(text, TAGS_VERSION))
    known: dict[str, int] = {}
    for number, line in enumerate(matched[2].split("\n")[:-1], 1):
        tag, _, quoted = line.partition(" ")
        identity = _unquoted(quoted)
        if int(tag) != number or number > MAX_TAG or identity is None or identity in known:
            raise _unusable(directory, TAGS_FILE, f"is damaged in line {number + 2}")
        known[identity] = number
    return matched[1], known


def _unquoted(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str) and value else None


def _tags_text(head: str, known: Mapping[str, int]) -> str:
    lines = [TAGS_VERSION, f"key {head}"]
    lines += [f"{tag} {json.dumps(identity)}" for identity, tag in known.items()]
    return "".join(f"{line}\n" for line in lines)


def _damage(text: str, version: str) -> str:
    first = text.partition("\n")[0]
    name = version.rpartition(" ")[0]
    if first != version and re.fullmatch(rf"{name} [0-9]+", first, re.ASCII):
        return f"is of another version of the daemon ({first!r} instead of {version!r})"
    return "is damaged"


def _unusable(directory: Directory, name: str, reason: str) -> StartError:
    return StartError(f"{directory.path}/{name} {reason}; {NEXT_STEP.format(directory.path)}")


def _read(directory: Directory, name: str) -> str | None:
    try:
        data = directory.read(name)
    except OSError as error:
        reason = f"cannot be used: {error.strerror}"
        raise _unusable(directory, name, reason) from None
    return None if data is None else data.decode("ascii", "replace")


def _write(directory: Directory, name: str, text: str) -> None:
    """Replace a file in one step; it is on disk when this returns."""
    try:
        replace_durably(directory, name, [text.encode("ascii")])
    except OSError as error:
        raise StartError(f"cannot write {directory.path}/{name}: {error.strerror}") from None


def replace_durably(directory: Directory, name: str, pieces: Iterable[bytes]) -> None:
    """Replace a file in one step, and bring it and its directory to disk.

    Raises:
        OSError: it failed; the old or the new file is there, and is whole.
    """

    def write(descriptor: int) -> None:
        for piece in pieces:
            write_whole(descriptor, piece, write=directory.write)
        os.fsync(descriptor)

    os.close(replace_file(name, write, folder=directory.fileno()))
    os.fsync(directory.fileno())
