"""An id leads to its file or to ESTALE, never to another file: random changes of a tree.

The changes come through the server and behind its back, with ends of the server in between, at
which the table may lose its last bytes. Each file and directory has a serial number of its own,
which is what the test knows it by: inode numbers are used again.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oncrpc.nfs.backends.local.table_sweep import LOST_FOR
from support.table_tree import TableTree

SHM = Path("/dev/shm")
SERIAL = "user.serial"
NAMES = st.sampled_from(["a", "b", "c", "d"])
REFUSED = {errno.EINVAL, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR}
PICK = st.integers(0, 1000)


def serial_of(path: Path | str) -> str:
    """What was written on a file or a directory when it was made."""
    return os.getxattr(path, SERIAL).decode()


class ChangingTree(RuleBasedStateMachine):
    """A tree with few names, so that names and inode numbers are often used again.

    ``shown`` has the serial number of each id that a client was given. ``sure`` has the ids that
    must be found as long as their file is in the tree.
    """

    weak = False

    def __init__(self) -> None:
        super().__init__()
        # The tree is where inode numbers are used again; the table where syncs cost nothing.
        self.folder = Path(tempfile.mkdtemp(prefix="tree"))
        self.state = Path(tempfile.mkdtemp(prefix="table", dir=SHM if SHM.is_dir() else None))
        self.tree = TableTree(self.folder, state=self.state, weak=self.weak)
        self.serials = itertools.count(1)
        self.shown: dict[bytes, str] = {}
        self.sure = set[bytes]()

    def teardown(self) -> None:
        self.tree.table.close()
        shutil.rmtree(self.folder)
        shutil.rmtree(self.state)

    @initialize()
    def mark_root(self) -> None:
        self._stamp(self.tree.top)
        self.shown[self.tree.table.root] = serial_of(self.tree.top)

    # What is in the tree.

    def _stamp(self, path: Path) -> None:
        os.setxattr(path, SERIAL, b"%d" % next(self.serials))

    def _paths(self, *, directories: bool | None = None) -> list[Path]:
        found = [self.tree.top, *sorted(self.tree.top.rglob("*"))]
        return [p for p in found if directories is None or p.is_dir() == directories]

    def _pick(self, number: int, *, directories: bool | None = None) -> Path:
        """One of the files; the root if there is no other."""
        found = self._paths(directories=directories) or [self.tree.top]
        return found[number % len(found)]

    def _new(self, where: int, name: str) -> Path | None:
        """A name that is not in use."""
        path = self._pick(where, directories=True) / name
        return None if path.exists() else path

    def _show(self, path: Path) -> bytes:
        """Look a file up, as a client does."""
        here = self.tree.table.root
        for part in path.relative_to(self.tree.top).parts:
            here = self.tree.lookup(here, part.encode())
            at = self.tree.table.open(here)
            found = serial_of(f"/proc/self/fd/{at.descriptor}")
            os.close(at.descriptor)
            assert self.shown.setdefault(here, found) == found
            self.sure.add(here)
        return here

    # Behind the server's back.

    @rule(where=PICK, name=NAMES, directory=st.booleans())
    def make(self, where: int, name: str, directory: bool) -> None:
        path = self._new(where, name)
        if path is not None:
            path.mkdir() if directory else path.touch()
            self._stamp(path)

    @rule(what=PICK, where=PICK, name=NAMES)
    def rename_locally(self, what: int, where: int, name: str) -> None:
        new = self._pick(where, directories=True) / name
        if not self.weak:
            self._renamed(self._pick(what), new)
        elif not new.exists() and not self._has_links():
            self._renamed(self._pick(what), new)
            self.sure.clear()

    @precondition(lambda self: not self.weak)
    @rule(what=PICK, where=PICK, name=NAMES)
    def link_locally(self, what: int, where: int, name: str) -> None:
        file, path = self._pick(what, directories=False), self._new(where, name)
        if path is not None and not file.is_dir():
            os.link(file, path)

    @precondition(lambda self: not self.weak)
    @rule(what=PICK)
    def remove_locally(self, what: int) -> None:
        path = self._pick(what)
        if path != self.tree.top:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _has_links(self) -> bool:
        return any(path.stat().st_nlink > 1 for path in self._paths(directories=False))

    def _renamed(self, old: Path, new: Path) -> bool:
        if old == self.tree.top:
            return False
        try:
            old.rename(new)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            return False
        return True

    # Through the server.

    @rule(what=PICK)
    def look_up(self, what: int) -> None:
        self._show(self._pick(what))

    @rule(what=PICK, where=PICK, name=NAMES)
    def rename(self, what: int, where: int, name: str) -> None:
        old, new = self._pick(what), self._pick(where, directories=True) / name
        if old == self.tree.top:
            return
        source, target = self._show(old.parent), self._show(new.parent)
        moved = self._show(old)
        replaced = self._show(new) if new.exists() else None
        last = new.is_dir() or (new.exists() and new.stat().st_nlink == 1)
        if self._renamed(old, new) and moved != replaced:
            if replaced is not None:
                self._unnamed(replaced, new, target, last=last)
            self.tree.table.named(moved, directory=target, name=new.name.encode())
            self._unnamed(moved, old, source, last=False)

    def _unnamed(self, file: bytes, path: Path, above: bytes, *, last: bool) -> None:
        self.tree.table.unnamed(file, directory=above, name=path.name.encode(), last=last)

    @rule(what=PICK, where=PICK, name=NAMES)
    def link(self, what: int, where: int, name: str) -> None:
        file, path = self._pick(what, directories=False), self._new(where, name)
        if path is not None and not file.is_dir():
            known, above = self._show(file), self._show(path.parent)
            os.link(file, path)
            self.tree.table.named(known, directory=above, name=name.encode())

    @rule(what=PICK)
    def remove(self, what: int) -> None:
        path = self._pick(what)
        if path == self.tree.top or (path.is_dir() and any(path.iterdir())):
            return
        file, above = self._show(path), self._show(path.parent)
        last = path.is_dir() or path.stat().st_nlink == 1
        path.rmdir() if path.is_dir() else path.unlink()
        self._unnamed(file, path, above, last=last)

    @rule(what=PICK)
    def ask_for_parent(self, what: int) -> None:
        path = self._pick(what, directories=True)
        if path != self.tree.top:
            above = self.tree.parent(self._show(path))

            expected = serial_of(path.parent)
            assert self.shown.setdefault(above, expected) == expected

    # The server ends.

    @rule()
    def restart(self) -> None:
        self.tree.restart()

    @rule()
    def kill(self) -> None:
        self.tree.kill()

    @precondition(lambda self: not self.weak)
    @rule(lost=st.integers(0, 20_000))
    def lose_power(self, lost: int) -> None:
        self.tree.kill(lost=lost)
        self.sure.clear()

    @rule(days=st.integers(1, 2))
    def let_time_pass(self, days: int) -> None:
        self.tree.now += days * LOST_FOR
        self.sure.clear()

    # What holds at any time.

    @rule()
    def open_all(self) -> None:
        here = {serial_of(path) for path in self._paths()}
        for file, serial in self.shown.items():
            try:
                found = self.tree.table.open(file)
            except OSError as error:
                self._check_loss(file, error, exists=serial in here)
                self.sure.discard(file)  # it may come back, but need not be found again
                continue
            try:
                assert serial_of(f"/proc/self/fd/{found.descriptor}") == serial
            finally:
                os.close(found.descriptor)

    def _check_loss(self, file: bytes, error: OSError, *, exists: bool) -> None:
        assert error.errno == errno.ESTALE
        assert not exists or file not in self.sure

    @invariant()
    def ids_are_not_shared(self) -> None:
        """Two files never have one id, as ``shown`` notes; nor has one file two good ones."""
        good = [serial for file, serial in self.shown.items() if file in self.sure]
        assert len(good) == len(set(good))


class WeakTree(ChangingTree):
    """The same on a file system that tells nothing about births.

    Files are neither removed nor linked locally, and renamed only while none has two names: the
    table would take a new file for an old one with its name and inode number, and would not find a
    file at a name that it does not know.
    """

    weak = True


@pytest.mark.slow
@pytest.mark.parametrize("tree", [ChangingTree, WeakTree])
def test_id_leads_to_its_file_or_nowhere(tree: type[ChangingTree]) -> None:
    run_state_machine_as_test(tree, settings=settings(stateful_step_count=40))
