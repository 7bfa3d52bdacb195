"""The files that make a daemon a service of its host, and the record of what was written.

The record has the digest of each file. A file that others have written, or changed since, is never
overwritten and never removed. Several products have one record.
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

from oncrpc.daemon.install.product import Product
from oncrpc.host.files import replace_file, write_whole

RECORD = "/var/lib/oncrpc/service.json"

LEVELS = {
    "# Default-Start:     2 3 4 5\n": "# Default-Start:     S\n",
    "# Default-Stop:      0 1 6\n": "# Default-Stop:      0 6\n",
}
"""On Debian, network file systems are mounted before any other runlevel is reached."""


class FilesError(Exception):
    """Files were not written or removed; the text has a line for each reason."""


class HostFile(NamedTuple):
    """A file of the host as it should be."""

    path: str
    content: bytes
    mode: int


@dataclass
class Record:
    """The digests of the written files by path, and the folders that were made."""

    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


class RemovedFile(NamedTuple):
    """The removed files, and the ones that stay because they were changed."""

    gone: list[str]
    changed: list[str]


def rendered(
    product: Product, init: str, program: str, *, boot_level: bool = False
) -> Iterator[HostFile]:
    """The files for a kind of init; ``boot_level`` is for the script of an early one on Debian."""
    kept = files(product.package).joinpath("unit_files")
    replaced = {product.program: program, **(LEVELS if boot_level and product.early else {})}
    for name, path, mode in product.templates[init]:
        text = kept.joinpath(name).read_text(encoding="utf-8")
        for old, new in replaced.items():
            text = text.replace(old, new)
        yield HostFile(path, text.encode(), mode)


def hides_homes(product: Product) -> bool:
    """Whether the systemd service does not see home directories."""
    unit = files(product.package).joinpath("unit_files", product.service)
    return "\nProtectHome=yes\n" in unit.read_text(encoding="utf-8")


def write_files(root: str, wanted: Collection[HostFile]) -> None:
    """Write the files below a root folder, if none of them belongs to others.

    Raises:
        FilesError: other files have their paths, or they cannot be written.
    """
    record = read_record(root)
    foreign = [root + file.path for file in wanted if not _is_ours(root, file, record)]
    if foreign:
        advice = "exists, and was not written by 'service install'; move it away"
        raise FilesError("\n".join(f"{path} {advice}" for path in foreign))
    try:
        for path in (RECORD, *(file.path for file in wanted)):
            record.folders += _make_folders(root, os.path.dirname(path))
        record.files |= {file.path: _digest(file.content) for file in wanted}
        # The record comes first: after an interruption the files can be removed or written again.
        _write(root, HostFile(RECORD, _render(record), 0o644))
        for file in wanted:
            _write(root, file)
    except OSError as error:
        raise FilesError(_failed("write", error)) from None


def remove_files(root: str, paths: Collection[str]) -> RemovedFile:
    """Remove those files at these paths that are recorded, and the record if it has no others.

    Raises:
        FilesError: a file cannot be removed.
    """
    record, removed = read_record(root), RemovedFile([], [])
    try:
        for path in [path for path in record.files if path in paths]:
            digest, found = record.files.pop(path), _content(root + path)
            if found is not None and _digest(found) == digest:
                os.unlink(root + path)
                removed.gone.append(path)
            elif found is not None:
                removed.changed.append(path)
        _keep_record(root, record)
    except OSError as error:
        raise FilesError(_failed("remove", error)) from None
    for folder in reversed(record.folders):
        with suppress(OSError):  # others use it by now
            os.rmdir(root + folder)
    return removed


def _keep_record(root: str, record: Record) -> None:
    """Write the record, or remove it if it has no files."""
    if record.files:
        _write(root, HostFile(RECORD, _render(record), 0o644))
        return
    with suppress(FileNotFoundError):
        os.unlink(root + RECORD)


def read_record(root: str) -> Record:
    """The record below a root folder.

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
        raise FilesError(f"{path} is not a record of 'service install'; move it away") from None


def _is_ours(root: str, file: HostFile, record: Record) -> bool:
    """Whether the path is free, or has the file that was written before."""
    try:
        found = _content(root + file.path)
    except OSError:
        return False
    return found is None or record.files.get(file.path) == _digest(found)


def _content(path: str) -> bytes | None:
    """The content of a file; None if it is missing.

    Raises:
        OSError: it is a link or not a file, or may not be read.
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
    """Make a folder and its parents below the root folder; returns those that were missing."""
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
    """Write a file in one step."""
    write = partial(write_whole, data=file.content)
    os.close(replace_file(root + file.path, write, mode=file.mode))


def _failed(action: str, error: OSError) -> str:
    reason = (error.strerror or "").lower()
    advice = "; run as root" if isinstance(error, PermissionError) else ""
    return f"cannot {action} {error.filename}: {reason}{advice}"
