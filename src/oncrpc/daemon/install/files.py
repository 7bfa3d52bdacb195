"""The files that make the port mapper a service of its host, and the record of having written them.

They are kept beside this module, and name the program where an installation in /opt has it. What is
written is recorded with its digest: so it is known later what is ours, and what somebody has put
there or changed since. That is never overwritten, and never removed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import NamedTuple

from oncrpc.host.files import replace_file, write_whole

PROGRAM = "/opt/oncrpc/bin/portmap"
"""The program that the files name as they are kept."""

RECORD = "/var/lib/oncrpc/service.json"

LEVELS = {
    "# Default-Start:     2 3 4 5\n": "# Default-Start:     S\n",
    "# Default-Stop:      0 1 6\n": "# Default-Stop:      0 6\n",
}
"""On Debian, file systems of other hosts are mounted before any other level is reached."""


class FilesError(Exception):
    """They are not written, or not removed; the text says why, a line each."""


class Template(NamedTuple):
    """A file as it is kept here, and where it goes."""

    name: str
    path: str
    mode: int = 0o644


class HostFile(NamedTuple):
    """What is to be in a file of the host."""

    path: str
    content: bytes
    mode: int


SOURCES = {
    "systemd": (
        Template("portmap.service", "/etc/systemd/system/portmap.service"),
        Template("portmap.socket", "/etc/systemd/system/portmap.socket"),
        Template("portmap.sysusers", "/etc/sysusers.d/portmap.conf"),
        Template("portmap.tmpfiles", "/etc/tmpfiles.d/portmap.conf"),
    ),
    "sysv": (Template("portmap.init", "/etc/init.d/portmap", 0o755),),
}
"""The files for each kind of init."""


@dataclass
class Record:
    """The digests of what was written, by path, and the folders that were made for it."""

    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


class RemovedFile(NamedTuple):
    """What is gone, and what stays since somebody has changed it."""

    gone: list[str]
    changed: list[str]


def rendered(init: str, program: str, *, boot_level: bool = False) -> Iterator[HostFile]:
    """The files for a kind of init; ``boot_level`` is for a script of Debian's."""
    kept = files("oncrpc.portmap").joinpath("unit_files")
    replaced = {PROGRAM: program, **(LEVELS if boot_level else {})}
    for name, path, mode in SOURCES[init]:
        text = kept.joinpath(name).read_text(encoding="utf-8")
        for old, new in replaced.items():
            text = text.replace(old, new)
        yield HostFile(path, text.encode(), mode)


def install(root: str, wanted: Collection[HostFile]) -> None:
    """Write the files below a root folder, if all of them can be ours.

    Raises:
        FilesError: there are others in their places, or they cannot be written.
    """
    record = read_record(root)
    foreign = [root + file.path for file in wanted if not _is_ours(root, file, record)]
    if foreign:
        advice = "is there, and not as 'portmap service install' wrote it; move it away"
        raise FilesError("\n".join(f"{path} {advice}" for path in foreign))
    try:
        for path in (RECORD, *(file.path for file in wanted)):
            record.folders += _make_folders(root, os.path.dirname(path))
        record.files |= {file.path: _digest(file.content) for file in wanted}
        # First the record: what is cut off after it can be removed, and written again.
        _write(root, HostFile(RECORD, _render(record), 0o644))
        for file in wanted:
            _write(root, file)
    except OSError as error:
        raise FilesError(_failed("write", error)) from None


def uninstall(root: str) -> RemovedFile:
    """Remove what was written below a root folder, and the record of it.

    Raises:
        FilesError: something cannot be removed.
    """
    record, removed = read_record(root), RemovedFile([], [])
    try:
        for path, digest in record.files.items():
            found = _content(root + path)
            if found is not None and _digest(found) == digest:
                os.unlink(root + path)
                removed.gone.append(path)
            elif found is not None:
                removed.changed.append(path)
        with suppress(FileNotFoundError):
            os.unlink(root + RECORD)
    except OSError as error:
        raise FilesError(_failed("remove", error)) from None
    for folder in reversed(record.folders):
        with suppress(OSError):  # somebody else uses it by now
            os.rmdir(root + folder)
    return removed


def read_record(root: str) -> Record:
    """What was written below a root folder.

    Raises:
        FilesError: the record cannot be read.
    """
    path = root + RECORD
    try:
        found = _content(path)
        if found is None:
            return Record()
        said = json.loads(found)
        return Record(dict(said["files"]), list(said["folders"]))
    except OSError as error:
        raise FilesError(_failed("read", error)) from None
    except (ValueError, KeyError, TypeError):
        raise FilesError(
            f"{path} is no record of 'portmap service install'; move it away"
        ) from None


def _is_ours(root: str, file: HostFile, record: Record) -> bool:
    """Nothing is there, or what was written before."""
    try:
        found = _content(root + file.path)
    except OSError:
        return False
    return found is None or record.files.get(file.path) == _digest(found)


def _content(path: str) -> bytes | None:
    """None if nothing is there.

    Raises:
        OSError: it is no file, or a link, or may not be read.
    """
    try:
        with open(path, "rb", opener=_open_itself) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _open_itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _render(record: Record) -> bytes:
    return json.dumps(vars(record), indent=1).encode() + b"\n"


def _make_folders(root: str, folder: str) -> Iterable[str]:
    """Make it and those above it, up to the root folder; the ones that were not there."""
    missing = []
    while not os.path.isdir(root + folder):
        missing.append(folder)
        if folder == "/":
            break
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        os.mkdir(root + path, 0o755)
        os.chmod(root + path, 0o755)
    return reversed(missing)


def _write(root: str, file: HostFile) -> None:
    """In one step: there is never half a file."""
    write = partial(write_whole, data=file.content)
    os.close(replace_file(root + file.path, write, mode=file.mode))


def _failed(what: str, error: OSError) -> str:
    reason = (error.strerror or "").lower()
    advice = "; run as root" if isinstance(error, PermissionError) else ""
    return f"cannot {what} {error.filename}: {reason}{advice}"
