"""File handles: the export and the file, signed by the server (RFC 1813 §2.3.3).

::

    1 byte    the layout, 1
    1 byte    length of the file's id
    2 bytes   the export's tag
    ...       the file's id, 1 to 44 bytes, given by the back end
    8 bytes   signature: keyed BLAKE2b of everything before it

A handle with a changed bit, or with the id of a file of another export, has a wrong signature, and
never reaches a file system. In version 2 handles have 32 bytes: zeros follow.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

from oncrpc.nfs.filesystem import MAX_ID, MAX_ID_V2
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import FHSIZE
from oncrpc.programs.nfs3 import nfsstat3

LAYOUT = 1
HEADER = 4
SIGNATURE = 8
KEY_SIZE = 32
"""Bytes of the key."""

MAX_TAG = 0xFFFF
"""Tags that can ever be given to exports."""

FOREIGN = "it does not have the form of the handles of this server"
OTHER_KEY = "it is not signed with the key of this server"


class Handles:
    """Makes and opens handles with one key.

    ``padded``: version 3 accepts the handles of version 2, too. U-Boot mounts by MOUNT version 2,
    and uses version 3 of NFS where version 2 is not served.
    """

    def __init__(self, key: bytes, *, padded: bool = False) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key of {len(key)} bytes: it must have {KEY_SIZE}")
        self._keyed = blake2b(key=key, digest_size=SIGNATURE)
        self._padded = padded

    def make(self, tag: int, file: bytes) -> bytes:
        """The handle of a file of the export with this tag.

        Raises:
            ValueError: the id is empty or longer than 44 bytes.
        """
        if not 1 <= len(file) <= MAX_ID:
            raise ValueError(f"a file's id of {len(file)} bytes: 1 to {MAX_ID} are possible")
        body = bytes((LAYOUT, len(file), tag >> 8, tag & 255)) + file
        return body + self._signature(body)

    def maker(self, tag: int, size: int) -> Callable[[bytes], bytes]:
        """A function that makes the handles of files of one export whose ids have this size.

        It does as ``make``, for many files: the part that all have in common is signed once.
        """
        head = bytes((LAYOUT, size, tag >> 8, tag & 255))
        begun = self._keyed.copy()
        begun.update(head)

        def make(file: bytes) -> bytes:
            keyed = begun.copy()
            keyed.update(file)
            return b"".join((head, file, keyed.digest()))

        if not 1 <= size <= MAX_ID:
            raise ValueError(f"a file's id of {size} bytes: 1 to {MAX_ID} are possible")
        return make

    def make_v2(self, tag: int, file: bytes) -> bytes:
        """The same for version 2.

        Raises:
            NfsError: NFS3ERR_NOTSUPP: the id is longer than 20 bytes.
        """
        if len(file) > MAX_ID_V2:
            reason = f"an id of {len(file)} bytes has no room in a handle of version 2"
            raise NfsError(nfsstat3.NFS3ERR_NOTSUPP, reason)
        return self.make(tag, file).ljust(FHSIZE, b"\0")

    def open(self, handle: bytes) -> tuple[int, bytes]:
        """The tag of the export, and the file's id.

        Raises:
            NfsError: NFS3ERR_BADHANDLE: not the form of our handles. NFS3ERR_STALE: not our
                signature.
        """
        return self.open_any(handle) if self._padded else self._open(handle)

    def open_any(self, handle: bytes) -> tuple[int, bytes]:
        """As ``open``, for handles of either version: the lock manager serves clients of both."""
        return self.open_v2(handle) if len(handle) == FHSIZE else self._open(handle)

    def open_v2(self, handle: bytes) -> tuple[int, bytes]:
        """The same for version 2."""
        used = HEADER + (handle[1] if len(handle) == FHSIZE else FHSIZE) + SIGNATURE
        if used > FHSIZE or any(handle[used:]):
            raise NfsError(nfsstat3.NFS3ERR_BADHANDLE, FOREIGN)
        return self._open(handle[:used])

    def _open(self, handle: bytes) -> tuple[int, bytes]:
        end = len(handle) - SIGNATURE
        if end <= HEADER or handle[0] != LAYOUT or handle[1] != end - HEADER or handle[1] > MAX_ID:
            raise NfsError(nfsstat3.NFS3ERR_BADHANDLE, FOREIGN)
        body = handle[:end]
        if not compare_digest(handle[end:], self._signature(body)):
            raise NfsError(nfsstat3.NFS3ERR_STALE, OTHER_KEY)
        return int.from_bytes(body[2:4], "big"), body[HEADER:]

    def _signature(self, body: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(body)
        return keyed.digest()
