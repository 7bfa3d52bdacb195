"""Reading hosts.allow, hosts.deny and the files that they name, and noticing changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from functools import partial

from msgspec import Struct, field

from oncrpc.access.hosts.reader import ListUnreadable, parse, shown, text_of, unreadable
from oncrpc.access.hosts.rules import DaemonId, HostsFile
from oncrpc.host.files import OPEN_UNTRUSTED

MAX_FILE = 1048576
"""Bytes of a file of hosts_access; a larger one counts as unreadable."""

MAX_FILES = 64
"""Files that are read, those that patterns name included; further ones count as unreadable."""

Signature = tuple[int, ...]


class Files(Struct):
    """The result of reading: the text of each file or the error, and the file's signature then."""

    texts: dict[str, str | OSError] = field(default_factory=dict)
    signatures: dict[str, Signature | None] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """The text of a file, which is read once.

        Raises:
            OSError: it cannot be read.
        """
        if path not in self.texts:
            self.signatures[path] = _signature(path)
            try:
                self.texts[path] = self._read(path)
            except OSError as error:
                self.texts[path] = error
                if error.errno != errno.ENOENT:
                    self.signatures[path] = None  # try again: the reason need not be in the file
        text = self.texts[path]
        if isinstance(text, OSError):
            raise text
        return text

    def _read(self, path: str) -> str:
        if len(self.signatures) > MAX_FILES:
            raise OSError(errno.EMFILE, f"there are more than {MAX_FILES} files")
        with open(path, "rb", opener=lambda name, _: os.open(name, OPEN_UNTRUSTED)) as file:
            data = file.read(MAX_FILE + 1) or b""
        if len(data) > MAX_FILE:
            raise OSError(errno.EFBIG, f"it has more than {MAX_FILE} bytes")
        return text_of(data)

    def have_changed(self) -> bool:
        """Whether a file has another signature now, or could not be read."""
        return any(
            signature is None or signature != _signature(path)
            for path, signature in self.signatures.items()
        )

    def say_the_same(self, other: Files) -> bool:
        """Whether both have read the same."""
        ours, theirs = (
            {path: _comparable(text) for path, text in files.texts.items()}
            for files in (self, other)
        )
        return ours == theirs


class Tables(Struct, frozen=True):
    """The rules of both files."""

    allow: HostsFile
    deny: HostsFile
    files: Files

    @property
    def empty(self) -> bool:
        """Whether there are no rules for this daemon, so that every host may call."""
        return self.allow.empty and self.deny.empty

    @property
    def plain(self) -> bool:
        """Whether libwrap may be asked, see ``HostsFile.plain``."""
        return self.allow.plain and self.deny.plain

    @property
    def netgroups(self) -> Sequence[str]:
        """Warnings about netgroups, for a host without libwrap."""
        return [*self.allow.netgroups, *self.deny.netgroups]

    @property
    def warnings(self) -> Sequence[str]:
        """The other warnings."""
        return [*self.allow.warnings, *self.deny.warnings]

    @property
    def by_local(self) -> bool:
        """Whether a decision depends on the local address."""
        return self.allow.by_local or self.deny.by_local

    def texts(self) -> tuple[str, str]:
        """The texts of both files, empty for a missing one. Only valid if ``plain``."""
        allow, deny = (self.files.texts[rules.path] for rules in (self.allow, self.deny))
        return (allow if isinstance(allow, str) else "", deny if isinstance(deny, str) else "")


def read(daemon: DaemonId, *, allow: str, deny: str) -> Tables:
    """Read both files; a missing one has no rules."""
    files = Files()
    return Tables(
        _rules(files, daemon, allow, allows=True),
        _rules(files, daemon, deny, allows=False),
        files,
    )


def _rules(files: Files, daemon: DaemonId, path: str, *, allows: bool) -> HostsFile:
    try:
        text = files.text(path)
    except FileNotFoundError:
        return HostsFile(path, allows)
    except OSError as error:
        return unreadable(path, allows=allows, why=_reason(error))
    return parse(text, daemon, path=path, allows=allows, read_list=partial(_list, files))


def _list(files: Files, path: str) -> str:
    """A file of patterns."""
    try:
        return files.text(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ListUnreadable(f"{shown(path)} cannot be read ({_reason(error)})") from None


def _reason(error: OSError | ValueError) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error)).lower()


def _comparable(text: str | OSError) -> object:
    return text.errno if isinstance(text, OSError) else text


def _signature(path: str) -> Signature:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
