"""The files that clients know: a number for each, and its places in the tree.

FUSE names a file by a path or by an inode. An NFS handle must stay with the file when it is
renamed, and must never lead to another file. So each file that a client has seen gets a number,
which is never used again, and the table remembers its directory and name.

Key: the number, and the directory and the name. Bound: ``most`` files; then the file that was not
used for the longest time is forgotten, and its handles become stale. A directory stays as long as a
known file is in it.
"""

from __future__ import annotations

import errno
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from oncrpc.nfs.posix import refusal

MAX_KNOWN_FILES = 250_000
"""Files of a FUSE file system whose handles are valid at the same time, by default."""

MAX_REFERENCES = 50_000
"""Files of a pyfuse3 object whose inodes are held; others are looked up again by name."""

MAX_PATH = 1 << 16
"""Bytes of a path in a FUSE file system; deeper files are refused with ENAMETOOLONG."""

ID_BYTES = 16


@dataclass(eq=False, slots=True)
class KnownFile:
    """A file. ``places`` are its directories and names: one, more with hard links, none for the
    root.

    ``kind`` is the file type of ``st_mode``, 0 if it is not known yet. ``changed`` is the time of
    the last change by a client, in nanoseconds. ``held`` counts the known files in a directory and
    the open handles of a file: while there are any, it is not forgotten. ``inode``, ``generation``
    and ``lookups`` are used if the object has inodes: ``lookups`` is how often the object has
    counted a lookup that was not forgotten yet.
    """

    number: int
    places: list[tuple[KnownFile, bytes]] = field(default_factory=list)
    kind: int = 0
    changed: int = 0
    held: int = 0
    inode: int = 0
    generation: int = 0
    lookups: int = 0

    @property
    def above(self) -> KnownFile:
        """The directory above; the root is above itself."""
        return self.places[0][0] if self.places else self


class KnownFiles:
    """The table. ``root`` is never forgotten. ``forgotten`` has files to report to the object."""

    def __init__(self, most: int = MAX_KNOWN_FILES) -> None:
        if most < 2:
            raise ValueError("max_files must be at least 2")
        self._life, self._most, self._last = secrets.token_bytes(8), most, 1
        self.root = KnownFile(1)
        self._files = OrderedDict({1: self.root})
        self._names: dict[tuple[int, bytes], KnownFile] = {}
        self.forgotten: list[KnownFile] = []

    def __len__(self) -> int:
        return len(self._files)

    def id_of(self, file: KnownFile) -> bytes:
        """The id for NFS."""
        return self._life + file.number.to_bytes(8, "big")

    def get(self, file: bytes) -> KnownFile:
        """The file with this id.

        Raises:
            OSError: ESTALE: there is none.
        """
        if len(file) != ID_BYTES or file[:8] != self._life:
            raise refusal(errno.ESTALE)
        found = self._files.get(int.from_bytes(file[8:], "big"))
        if found is None:
            raise refusal(errno.ESTALE)
        self._files.move_to_end(found.number)
        return found

    def find(self, directory: KnownFile, name: bytes) -> KnownFile | None:
        """The file with this name, if it is known."""
        return self._names.get((directory.number, name))

    def named(self, directory: KnownFile, name: bytes) -> KnownFile:
        """The file with this name, added if it is not known."""
        found = self.find(directory, name)
        return self.add(directory, name) if found is None else found

    def add(self, directory: KnownFile, name: bytes) -> KnownFile:
        """Add a file. It replaces the one that had the name."""
        self._last += 1
        file = KnownFile(self._last)
        self._files[file.number] = file
        self.link(file, directory, name)
        self._make_room()
        return file

    def link(self, file: KnownFile, directory: KnownFile, name: bytes) -> None:
        """Give a file one more place."""
        self.unlink(directory, name)
        file.places.append((directory, name))
        self._names[directory.number, name] = file
        directory.held += 1

    def unlink(self, directory: KnownFile, name: bytes) -> KnownFile | None:
        """Remove a place; returns the file that had it."""
        file = self._names.pop((directory.number, name), None)
        if file is not None:
            file.places.remove((directory, name))
            directory.held -= 1
        return file

    def remove(self, file: KnownFile) -> None:
        """Remove a file that is gone. Files below a removed directory become stale."""
        if file is self.root or self._files.pop(file.number, None) is None:
            return
        for directory, name in list(file.places):
            self.unlink(directory, name)
        if file.lookups:
            self.forgotten.append(file)

    def path(self, file: KnownFile) -> bytes:
        """The path, which begins with a slash.

        Raises:
            OSError: ESTALE: a directory above is gone. ENAMETOOLONG.
        """
        names, length = list[bytes](), 0
        while file is not self.root:
            if not file.places or file.number not in self._files:
                raise refusal(errno.ESTALE)
            file, name = file.places[0]
            length += len(name) + 1
            if length > MAX_PATH:
                raise refusal(errno.ENAMETOOLONG)
            names.append(name)
        return b"/" + b"/".join(reversed(names))

    def is_within(self, file: KnownFile, above: KnownFile) -> bool:
        """Whether a directory is ``above``, or below it at any depth."""
        while file is not above:
            if file is self.root or file.above is file:
                return False
            file = file.above
        return True

    def _make_room(self) -> None:
        """Forget the files that were not used for the longest time."""
        while len(self._files) > self._most:
            number, oldest = next(iter(self._files.items()))
            if oldest is self.root or oldest.held or number == self._last:
                self._files.move_to_end(number)
            else:
                self.remove(oldest)
