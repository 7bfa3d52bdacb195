"""The back ends of exports that are not directories or archives, each loaded at its first use.

The settings of an export name them (``BackendChoice``). A package that is missing, or a store that
cannot be opened, is an ``OSError`` with one line for the user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from importlib import import_module
from typing import NamedTuple

from oncrpc.daemon.config.values import is_url, without_passwords
from oncrpc.nfs.backends.local.volumes import volume_identity
from oncrpc.nfs.exports.backend_choice import FSSPEC, FUSE, OVERLAY, BackendChoice
from oncrpc.nfs.filesystem import FileSystem

UPPER_MODE = 0o700
"""The mode of a directory for changes: the files in it have modes of their own."""

TABLE = "table"
"""The table of an overlay, in the directory for changes."""

INSTALL = "run pip install 'oncrpc[fsspec]', and install the package for this kind of store"


class OpenedRoot(NamedTuple):
    """A file system that is ready to be exported.

    ``identity`` is the name that it has over restarts, ``ids`` where the ids come from. ``serve``
    makes the file system, for an export with this tag.
    """

    identity: str
    ids: str
    serve: Callable[[int], FileSystem]
    forget: Callable[[], None]


class BackendSite(NamedTuple):
    """Where back ends are opened: ``folder`` keeps their tables, None for tables in memory.

    ``open_lower`` opens a directory or an archive of this host. ``open_upper`` opens a directory,
    and keeps the table that it may need in there.
    """

    folder: str | None
    open_lower: Callable[[bytes], OpenedRoot]
    open_upper: Callable[[bytes], OpenedRoot]


def load(names: Iterable[str]) -> None:
    """Import these back ends, before the server leaves root and may not read the files of Python.

    A package that is missing is reported when an export needs it.
    """
    for name in {*names} & MODULES.keys():
        with suppress(ImportError):
            import_module(MODULES[name])


def open_backend(path: bytes, choice: BackendChoice, site: BackendSite) -> OpenedRoot:
    """Open the back end of an export.

    Raises:
        OSError: it cannot be opened.
    """
    return OPENERS[choice.name](path, choice, site)


def state_of(choice: BackendChoice | None) -> tuple[int, ...]:
    """Numbers that change when the lower layer of an overlay is another archive or directory."""
    if choice is None or choice.name != OVERLAY or is_url(choice.lower):
        return ()
    found = os.stat(choice.lower)
    written = () if os.path.isdir(choice.lower) else (found.st_size, found.st_mtime_ns)
    return (found.st_dev, found.st_ino, *written)


def _open_store(path: bytes, choice: BackendChoice, site: BackendSite) -> OpenedRoot:
    """A store of fsspec. Its path and URL identify it; the URL may have a password."""
    digest = blake2b(path + b"\0" + choice.url.encode(), digest_size=16).hexdigest()
    serve = partial(_store, choice, site.folder)
    return OpenedRoot(f"fsspec={digest}", FSSPEC, serve, lambda: None)


def _store(choice: BackendChoice, folder: str | None, tag: int) -> FileSystem:
    try:
        from oncrpc.nfs.backends.fsspec import FsspecFileSystem

        return FsspecFileSystem(
            choice.url,
            options=dict(choice.storage),
            table=None if folder is None else os.path.join(folder, f"store-{tag}"),
            uid=os.geteuid() if choice.uid is None else choice.uid,
            gid=os.getegid() if choice.gid is None else choice.gid,
        )
    except ImportError as error:
        raise OSError(None, f"{_one_line(error)}; {INSTALL}") from None
    except (ValueError, TypeError, RuntimeError) as error:
        text = f"the store cannot be opened: {_one_line(error)}"
        raise OSError(None, text) from None


def _open_overlay(path: bytes, choice: BackendChoice, site: BackendSite) -> OpenedRoot:
    """A directory for changes over another back end. The directory identifies it."""
    upper_path = os.fsencode(choice.upper)
    try:
        os.mkdir(upper_path, UPPER_MODE)
    except FileExistsError:
        pass
    except OSError as error:
        text = f"cannot create the directory {choice.upper}: {error.strerror}"
        raise OSError(error.errno, text) from None
    identity = f"overlay={volume_identity(upper_path)} root={os.stat(upper_path).st_ino:x}"
    if is_url(choice.lower):
        store = BackendChoice(
            name=FSSPEC, url=choice.lower, storage=choice.storage, uid=choice.uid, gid=choice.gid
        )
        lower = _open_store(path, store, site)
    else:
        lower = site.open_lower(os.fsencode(choice.lower))

    def serve(tag: int) -> FileSystem:
        from oncrpc.nfs.backends.overlay import OverlayFileSystem

        below = lower.serve(tag)
        try:
            above = site.open_upper(upper_path).serve(0)
        except OSError:
            below.close()
            raise
        try:
            return OverlayFileSystem(below, above, table=os.path.join(choice.upper, TABLE))
        except OSError:
            above.close()
            below.close()
            raise

    return OpenedRoot(identity, OVERLAY, serve, lower.forget)


def _open_fuse(path: bytes, choice: BackendChoice, _: BackendSite) -> OpenedRoot:
    """An object of a FUSE module. Its ids are new at each start."""
    named = path + b"\0" + os.fsencode(choice.operations)
    digest = blake2b(named, digest_size=16).hexdigest()
    return OpenedRoot(f"fuse={digest}", FUSE, partial(_object, choice), lambda: None)


def _object(choice: BackendChoice, _: int) -> FileSystem:
    from oncrpc.nfs.backends.fuse.choosing import file_system_of
    from oncrpc.nfs.backends.fuse.objects import OperationsError, find_operations

    try:
        files = file_system_of(find_operations(choice.operations, choice.arguments))
        files.start()
    except (OperationsError, ImportError, TypeError) as error:
        raise OSError(None, _one_line(error)) from None
    except RuntimeError as error:
        cause = error.__cause__ or error
        raise OSError(None, f"{choice.operations} cannot be started: {_one_line(cause)}") from None
    return files


def _one_line(error: BaseException) -> str:
    text = without_passwords(str(error)) or type(error).__name__
    return text.splitlines()[0].rstrip(".")


MODULES = {
    FSSPEC: "oncrpc.nfs.backends.fsspec.filesystem",
    OVERLAY: "oncrpc.nfs.backends.overlay.filesystem",
    FUSE: "oncrpc.nfs.backends.fuse.choosing",
}
OPENERS: Mapping[str, Callable[[bytes, BackendChoice, BackendSite], OpenedRoot]] = {
    FSSPEC: _open_store,
    OVERLAY: _open_overlay,
    FUSE: _open_fuse,
}
