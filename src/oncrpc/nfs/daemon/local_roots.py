"""Opening the exported directories of this host, with the best ids of files that can be had.

An archive is exported as the directory that it holds.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from oncrpc.nfs.archive_kinds import is_archive
from oncrpc.nfs.backends.local.chosen import kernel_objects, table_objects
from oncrpc.nfs.backends.local.kernel_handles import NoKernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.volumes import mount_of, volume_identity
from oncrpc.nfs.daemon.archives import Archives
from oncrpc.nfs.daemon.backends import BackendSite, OpenedRoot, open_backend
from oncrpc.nfs.exports.backend_choice import BackendChoice
from oncrpc.nfs.filesystem import FileSystem

log = logging.getLogger("oncrpc.nfs")

KERNEL, TABLE, ARCHIVE = "kernel", "table", "archive"
"""Where the ids of files come from."""


OF_THE_KERNEL = frozenset({
    "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs",
    "mqueue", "nsfs", "proc", "pstore", "securityfs", "selinuxfs", "sysfs", "tracefs",
})  # fmt: skip
"""Kinds of file systems whose files are the kernel's. Those of /proc are also the memory of this
server, with the key of handles."""


class RootOptions(NamedTuple):
    """How a directory is exported.

    ``sync``: changes are on disk before they are answered. ``crosses`` says whether the export
    enters a mount point, by its path; None enters none. ``backend`` is the back end that serves it
    instead.
    """

    sync: bool = True
    crosses: Callable[[bytes], bool] | None = None
    backend: BackendChoice | None = None


class LocalRoots:
    """Opens directories; tables of ids are in ``folder``, or in memory if it is None.

    If several ``processes`` serve the directories, these need the kernel's handles, since a table
    has one writer.
    """

    def __init__(self, folder: str | None, *, processes: int = 1) -> None:
        self._folder, self._tables = folder, processes == 1
        self._archives = Archives(processes=processes)

    def __call__(self, path: bytes, options: RootOptions) -> OpenedRoot:
        """Open a directory.

        Raises:
            OSError: it is missing, or it cannot be exported.
        """
        place = os.fsdecode(path)
        if options.backend is not None:
            return self._backend(path, options.backend, options)
        if is_archive(path):
            return self._archive(path)
        _refuse_files_of_the_kernel(path)
        identity = f"{volume_identity(path)} root={os.stat(path).st_ino:x}"
        try:
            objects = kernel_objects(place, crosses=options.crosses)
        except NoKernelHandles as error:
            if not self._tables:
                reason = (error.strerror or str(error)).lower()
                text = f"workers need the kernel's file handles ({reason}); set workers = 1"
                raise OSError(None, text) from None
            serve = partial(self._with_table, place, options, error)
            return OpenedRoot(identity, TABLE, serve, lambda: None)
        return OpenedRoot(
            identity,
            KERNEL,
            lambda _tag: LocalFileSystem(place, objects=objects, sync=options.sync),
            objects.close,
        )

    def _backend(self, path: bytes, choice: BackendChoice, options: RootOptions) -> OpenedRoot:
        if not self._tables:
            text = f"workers cannot share the back end {choice.name}; set workers = 1"
            raise OSError(None, text)
        plain = options._replace(backend=None)
        site = BackendSite(
            self._folder,
            open_lower=lambda lower: self(lower, plain),
            open_upper=lambda upper: LocalRoots(os.fsdecode(upper))(upper, plain),
        )
        return open_backend(path, choice, site)

    def _archive(self, path: bytes) -> OpenedRoot:
        """Open an archive. It makes its own ids, so its inode number identifies it."""
        files = self._archives.open(path)
        if files.left_out:
            log.warning("%s: %d members are not shown", os.fsdecode(path), files.left_out)
        identity = f"{volume_identity(os.path.dirname(path))} archive={os.stat(path).st_ino:x}"
        return OpenedRoot(identity, ARCHIVE, lambda _tag: files, files.close)

    def _with_table(
        self, place: str, options: RootOptions, why: NoKernelHandles, tag: int
    ) -> FileSystem:
        file = None if self._folder is None else os.path.join(self._folder, f"handles-{tag}")
        objects, reason = table_objects(place, file, why=why)
        log.info("%s: %s", place, reason)
        return LocalFileSystem(place, objects=objects, sync=options.sync)


def _refuse_files_of_the_kernel(path: bytes) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount = mount_of(descriptor)
    finally:
        os.close(descriptor)
    if mount is not None and mount.kind in OF_THE_KERNEL:
        raise OSError(errno.EOPNOTSUPP, f"a file system of the kernel ({mount.kind})")
