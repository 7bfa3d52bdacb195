"""Rules of directories: names, ids, listings, renaming and removing."""

from __future__ import annotations

import random

import pytest

from oncrpc.nfs.filesystem import MAX_ID, DirEntry, NewAttributes
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_user import FileUser, refused

NAMES = [b"%03d" % number for number in range(60)]


def need(feature: bool, what: str) -> None:
    """Skip the test if the file system lacks something."""
    if not feature:
        pytest.skip(f"this file system has no {what}")


class DirectoryRules:
    """Names, ids, listings, renaming and removing."""

    def test_created_file_is_found(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a", NewAttributes(mode=0o640))

        found = me.getattr(me.lookup(work, b"a"))
        assert me.lookup(work, b"a") == file
        assert (found.kind, found.mode, found.nlink) == (ftype3.NF3REG, 0o640, 1)
        assert (found.size, found.uid) == (0, me.who.uid)

    def test_missing_name_is_noent(self, me: FileUser, work: bytes) -> None:
        for call in (me.lookup, me.remove, me.rmdir):
            with refused(nfsstat3.NFS3ERR_NOENT):
                call(work, b"missing")
        with refused(nfsstat3.NFS3ERR_NOENT):
            me.rename(work, b"missing", work, b"other")

    def test_existing_name_is_not_created_again(self, me: FileUser, work: bytes) -> None:
        me.create(work, b"a")

        with refused(nfsstat3.NFS3ERR_EXIST):
            me.create(work, b"a")
        with refused(nfsstat3.NFS3ERR_EXIST):
            me.mkdir(work, b"a")
        assert me.getattr(me.lookup(work, b"a")).kind is ftype3.NF3REG

    def test_file_is_no_directory(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")

        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.lookup(file, b"b")
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.create(file, b"b")
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.readdir(file)
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.rmdir(work, b"a")

    def test_longest_name_is_that_of_the_features(self, me: FileUser, work: bytes) -> None:
        longest = b"n" * me.files.features.name_max
        me.create(work, longest)

        assert me.names(work) == [longest]
        for call in (me.lookup, me.create, me.mkdir, me.remove, me.rmdir):
            with refused(nfsstat3.NFS3ERR_NAMETOOLONG):
                call(work, longest + b"n")
        with refused(nfsstat3.NFS3ERR_NAMETOOLONG):
            me.rename(work, longest, work, longest + b"n")

    def test_names_are_any_bytes(self, me: FileUser, work: bytes) -> None:
        names = {b"\xff\xfe", b" ", b"-", b"\n", b"a\\b", "é".encode()}
        for name in names:
            me.create(work, name)

        assert set(me.names(work)) == names

    def test_ids_have_at_most_44_bytes(self, me: FileUser, work: bytes) -> None:
        """Claim 18: no handle over 56 bytes, tested for each back end."""
        assert 1 <= len(me.files.root) <= MAX_ID
        assert 1 <= len(me.create(work, b"a")) <= MAX_ID

    def test_renamed_ancestor_keeps_ids(self, me: FileUser, work: bytes) -> None:
        """Claim 21: rename of an ancestor keeps handles."""
        directory = me.mkdir(work, b"d")
        file = me.create(me.mkdir(directory, b"e"), b"f")

        me.rename(work, b"d", me.mkdir(work, b"other"), b"moved")

        assert me.getattr(file).kind is ftype3.NF3REG
        assert me.names(directory) == [b"e"]

    def test_removed_file_is_stale(self, me: FileUser, work: bytes) -> None:
        """Claim 23: STALE for handles, NOENT for names only."""
        file = me.create(work, b"a")
        me.remove(work, b"a")
        me.create(work, b"a")

        with refused(nfsstat3.NFS3ERR_STALE):
            me.getattr(file)
        with refused(nfsstat3.NFS3ERR_STALE):
            me.read(file)

    def test_removed_directory_is_stale(self, me: FileUser, work: bytes) -> None:
        """Claim 23: STALE for handles, NOENT for names only."""
        directory = me.mkdir(work, b"d")
        me.rmdir(work, b"d")

        for call in (me.lookup, me.create, me.mkdir, me.remove):
            with refused(nfsstat3.NFS3ERR_STALE):
                call(directory, b"a")
        with refused(nfsstat3.NFS3ERR_STALE):
            me.readdir(directory)
        with refused(nfsstat3.NFS3ERR_STALE):
            me.rename(work, b"d", directory, b"a")

    def test_parent_is_the_directory_above(self, me: FileUser, work: bytes) -> None:
        directory = me.mkdir(work, b"d")
        below = me.mkdir(directory, b"e")
        other = me.mkdir(work, b"other")

        assert (me.parent(below), me.parent(directory)) == (directory, work)
        me.rename(directory, b"e", other, b"e")
        assert me.parent(below) == other

    def test_directories_count_those_below(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.counts_directories, "number of directories in a directory")
        me.mkdir(work, b"d")
        me.create(work, b"a")
        assert me.getattr(work).nlink == 3

        me.rmdir(work, b"d")

        assert me.getattr(work).nlink == 2

    def test_listing_names_the_directory_and_its_parent(self, me: FileUser, work: bytes) -> None:
        found = {entry.name: entry.fileid for entry in me.readdir(work).entries}

        expected = {b".": work, b"..": me.files.root}
        assert found == {name: me.getattr(file).fileid for name, file in expected.items()}

    @pytest.mark.parametrize("count", [1, 3, 1000])
    def test_hard_links_are_listed_in_any_portions(
        self, me: FileUser, work: bytes, count: int
    ) -> None:
        """Claim 2: a directory with hard links and any size of reply: the same set each time."""
        need(me.files.features.hard_links, "hard links")
        file = me.create(work, b"a")
        for name in NAMES[:20]:
            me.link(file, work, name)

        assert sorted(me.names(work, count=count)) == [*NAMES[:20], b"a"]
        assert len(me.raw_names(work, count=count)) == 23

    def test_entries_have_the_numbers_of_their_files(self, me: FileUser, work: bytes) -> None:
        directory = me.mkdir(work, b"d")
        me.create(work, b"a")

        for entry in me.readdir(work, plus=True).entries:
            file = {b".": work, b"..": me.files.root}.get(entry.name)
            found = me.getattr(file or me.lookup(work, entry.name))
            assert entry.fileid == found.fileid
            assert entry.cookie != 0
            assert entry.file in (None, file or me.lookup(work, entry.name))
            assert entry.attributes is None or entry.attributes.kind is found.kind
        assert me.readdir(directory).eof

    @pytest.mark.parametrize("seed", range(3))
    def test_listing_while_entries_go_names_each_once(
        self, me: FileUser, work: bytes, seed: int
    ) -> None:
        """Claim 1: a listing with interleaved unlink returns each name at most once and ends."""
        chance, gone, found = random.Random(seed), set[bytes](), list[bytes]()
        for name in NAMES:
            me.create(work, name)

        cookie, eof = 0, False
        while not eof:
            listing = me.readdir(work, cookie, 4)
            found += [entry.name for entry in listing.entries]
            cookie, eof = listing.entries[-1].cookie if listing.entries else cookie, listing.eof
            for name in chance.sample(sorted({*NAMES} - gone), 2):
                me.remove(work, name)
                gone.add(name)

        assert len(found) == len(set(found))
        assert {*NAMES} - gone <= {*found}

    def test_listing_while_entries_come_names_old_once(self, me: FileUser, work: bytes) -> None:
        """Claim 3: never BAD_COOKIE for a changed directory."""
        found, cookie, eof = list[bytes](), 0, False
        for name in NAMES:
            me.create(work, name)

        while not eof and len(found) < 500:
            listing = me.readdir(work, cookie, 5)
            found += [entry.name for entry in listing.entries]
            cookie, eof = listing.entries[-1].cookie if listing.entries else cookie, listing.eof
            if len(found) < 200:
                me.create(work, b"new %d" % len(found))

        assert eof
        assert sorted(name for name in found if name in NAMES) == NAMES

    def test_rm_rf_ends_with_an_empty_directory(self, me: FileUser, work: bytes) -> None:
        """Claim 4: list some, remove them, go on with the last cookie, and at the end RMDIR."""
        directory = me.mkdir(work, b"d")
        for name in NAMES:
            me.create(directory, name)

        cookie, eof = 0, False
        while not eof:
            listing = me.readdir(directory, cookie, 7)
            for entry in listing.entries:
                if entry.name not in (b".", b".."):
                    me.remove(directory, entry.name)
            cookie, eof = listing.entries[-1].cookie if listing.entries else cookie, listing.eof

        me.rmdir(work, b"d")
        assert me.names(work) == []

    def test_cookie_at_the_end_lists_nothing(self, me: FileUser, work: bytes) -> None:
        me.create(work, b"a")
        last = me.readdir(work).entries[-1].cookie

        listing = me.readdir(work, last)

        assert (list(listing.entries), listing.eof) == ([], True)

    def test_unknown_cookie_is_refused_or_the_end(self, me: FileUser, work: bytes) -> None:
        found = list[DirEntry]()

        with refused(nfsstat3.NFS3ERR_BAD_COOKIE):
            found += me.readdir(work, (1 << 63) - 2).entries
            raise NfsError(nfsstat3.NFS3ERR_BAD_COOKIE)

        assert found == []

    def test_full_directory_is_not_removed(self, me: FileUser, work: bytes) -> None:
        """Claim 5: NOTEMPTY for every back end."""
        directory = me.mkdir(work, b"d")
        me.create(directory, b"a")

        with refused(nfsstat3.NFS3ERR_NOTEMPTY):
            me.rmdir(work, b"d")
        assert me.names(directory) == [b"a"]

    def test_directory_is_not_removed_as_a_file(self, me: FileUser, work: bytes) -> None:
        me.mkdir(work, b"d")

        with refused(nfsstat3.NFS3ERR_ISDIR, nfsstat3.NFS3ERR_PERM):
            me.remove(work, b"d")

    def test_rename_replaces_a_file(self, me: FileUser, work: bytes) -> None:
        file, replaced = me.create(work, b"a"), me.create(work, b"b")

        me.rename(work, b"a", work, b"b")

        assert (me.lookup(work, b"b"), me.names(work)) == (file, [b"b"])
        with refused(nfsstat3.NFS3ERR_STALE):
            me.getattr(replaced)

    def test_rename_replaces_an_empty_directory_only(self, me: FileUser, work: bytes) -> None:
        directory, other = me.mkdir(work, b"d"), me.mkdir(work, b"e")
        me.create(other, b"a")

        with refused(nfsstat3.NFS3ERR_NOTEMPTY, nfsstat3.NFS3ERR_EXIST):
            me.rename(work, b"d", work, b"e")
        me.rename(work, b"e", work, b"d")

        assert me.lookup(work, b"d") == other
        assert me.names(work) == [b"d"]
        with refused(nfsstat3.NFS3ERR_STALE):
            me.getattr(directory)

    def test_rename_mixes_no_kinds(self, me: FileUser, work: bytes) -> None:
        me.mkdir(work, b"d")
        me.create(work, b"a")

        with refused(nfsstat3.NFS3ERR_ISDIR):
            me.rename(work, b"a", work, b"d")
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.rename(work, b"d", work, b"a")

    def test_directory_is_not_moved_below_itself(self, me: FileUser, work: bytes) -> None:
        directory = me.mkdir(work, b"d")
        below = me.mkdir(directory, b"e")

        for target in (directory, below):
            with refused(nfsstat3.NFS3ERR_INVAL):
                me.rename(work, b"d", target, b"x")
        with refused(nfsstat3.NFS3ERR_NOTEMPTY, nfsstat3.NFS3ERR_INVAL):
            me.rename(directory, b"e", work, b"d")

    def test_rename_to_the_same_file_does_nothing(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")

        me.rename(work, b"a", work, b"a")

        assert me.names(work) == [b"a"]
        need(me.files.features.hard_links, "hard links")
        me.link(file, work, b"b")
        me.rename(work, b"a", work, b"b")
        assert sorted(me.names(work)) == [b"a", b"b"]

    def test_file_lives_until_its_last_link_goes(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.hard_links, "hard links")
        file = me.create(work, b"a")
        me.write(file, b"data")
        me.link(file, work, b"b")
        assert me.getattr(file).nlink == 2

        me.remove(work, b"a")

        assert (me.getattr(file).nlink, me.read(file)) == (1, b"data")
        me.remove(work, b"b")
        with refused(nfsstat3.NFS3ERR_STALE):
            me.getattr(file)

    def test_link_replaces_nothing(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.hard_links, "hard links")
        file = me.create(work, b"a")
        me.create(work, b"b")

        with refused(nfsstat3.NFS3ERR_EXIST):
            me.link(file, work, b"b")

    def test_directory_has_no_second_name(self, me: FileUser, work: bytes) -> None:
        need(me.files.features.hard_links, "hard links")
        directory = me.mkdir(work, b"d")

        with refused(nfsstat3.NFS3ERR_PERM, nfsstat3.NFS3ERR_ISDIR, nfsstat3.NFS3ERR_INVAL):
            me.link(directory, work, b"e")

    def test_changes_of_entries_change_the_time(self, me: FileUser, work: bytes) -> None:
        file = me.create(work, b"a")
        for change in (
            lambda: me.rename(work, b"a", work, b"b"),
            lambda: me.remove(work, b"b"),
            lambda: me.mkdir(work, b"d"),
            lambda: me.rmdir(work, b"d"),
        ):
            me.setattr(work, NewAttributes(mtime=5))
            change()
            assert me.getattr(work).mtime > 5
        assert file
