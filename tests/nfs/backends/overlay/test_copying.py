"""``oncrpc.nfs.backends.overlay.copying``: a copy is complete, or does not exist."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from oncrpc.nfs.acls import AclEntry, Acls, AclTag
from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.overlay import OverlayFileSystem
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.programs.nfs3 import nfsstat3, stable_how
from support.file_system_rules import SUPER_USER
from support.file_user import FileUser, refused
from support.overlay_layers import Killed, LayersInTest, find, seen

MIB = 1 << 20
Change = Callable[[LayersInTest, FileUser], object]

CHANGES: dict[str, Change] = {
    "write": lambda at, me: me.write(at.find("deep/dir/a"), b"TEXT"),
    "truncate": lambda at, me: me.setattr(at.find("deep/dir/a"), NewAttributes(size=0)),
    "mode": lambda at, me: me.setattr(at.find("deep/dir"), NewAttributes(mode=0o700)),
    "owner of a link": lambda at, me: me.setattr(at.find("deep/link"), NewAttributes(uid=9)),
    "remove": lambda at, me: me.remove(at.find("deep/dir"), b"a"),
    "rmdir": lambda at, me: me.rmdir(me.files.root, b"empty"),
    "rename": lambda at, me: me.rename(at.find("deep/dir"), b"a", at.find("empty"), b"c"),
    "replace": lambda at, me: me.rename(at.find("deep/dir"), b"a", at.find("deep/dir"), b"b"),
    "move directory": lambda at, me: me.rename(at.find("deep"), b"dir", at.find("empty"), b"d"),
    "link": lambda at, me: me.link(at.find("deep/dir/a"), at.find("empty"), b"c"),
    "pipe": lambda at, me: me.rename(me.files.root, b"pipe", at.find("empty"), b"c"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "after"),
    [*((change, False) for change in CHANGES), ("rename", True), ("move directory", True)],
)
def test_killed_server_leaves_all_or_nothing(tmp_path: Path, change: str, after: bool) -> None:
    with asyncio.Runner() as runner:
        whole = LayersInTest(tmp_path, runner)
        CHANGES[change](whole, whole.me)
        allowed = (whole.before, whole.seen())
        whole.close()
        deaths, survived = 0, False
        while not survived:
            layers = LayersInTest(tmp_path / str(deaths), runner)
            files = {path: layers.find(path) for path in layers.before}
            layers.upper.left, layers.upper.after = deaths + 1, after
            try:
                CHANGES[change](layers, layers.me)
                survived = True
            except Killed:
                deaths += 1
            layers.restart()

            found = layers.seen()
            assert found == allowed[1] if survived else found in allowed
            kept = files.keys() & layers.before.keys() if found == layers.before else set[str]()
            assert {path: layers.find(path) for path in kept} == {
                path: files[path] for path in kept
            }
            above = layers.user(layers.upper)
            assert above.names(above.lookup(above.files.root, b"work")) == []
            layers.close()
        assert deaths


def test_copy_has_everything_of_the_original(layers: LayersInTest) -> None:
    below = layers.user(layers.lower)
    entries = (
        AclEntry(AclTag.USER_OBJ, 0, 6), AclEntry(AclTag.USER, 42, 4),
        AclEntry(AclTag.GROUP_OBJ, 0, 4), AclEntry(AclTag.MASK, 0, 6), AclEntry(AclTag.OTHER, 0, 0),
    )  # fmt: skip
    below.set_acl(find(below, "deep/dir/a"), Acls(entries))
    me, file = layers.me, layers.find("deep/dir/a")
    before = me.getattr(file)

    me.rename(layers.find("deep/dir"), b"a", me.files.root, b"a")

    assert me.getattr(file)._replace(ctime=0) == before._replace(ctime=0)
    assert me.get_acl(file).access == entries


def test_copied_directory_keeps_the_time_of_its_parent(layers: LayersInTest) -> None:
    me, deep = layers.me, layers.find("deep")
    before = me.getattr(deep)

    me.setattr(layers.find("deep/dir"), NewAttributes(mode=0o700))

    assert me.getattr(deep).mtime == before.mtime


def test_holes_stay_holes(layers: LayersInTest) -> None:
    below = layers.user(layers.lower)
    below.write(below.create(below.files.root, b"sparse"), b"x", 64 * MIB)
    me, file = layers.me, layers.find("sparse")

    me.write(file, b"y")

    assert (me.read(file, 0, 2), me.read(file, 64 * MIB, 2)) == (b"y\0", b"x")
    assert me.getattr(file).size == 64 * MIB + 1
    assert me.getattr(file).used < 3 * MIB


def test_truncated_file_is_not_copied(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        lower = FileUser(MemoryFileSystem(), SUPER_USER, runner=runner)
        lower.write(lower.create(lower.files.root, b"a"), b"x" * 4 * MIB)
        upper = MemoryFileSystem(max_bytes=MIB)
        me = FileUser(OverlayFileSystem(lower.files, upper), SUPER_USER, runner=runner)

        me.setattr(find(me, "a"), NewAttributes(size=3))

        assert me.read(find(me, "a")) == b"xxx"


def test_full_upper_layer_changes_nothing() -> None:
    with asyncio.Runner() as runner:
        lower = FileUser(MemoryFileSystem(), SUPER_USER, runner=runner)
        lower.write(lower.create(lower.files.root, b"a"), b"x" * 4 * MIB)
        upper = FileUser(MemoryFileSystem(max_bytes=2 * MIB), SUPER_USER, runner=runner)
        me = FileUser(OverlayFileSystem(lower.files, upper.files), SUPER_USER, runner=runner)
        file = find(me, "a")

        for _ in range(3):
            with refused(nfsstat3.NFS3ERR_NOSPC):
                me.write(file, b"new")

        assert me.read(file, 0, 3) == b"xxx"
        assert find(me, "a") == file
        assert upper.names(find(upper, "work")) == []
        me.remove(me.files.root, b"a")
        assert seen(me) == {}


class SlowMemory(MemoryFileSystem):
    """A lower layer whose READ waits until the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:  # type: ignore[override]  # an answer that comes later
        self.asked.set()
        await self.may.wait()
        return MemoryFileSystem.read(self, who, file, offset, count)


def test_file_removed_while_copied_stays_away() -> None:
    async def scenario(lower: SlowMemory, files: OverlayFileSystem) -> None:
        root = files.root
        file = await files.lookup(SUPER_USER, root, b"a")
        writing = asyncio.ensure_future(
            files.write(SUPER_USER, file, 0, b"new", stable=stable_how.FILE_SYNC)
        )
        await lower.asked.wait()
        removing = asyncio.ensure_future(files.remove(SUPER_USER, root, b"a"))
        await asyncio.sleep(0)
        lower.may.set()
        await asyncio.gather(writing, removing, return_exceptions=True)
        with refused(nfsstat3.NFS3ERR_NOENT):
            await files.lookup(SUPER_USER, root, b"a")

    with asyncio.Runner() as runner:
        lower = SlowMemory()
        below = FileUser(lower, SUPER_USER, runner=runner)
        below.write(below.create(lower.root, b"a"), b"text")
        runner.run(scenario(lower, OverlayFileSystem(lower, MemoryFileSystem())))


def test_writers_at_the_same_time_copy_once(layers: LayersInTest) -> None:
    async def scenario() -> None:
        files = layers.me.files
        await asyncio.gather(*(
            settled(files.write(SUPER_USER, file, at, b"%d" % at, stable=stable_how.FILE_SYNC))
            for at in range(5)
        ))  # fmt: skip

    file = layers.find("deep/dir/a")
    layers.runner.run(scenario())
    assert layers.me.read(file)[:5] == b"01234"


class OneUser(MemoryFileSystem):
    """An upper layer that cannot give files away, as a server without root."""

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        if new.uid is not None or new.gid is not None:
            raise PermissionError(errno.EPERM, "not permitted")
        super().setattr(who, file, new)


def test_copy_without_root_loses_privilege() -> None:
    with asyncio.Runner() as runner:
        lower = FileUser(MemoryFileSystem(), SUPER_USER, runner=runner)
        lower.create(lower.files.root, b"a", NewAttributes(mode=0o6755, uid=7, gid=8, mtime=5))
        me = FileUser(OverlayFileSystem(lower.files, OneUser()), SUPER_USER, runner=runner)

        me.rename(me.files.root, b"a", me.files.root, b"b")

        found = me.getattr(find(me, "b"))
        assert (found.mode, found.uid, found.mtime) == (0o755, 0, 5)
