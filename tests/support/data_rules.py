"""Rules of files: data, sizes, times, symbolic links and special files."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import NOW, NewAttributes
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how
from support.directory_rules import need
from support.file_user import FileUser, refused

SECOND = 1_000_000_000
SPECIAL = {
    "pipe": (ftype3.NF3FIFO, (0, 0)),
    "socket": (ftype3.NF3SOCK, (0, 0)),
    "character device": (ftype3.NF3CHR, (5, 300)),
    "block device": (ftype3.NF3BLK, (259, 7)),
}


class DataRules:
    """Data, sizes, times, symbolic links and special files."""

    def test_data_are_read_as_written(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")

        assert me.write(file, b"hello world").length == 11
        assert me.write(file, b"there", 6).length == 5

        assert me.read(file) == b"hello there"
        assert me.read(file, 6, 3) == b"the"
        assert me.getattr(file).size == 11

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    def test_reading_ends_at_the_end(self, me: FileUser, work: bytes, beyond: int) -> None:
        """Claim 6: right at size - 1, size, size + 1."""
        file = me.create(work, b"a")
        me.write(file, b"0123456789")

        assert me.read(file, 10 + beyond, 100) == b"0123456789"[10 + beyond :]

    def test_holes_read_as_zeros(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        far = min(5 << 30, me.files.features.max_file_size // 2)

        me.write(file, b"end", far)

        assert me.getattr(file).size == far + 3
        assert me.getattr(file).used < 1 << 20
        assert me.read(file, far - 2, 100) == b"\0\0end"
        assert me.read(file, 1 << 20, 10) == bytes(10)

    @pytest.mark.parametrize("stable", list(stable_how))
    def test_data_are_stored_as_asked(self, me: FileUser, work: bytes, stable: stable_how) -> None:
        file = me.create(work, b"a")

        written = me.write(file, b"x", stable=stable)

        assert written.committed >= stable
        me.commit(file)
        me.commit(file, 0, 1)

    def test_size_can_be_set(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        me.write(file, b"0123456789")

        me.setattr(file, NewAttributes(size=4))
        me.setattr(file, NewAttributes(size=6))

        assert me.read(file) == b"0123\0\0"

    def test_size_beyond_the_largest_is_refused(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        most = me.files.features.max_file_size

        with refused(nfsstat3.NFS3ERR_FBIG, nfsstat3.NFS3ERR_INVAL):
            me.setattr(file, NewAttributes(size=most + 1))
        with refused(nfsstat3.NFS3ERR_FBIG, nfsstat3.NFS3ERR_INVAL):
            me.write(file, b"x", most)
        assert me.getattr(file).size == 0

    def test_directory_has_no_data(self, me: FileUser, work: bytes) -> None:
        with refused(nfsstat3.NFS3ERR_ISDIR):
            me.read(work)
        with refused(nfsstat3.NFS3ERR_ISDIR):
            me.write(work, b"x")
        with refused(nfsstat3.NFS3ERR_ISDIR):
            me.setattr(work, NewAttributes(size=0))

    def test_writing_sets_the_times(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a", NewAttributes(mode=0o600, mtime=5))
        before = me.getattr(file)

        me.write(file, b"x")

        after = me.getattr(file)
        assert before.mtime == 5 < after.mtime
        assert after.ctime >= before.ctime

    def test_times_are_kept_to_the_nanosecond(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        atime, mtime = 1234567890_123456789, 1_000_000_001

        me.setattr(file, NewAttributes(atime=atime, mtime=mtime))

        found, delta = me.getattr(file), me.files.features.time_delta
        assert (found.atime // delta, found.mtime // delta) == (atime // delta, mtime // delta)

    def test_one_time_is_set_without_the_other(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a", NewAttributes(atime=3 * SECOND, mtime=4 * SECOND))

        me.setattr(file, NewAttributes(mtime=5 * SECOND))
        assert (me.getattr(file).atime, me.getattr(file).mtime) == (3 * SECOND, 5 * SECOND)
        me.setattr(file, NewAttributes(atime=NOW))
        assert me.getattr(file).atime > 5 * SECOND

    def test_new_file_has_the_times_asked_for(self, me: FileUser, work: bytes) -> None:
        """Claim 10: all 2^64 verifiers of an exclusive create fit the times."""
        new = NewAttributes(mode=0o600, atime=2**31 * SECOND - 1, mtime=7 * SECOND + 5)

        found = me.getattr(me.create(work, b"a", new))

        assert (found.atime, found.mtime) == (new.atime, new.mtime)

    def test_new_file_has_the_size_asked_for(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a", NewAttributes(mode=0o600, size=5))

        assert me.read(file) == bytes(5)

    def test_new_file_without_mode_is_private(self, me: FileUser, work: bytes) -> None:
        file, directory = (
            me.create(work, b"a", NewAttributes()), me.mkdir(work, b"d", NewAttributes())
        )  # fmt: skip

        assert (me.getattr(file).mode, me.getattr(directory).mode) == (0o600, 0o700)

    def test_mode_has_twelve_bits(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a", NewAttributes(mode=0o7777))
        assert me.getattr(file).mode == 0o7777

        me.setattr(file, NewAttributes(mode=0o4001))

        assert me.getattr(file).mode == 0o4001

    def test_no_attributes_change_nothing(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        before = me.getattr(file)

        me.setattr(file, NewAttributes())

        assert me.getattr(file) == before

    @pytest.mark.parametrize("length", [1, 60, 1023, 4095])
    def test_symlink_keeps_its_text(self, me: FileUser, work: bytes, length: int) -> None:
        need(me.files.features.symlinks, "symbolic links")
        target = (b"../name/" * 600)[:length]

        link = me.symlink(work, b"l", target)

        found = me.getattr(link)
        assert me.readlink(link) == target
        assert (found.kind, found.mode, found.size) == (ftype3.NF3LNK, 0o777, length)

    def test_symlink_is_not_followed(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.symlinks, "symbolic links")
        directory = me.mkdir(work, b"d")
        me.create(directory, b"a")
        link = me.symlink(work, b"l", b"d")

        assert me.lookup(work, b"l") == link
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.lookup(link, b"a")
        with refused(nfsstat3.NFS3ERR_INVAL):
            me.read(link)
        with refused(nfsstat3.NFS3ERR_INVAL):
            me.setattr(link, NewAttributes(size=0))
        me.setattr(link, NewAttributes(mtime=5))
        assert me.getattr(link).mtime == 5
        assert me.getattr(directory).mtime > 5

    def test_symlink_of_impossible_length_is_refused(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.symlinks, "symbolic links")

        with refused(nfsstat3.NFS3ERR_NAMETOOLONG):
            me.symlink(work, b"l", b"t" * 5000)
        with refused(nfsstat3.NFS3ERR_NOENT, nfsstat3.NFS3ERR_INVAL):
            me.symlink(work, b"l", b"")

    def test_mode_of_a_symlink_stays(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.symlinks, "symbolic links")
        target = me.create(work, b"a", NewAttributes(mode=0o600))
        link = me.symlink(work, b"l", b"a")

        me.setattr(link, NewAttributes(mode=0o644))

        assert (me.getattr(link).mode, me.getattr(target).mode) == (0o777, 0o600)

    def test_only_symlinks_are_read_as_such(self, me: FileUser, work: bytes) -> None:
        for file in (work, me.create(work, b"a")):
            with refused(nfsstat3.NFS3ERR_INVAL):
                me.readlink(file)

    @pytest.mark.parametrize("kind", SPECIAL)
    def test_special_files_keep_their_numbers(self, me: FileUser, work: bytes, kind: str) -> None:
        need(me.files.features.special_files, "special files")
        number, device = SPECIAL[kind]
        if device != (0, 0) and me.who.uid != 0:
            pytest.skip("only the super-user makes devices")

        file = me.mknod(work, b"s", number, device=device)

        found = me.getattr(file)
        assert (found.kind, found.device, found.mode) == (number, device, 0o644)
        with refused(nfsstat3.NFS3ERR_INVAL):
            me.read(file)
        with refused(nfsstat3.NFS3ERR_EXIST):
            me.mknod(work, b"s", number, device=device)
        me.remove(work, b"s")

    def test_free_space_is_within_all_space(self, me: FileUser, work: bytes) -> None:
        found = me.statfs(work)

        assert found.available_bytes <= found.free_bytes <= found.total_bytes
        assert found.available_files <= found.free_files <= found.total_files
