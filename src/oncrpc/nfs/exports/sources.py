"""The sources of exports: files of exports(5), and ``[[export]]`` tables."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

from oncrpc.host.files import OPEN_UNTRUSTED
from oncrpc.nfs.exports.backend_choice import (
    BACKENDS,
    FSSPEC,
    FUSE,
    LOCAL,
    MAX_ID,
    OVERLAY,
    BackendChoice,
)
from oncrpc.nfs.exports.parse import (
    ExportMaker,
    ParsedExports,
    fault_of_path,
    parse_exports,
    plain_path,
)
from oncrpc.nfs.exports.places import (
    BadExport,
    ExportPlace,
    ExportProblem,
    FixedPlace,
    Severity,
    shown,
)
from oncrpc.nfs.exports.words import OptionWord

EXPORTS = "/etc/exports"
EXPORTS_D = "/etc/exports.d"
SUFFIX = ".exports"

MAX_FILE = 1 << 20
"""Bytes of a file of exports(5)."""

MAX_FILES = 256
"""Files in a directory of exports(5) that are read."""

KEYS_OF = {
    LOCAL: frozenset[str](),
    FSSPEC: frozenset({"url", "storage", "uid", "gid"}),
    OVERLAY: frozenset({"lower", "upper", "storage", "uid", "gid"}),
    FUSE: frozenset({"operations", "arguments"}),
}
NEEDED: dict[str, Sequence[str]] = {
    LOCAL: (), FSSPEC: ("url",), OVERLAY: ("upper",), FUSE: ("operations",)
}  # fmt: skip
"""The keys that each back end may have, and those that it must have."""

_of_backends = frozenset().union(*KEYS_OF.values())


class ExportConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """An ``[[export]]`` table: a directory, the clients that may mount it, and their options.

    ``backend`` and what follows is a ``BackendChoice``; ``lower`` is ``path`` if it is empty.
    """

    path: Annotated[str, Meta(description="The directory, an absolute path.")]
    clients: Annotated[
        dict[str, str] | list[str],
        Meta(
            description="The clients as in exports(5): a table from each client to its options, or"
            " a list of clients, each with or without options in parentheses."
        ),
    ]
    options: Annotated[
        str, Meta(description="Options of all clients of the table, separated by commas.")
    ] = ""
    backend: str = LOCAL
    url: str = ""
    storage: dict[str, Any] = field(default_factory=dict)
    lower: str = ""
    upper: str = ""
    uid: int | None = None
    gid: int | None = None
    operations: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    secrets: ClassVar[tuple[str, ...]] = ("storage", "arguments")


class ExportSources(Struct, frozen=True):
    """Where exports come from: files, directories of files, and the tables of ``config``.

    Files that are missing export nothing.
    """

    files: Sequence[str] = (EXPORTS,)
    folders: Sequence[str] = (EXPORTS_D,)
    tables: Sequence[ExportConfig] = ()
    config: str = "[[export]]"


class ReadExports(ParsedExports):
    """The entries of all sources, the files that were read, and the back ends by path."""

    files: list[str] = field(default_factory=list)
    backends: dict[bytes, BackendChoice] = field(default_factory=dict)


def read_exports(sources: ExportSources) -> ReadExports:
    """Read all sources: files first, then tables."""
    found = ReadExports()
    within = [file for folder in sources.folders for file in _files_in(folder, found)]
    for file in (*sources.files, *within):
        data = _read(file, found)
        if data is not None:
            found.files.append(file)
            found.take(parse_exports(data, file))
    for number, table in enumerate(sources.tables, 1):
        _add_table(table, ExportPlace(f"{sources.config} {number}"), found)
    return found


def _files_in(folder: str, found: ParsedExports) -> list[str]:
    """The files of a directory in the order of exportfs, which counts numbers in names."""
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.endswith(SUFFIX)
                and not entry.name.startswith(".")
                and (entry.is_symlink() or entry.is_file(follow_symlinks=False))
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        _cannot_read(folder, error, found)
        return []
    if len(names) > MAX_FILES:
        text = f"it has more than {MAX_FILES} files"
        found.tell(Severity.ERROR, ExportPlace(folder), text, "join some of them")
    ordered = sorted(map(os.fsencode, names), key=cmp_to_key(ctypes.CDLL(None).strverscmp))
    return [os.path.join(folder, os.fsdecode(name)) for name in ordered[:MAX_FILES]]


def _read(file: str, found: ParsedExports) -> bytes | None:
    try:
        with open(file, "rb", opener=lambda name, _: os.open(name, OPEN_UNTRUSTED)) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            data = opened.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        _cannot_read(file, error, found)
        return None
    if len(data) > MAX_FILE:
        text = f"it has more than {MAX_FILE} bytes"
        found.tell(Severity.ERROR, ExportPlace(file), text, "use networks or netgroups")
        return None
    if status.st_mode & stat.S_IWOTH:
        text = "every user of this host can write to it"
        found.tell(Severity.WARNING, ExportPlace(file), text, f"run chmod o-w {file}")
    return data


def _cannot_read(file: str, error: OSError, found: ParsedExports) -> None:
    text = f"cannot read it: {error.strerror or error}"
    found.tell(Severity.ERROR, ExportPlace(file), text, "check its owner and mode")


def _add_table(table: ExportConfig, place: ExportPlace, found: ReadExports) -> None:
    if isinstance(table.clients, dict):
        clients = [*table.clients.items()]
    else:
        clients = [_split(text) for text in table.clients]
    if not clients:
        found.tell(Severity.ERROR, place, "it has no clients", 'add clients = ["*"] for every host')
    path = os.fsencode(table.path)
    _add(path, clients, options=table.options, place=place, found=found)
    fault = _fault_of_backend(table)
    if fault is not None:
        found.tell(Severity.ERROR, place, fault.text, fault.advice)
    elif table.backend != LOCAL:
        found.backends[plain_path(path)] = BackendChoice(
            name=table.backend, url=table.url, storage=table.storage,
            lower=table.lower or table.path, upper=table.upper, uid=table.uid, gid=table.gid,
            operations=table.operations, arguments=table.arguments,
        )  # fmt: skip


def _fault_of_backend(table: ExportConfig) -> BadExport | None:
    """What is wrong with the back end of a table, if anything."""
    if table.backend not in BACKENDS:
        advice = f"write {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}"
        return BadExport(f"{shown(table.backend)} is not a back end", advice)
    for name in _of_backends - KEYS_OF[table.backend]:
        if getattr(table, name) not in ("", {}, None):
            return BadExport(f"{name} is not for the back end {table.backend}", "remove it")
    for name in NEEDED[table.backend]:
        if not getattr(table, name):
            return BadExport(f"the back end {table.backend} needs {name}", f"add {name}")
    if table.backend == OVERLAY and not table.upper.startswith("/"):
        return BadExport(f"{shown(table.upper)} is not an absolute path", "begin it with /")
    if table.backend == FUSE and re.search(r"^[^/].*\.py:", table.operations):
        return BadExport(f"{shown(table.operations)} is not an absolute path", "begin it with /")
    ids = (each for each in (table.uid, table.gid) if each is not None)
    if not all(0 <= each <= MAX_ID for each in ids):
        return BadExport("uid or gid is not a number of a user", f"write 0 to {MAX_ID}")
    return None


def _split(text: str) -> tuple[str, str]:
    """A client and its options, of ``CLIENT(OPTIONS)``. Other forms are left as they are."""
    match = re.fullmatch(r"([^()]*)\(([^()]*)\)", text)
    return (match[1], match[2]) if match else (text, "")


def fault_of_client(text: str) -> ExportProblem | None:
    """What is wrong with a client of a table, if anything."""
    found, place = ParsedExports(), ExportPlace("")
    _add(b"/", [_split(text)], options="", place=place, found=found)
    errors = (each for each in found.problems if each.severity is Severity.ERROR)
    return next(errors, None)


def _add(
    path: bytes,
    clients: Iterable[tuple[str, str]],
    *,
    options: str,
    place: ExportPlace,
    found: ParsedExports,
) -> None:
    fault = fault_of_path(path.decode("latin-1"))
    if fault is not None:
        found.tell(Severity.ERROR, place, fault.text, fault.advice)
        return
    maker, places = ExportMaker(plain_path(path), found), FixedPlace(place)
    maker.set_defaults(_options(options), places)
    for pattern, own in clients:
        maker.add(pattern, _options(own), places)


def _options(text: str) -> list[OptionWord]:
    options = []
    for each in text.split(",") if text.strip() else ():
        name, equals, value = each.strip().partition("=")
        options.append(OptionWord(name, value if equals else None, 0))
    return options
