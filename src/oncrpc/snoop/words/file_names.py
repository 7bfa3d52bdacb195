"""Paths of the files in calls, from names in calls and from handles in earlier replies."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.bodies import body_of
from oncrpc.snoop.words.compound_files import CompoundFiles, joined
from oncrpc.snoop.words.cursor import LONGEST_HANDLE, Cursor, CutShort, adler_hash, handle_hash
from oncrpc.snoop.words.file_shapes import CALLS, COMPOUND, READDIRPLUS, REPLIES, Key
from oncrpc.snoop.words.nfs3 import skip_attributes
from oncrpc.snoop.words.templates import FHSIZE

MAX_PATHS = 16_384
"""File handles whose paths are remembered; then the least recently used is forgotten."""

MAX_PATH = 256
"""Characters of a remembered path; dots replace the beginning of a longer one."""

HANDLES: dict[str, Callable[[Cursor], bytes]] = {
    "h": Cursor.opaque,
    "f": lambda cursor: cursor.fixed(FHSIZE),
}
SKIPPED: dict[str, Callable[[Cursor], object]] = {
    "o": Cursor.skip_opaque,
    "w": lambda cursor: cursor.skip(4),
}
Handle = tuple[str, bytes]
"""A server, and a handle that it gave out."""


class FileNames:
    """The paths of files by their handles, learned from LOOKUP, CREATE, READDIRPLUS and MNT.

    A path begins with an export, or with the hash of a handle whose path is not known.
    Cache: paths by server and handle, at most ``MAX_PATHS``, least recently used. A new path of a
    handle replaces the earlier one. A handle longer than those of NFS is not remembered.
    """

    def __init__(self) -> None:
        self._paths: OrderedDict[Handle, str] = OrderedDict()

    def learn(self, message: RpcMessage) -> None:
        """Learn the handles in a reply; calls are ignored."""
        call = message.call
        key = _key(message)
        if message.is_call or call is None or key is None:
            return
        server = call.target.host
        try:
            if key == COMPOUND:
                found = self._compound(call).handles(body_of(message))
            elif key == READDIRPLUS:
                found = self._entries(call, body_of(message))
            else:
                found = self._named(call, key, body_of(message))
            for handle, path in found:
                self._remember((server, handle), path)
        except CutShort:
            return

    def files_of(self, message: RpcMessage) -> tuple[str, ...]:
        """The paths of the files in a call, or in the call of a reply."""
        call = message if message.is_call else message.call
        key = _key(message)
        if call is None or key is None:
            return ()
        if key == COMPOUND:
            return self._compound(call).files
        return tuple(self._files(call, CALLS.get(key, "")))

    def _path_of(self, handle: Handle, shown: Callable[[bytes], int]) -> str:
        """The path of a handle; if it is not known, the handle as in the lines of rpcsnoop."""
        path = self._paths.get(handle)
        if path is None:
            return f"FH={shown(handle[1]):04X}"
        self._paths.move_to_end(handle)
        return path

    def _compound(self, call: RpcMessage) -> CompoundFiles:
        server = call.target.host
        return CompoundFiles(
            body_of(call), lambda handle: self._path_of((server, handle), adler_hash)
        )

    def _files(self, call: RpcMessage, shape: str) -> Iterator[str]:
        """The files of a call, as far as it was captured; a name follows its directory."""
        cursor = body_of(call)
        directory: str | None = None
        if cursor is None:
            return
        try:
            for letter in shape:
                if letter in SKIPPED:
                    SKIPPED[letter](cursor)
                elif letter == "n":
                    yield joined(directory, cursor.text())
                    directory = None
                else:
                    if directory is not None:
                        yield directory
                    handle = (call.target.host, HANDLES[letter](cursor))
                    directory = self._path_of(handle, handle_hash)
        except CutShort:
            pass
        if directory is not None:
            yield directory

    def _named(
        self, call: RpcMessage, key: Key, results: Cursor | None
    ) -> Iterator[tuple[bytes, str]]:
        """The handle in a reply, with the path of the file that the call names."""
        shape = REPLIES.get(key)
        if shape is None or results is None or results.uint():
            return
        if shape[0] != "?" or results.uint():
            handle = HANDLES[shape[-1]](results)
            for path in self.files_of(call)[:1]:
                yield handle, path

    def _entries(self, call: RpcMessage, results: Cursor | None) -> Iterator[tuple[bytes, str]]:
        """The handles in a READDIRPLUS reply, with the paths of their files."""
        directory = self.files_of(call)
        if results is None or results.uint() or not directory:
            return
        skip_attributes(results)
        results.skip(8)
        while results.uint():
            results.skip(8)
            name = results.text()
            results.skip(8)
            skip_attributes(results)
            if results.uint():
                handle = results.opaque()
                if name not in (".", ".."):
                    yield handle, joined(directory[0], name)

    def _remember(self, handle: Handle, path: str) -> None:
        if len(handle[1]) > LONGEST_HANDLE:
            return
        self._paths[handle] = path if len(path) <= MAX_PATH else f"...{path[3 - MAX_PATH :]}"
        self._paths.move_to_end(handle)
        if len(self._paths) > MAX_PATHS:
            self._paths.popitem(last=False)


def _key(message: RpcMessage) -> Key | None:
    if message.prog is None or message.vers is None or message.proc is None:
        return None
    return message.prog, message.vers, message.proc
