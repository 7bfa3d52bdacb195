"""Changes of a local directory: files are made, removed, renamed and linked, attributes are set.

In a ``sync`` export the answer waits until the change is on disk: the directories, and the files
whose attributes or links changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from oncrpc.nfs.backends.local.base import LocalBase
from oncrpc.nfs.backends.local.making import (
    make_directory,
    make_file,
    make_special,
    make_symlink,
)
from oncrpc.nfs.backends.local.objects import OpenObject, looked_at
from oncrpc.nfs.backends.local.setting import set_attributes
from oncrpc.nfs.backends.local.syscalls import look_at_entry
from oncrpc.nfs.filesystem import Answer, Identity, NewAttributes
from oncrpc.programs.nfs3 import ftype3


class _Known(NamedTuple):
    """The id of a file, and whether it has no other name."""

    file: bytes
    last: bool


class LocalChanges(LocalBase):
    """Operations that change directories and attributes."""

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> Answer[None]:
        with self.opened(file) as found:
            data = -1 if new.size is None else self.open_data(who, found, os.O_WRONLY)
            try:
                set_attributes(found, new, as_caller=lambda: self.identities.of(who), data=data)
            finally:
                if data >= 0:
                    os.close(data)
            return self.durable(None, found)

    def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        with self.opened(directory) as parent:
            with self.identities.of(who):
                found = looked_at(make_file(parent.descriptor, name, new))
            return self._made(parent, found, directory, name)

    def mkdir(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        return self._make(who, directory, name, lambda at: make_directory(at, name, new))

    def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        return self._make(who, directory, name, lambda at: make_symlink(at, name, target, new))

    def mknod(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        device: tuple[int, int],
        new: NewAttributes,
    ) -> Answer[bytes]:
        def make(at: int) -> None:
            make_special(at, name, kind, device=device, new=new)

        return self._make(who, directory, name, make)

    def remove(self, who: Identity, directory: bytes, name: bytes) -> Answer[None]:
        return self._remove(who, directory, name, os.unlink)

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> Answer[None]:
        return self._remove(who, directory, name, os.rmdir)

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> Answer[None]:
        with self.opened(directory) as old, self.opened(to_directory) as new:
            moved = self._known(old, directory, name)
            replaced = self._known(new, to_directory, to_name)
            place = self.place_of(new, to_name)
            with self.identities.of(who):
                at, to = old.descriptor, new.descriptor
                os.rename(name, to_name, src_dir_fd=at, dst_dir_fd=to)
            if place is not None:
                self.forget_removed(place)
            if moved is not None and moved != replaced:
                if replaced is not None:
                    self._unnamed(replaced, to_directory, to_name)
                self.objects.named(moved.file, directory=to_directory, name=to_name)
                self._unnamed(moved._replace(last=False), directory, name)
            return self.durable(None, *([old] if directory == to_directory else [old, new]))

    def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> Answer[None]:
        with self.opened(file) as found, self.opened(directory) as parent:
            with self.identities.of(who):
                path = f"/proc/self/fd/{found.descriptor}"
                os.link(path, name, dst_dir_fd=parent.descriptor)
            self.objects.named(file, directory=directory, name=name)
            return self.durable(None, parent, found)

    def _make(
        self, who: Identity, directory: bytes, name: bytes, make: Callable[[int], None]
    ) -> Answer[bytes]:
        """Make a file that is not a regular one, and find it."""
        with self.opened(directory) as parent:
            with self.identities.of(who):
                make(parent.descriptor)
                found = looked_at(look_at_entry(parent.descriptor, name))
            return self._made(parent, found, directory, name)

    def _made(
        self, parent: OpenObject, found: OpenObject, directory: bytes, name: bytes
    ) -> Answer[bytes]:
        try:
            file = self.objects.id_of(found, directory=directory, name=name)
            self.objects.keep()
            return self.durable_new(file, parent, found)
        finally:
            os.close(found.descriptor)

    def _remove(
        self, who: Identity, directory: bytes, name: bytes, remove: Callable[..., None]
    ) -> Answer[None]:
        with self.opened(directory) as parent:
            known = self._known(parent, directory, name)
            place = self.place_of(parent, name)
            with self.identities.of(who):
                remove(name, dir_fd=parent.descriptor)
            if place is not None:
                self.forget_removed(place)
            if known is not None:
                self._unnamed(known, directory, name)
            return self.durable(None, parent)

    def _known(self, parent: OpenObject, directory: bytes, name: bytes) -> _Known | None:
        """The file with that name, if names of files are kept."""
        if not self.objects.keeps_names:
            return None
        with suppress(OSError):
            found = self.find(parent, name)
            last = stat.S_ISDIR(found.stat.st_mode) or found.stat.st_nlink == 1
            return _Known(self.id_of(found, directory=directory, name=name), last)
        return None

    def _unnamed(self, known: _Known, directory: bytes, name: bytes) -> None:
        self.objects.unnamed(known.file, directory=directory, name=name, last=known.last)
