"""What the server keeps over restarts: the key of handles, the tags of exports, the mount list."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.server.keys import Keys, Tags, open_keys

log = logging.getLogger("oncrpc.nfs")


class LeftState(msgspec.Struct, frozen=True):
    """The state for the next image of the process.

    ``key`` and ``tags`` are those of handles if no file has them; ``parts`` is what each program
    has left, by its name; ``workers`` are the replies that each worker process has kept.
    """

    key: bytes = b""
    tags: dict[str, int] = {}
    duplicates: msgspec.Raw = msgspec.Raw(b"[]")
    parts: dict[str, bytes] = {}
    workers: list[bytes] = []


class ServerState(NamedTuple):
    """The state directory, None if there is none, and what was read from it."""

    directory: Directory | None
    keys: Keys

    def left(
        self, duplicates: bytes, parts: Mapping[str, bytes], workers: Sequence[bytes] = ()
    ) -> LeftState:
        """What the next image needs besides the files."""
        kept = LeftState(duplicates=msgspec.Raw(duplicates), parts=dict(parts), workers=[*workers])
        if self.directory is not None:
            return kept
        return replace(kept, key=self.keys.key, tags=dict(self.keys.tags.known))


def left_state(left: bytes) -> LeftState:
    """Decode the state of an earlier image; empty if it is of another version."""
    try:
        return msgspec.json.decode(left, type=LeftState | None) or LeftState()
    except msgspec.DecodeError as error:
        log.warning("what the former program left is not understood: %s", error)
        return LeftState()


def open_state(folder: str | None, former: LeftState) -> ServerState:
    """Open the state directory, and read the keys.

    Raises:
        StartError: the directory or a file in it cannot be used.
    """
    if folder is None:
        kept = Keys(former.key, Tags(former.tags)) if former.key else open_keys(None)
        return ServerState(None, kept)
    directory = Directory(folder)
    try:
        return ServerState(directory, open_keys(directory))
    except BaseException:
        directory.close()
        raise
