"""``oncrpc.nfs.server.nfs3``: procedures that change nothing, in the words of RFC 1813 §3.3."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import Attributes, Features, FileSystem, Identity
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.programs.nfs3 import (
    ACCESS3_DELETE,
    ACCESS3_EXTEND,
    ACCESS3_LOOKUP,
    ACCESS3_MODIFY,
    ACCESS3_READ,
    FSF3_CANSETTIME,
    FSF3_HOMOGENEOUS,
    FSF3_LINK,
    FSF3_SYMLINK,
    NFS_V3,
    ACCESS3args,
    FSINFO3args,
    FSSTAT3args,
    GETATTR3args,
    LOOKUP3args,
    PATHCONF3args,
    READDIR3args,
    READDIRPLUS3args,
    READLINK3args,
    ftype3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
)
from support.exported import (
    OPTIONS,
    READ_ONLY,
    UDP,
    USER_CRED,
    Exported,
    made_directory,
    made_file,
    made_link,
)

ALL_BITS = 0x3F


def lookup(exported: Exported, name: bytes, directory: nfs_fh3 | None = None) -> LOOKUP3args:
    return LOOKUP3args(exported.at(name, directory))


class TestGetattr:
    def test_attributes_are_those_of_the_object(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(exported.root))

        attributes = found.obj_attributes
        assert (attributes.type, attributes.mode, attributes.nlink) == (ftype3.NF3DIR, 0o755, 2)
        assert (attributes.fsid, attributes.fileid) == (77, 1)

    def test_failure_has_no_other_results(self, exported: Exported) -> None:
        """§3.3.1: contains the error on failure and no other results are returned."""
        forged = GETATTR3args(nfs_fh3(b"forged"))

        assert exported.refused(nfsstat3.NFS3ERR_BADHANDLE, NFS_V3.NFSPROC3_GETATTR, forged) is None


class TestLookup:
    def test_name_has_the_handle_of_its_object(self, exported: Exported) -> None:
        file = made_file(exported, b"a", b"data")

        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b"a"))

        assert found.object == file
        assert found.obj_attributes.body.size == 4
        assert found.dir_attributes.body.fileid == 1

    def test_missing_name_has_attributes_of_directory(self, exported: Exported) -> None:
        body = exported.refused(
            nfsstat3.NFS3ERR_NOENT, NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b"a")
        )

        assert body.dir_attributes.body.fileid == 1

    def test_dot_is_the_current_directory(self, exported: Exported) -> None:
        """§3.3.3: the name, ".", is an alias for the current directory."""
        directory = made_directory(exported, b"d")

        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b".", directory))

        assert found.object == directory

    def test_dot_dot_is_the_parent(self, exported: Exported) -> None:
        """§3.3.3: the name, "..", is an alias for the parent directory."""
        outer = made_directory(exported, b"d")
        inner = made_directory(exported, b"e", outer)

        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b"..", inner))

        assert found.object == outer

    def test_dot_dot_of_the_root_is_the_root(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b".."))

        assert found.object == exported.root

    @pytest.mark.parametrize("name", [b".", b"..", b"a"])
    def test_search_needs_permission(self, exported: Exported, name: bytes) -> None:
        directory = made_directory(exported, b"d", mode=0o666)
        exported.cred = USER_CRED

        exported.refused(
            nfsstat3.NFS3ERR_ACCES, NFS_V3.NFSPROC3_LOOKUP, lookup(exported, name, directory)
        )

    @pytest.mark.parametrize("name", [b".", b"..", b"a", b"a/b"])
    def test_search_of_a_file_is_notdir(self, exported: Exported, name: bytes) -> None:
        file = made_file(exported, b"f")

        exported.refused(
            nfsstat3.NFS3ERR_NOTDIR, NFS_V3.NFSPROC3_LOOKUP, lookup(exported, name, file)
        )

    def test_symbolic_link_is_not_followed(self, exported: Exported) -> None:
        """§3.3.3: this procedure does not follow symbolic links."""
        made_link(exported, b"l", b"/etc/passwd")

        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b"l"))

        assert found.obj_attributes.body.type is ftype3.NF3LNK

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            (b"", nfsstat3.NFS3ERR_ACCES),
            (b"a/b", nfsstat3.NFS3ERR_ACCES),
            (b"../a", nfsstat3.NFS3ERR_ACCES),
            (b"a\0", nfsstat3.NFS3ERR_ACCES),
            (b"a" * 256, nfsstat3.NFS3ERR_NAMETOOLONG),
            (b"/" * 256, nfsstat3.NFS3ERR_NAMETOOLONG),
            (b"\xff\xfe", nfsstat3.NFS3ERR_NOENT),
        ],
    )
    def test_names_that_no_file_has(
        self, exported: Exported, name: bytes, status: nfsstat3
    ) -> None:
        exported.refused(status, NFS_V3.NFSPROC3_LOOKUP, lookup(exported, name))


class TestAccess:
    def test_mask_has_the_bits_that_are_asked(self, exported: Exported) -> None:
        arg = ACCESS3args(exported.root, ACCESS3_READ | ACCESS3_DELETE)

        assert exported.ok(NFS_V3.NFSPROC3_ACCESS, arg).access == ACCESS3_READ | ACCESS3_DELETE

    def test_user_has_the_rights_of_others(self, exported: Exported) -> None:
        exported.cred = USER_CRED

        found = exported.ok(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(exported.root, ALL_BITS))

        assert found.access == ACCESS3_READ | ACCESS3_LOOKUP
        assert found.obj_attributes.attributes_follow

    def test_read_only_export_permits_no_change(self) -> None:
        exported = Exported(options=READ_ONLY)

        found = exported.ok(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(exported.root, ALL_BITS))

        assert not found.access & (ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE)


class TestReadlink:
    def test_text_is_returned_as_it_was_created(self, exported: Exported) -> None:
        link = made_link(exported, b"l", b"\xff/../x")

        found = exported.ok(NFS_V3.NFSPROC3_READLINK, READLINK3args(link))

        assert found.data == b"\xff/../x"
        assert found.symlink_attributes.body.type is ftype3.NF3LNK

    def test_other_types_are_invalid(self, exported: Exported) -> None:
        """§3.3.5: NFS3ERR_INVAL, if the object is not of type, NF3LNK."""
        body = exported.refused(
            nfsstat3.NFS3ERR_INVAL, NFS_V3.NFSPROC3_READLINK, READLINK3args(exported.root)
        )

        assert body.symlink_attributes.body.type is ftype3.NF3DIR


class TestReaddir:
    def test_verifier_is_echoed(self, exported: Exported) -> None:
        arg = READDIR3args(exported.root, 1, b"verifier", 1024)

        assert exported.ok(NFS_V3.NFSPROC3_READDIR, arg).cookieverf == b"verifier"

    def test_directory_may_change_between_calls(self, exported: Exported) -> None:
        made_file(exported, b"a")
        made_file(exported, b"b")
        first = exported.ok(NFS_V3.NFSPROC3_READDIR, READDIR3args(exported.root, 0, bytes(8), 190))
        made_file(exported, b"c")

        last = first.reply.entries[-1].cookie
        rest = exported.ok(
            NFS_V3.NFSPROC3_READDIR, READDIR3args(exported.root, last, bytes(8), 1024)
        )

        assert [entry.name for entry in first.reply.entries] == [b".", b"..", b"a"]
        assert [entry.name for entry in rest.reply.entries] == [b"b", b"c"]
        assert rest.reply.eof

    @pytest.mark.parametrize("plus", [False, True])
    def test_file_is_not_a_directory(self, exported: Exported, plus: bool) -> None:
        file = made_file(exported, b"f")
        notdir = nfsstat3.NFS3ERR_NOTDIR

        if plus:
            with_attributes = READDIRPLUS3args(file, 0, bytes(8), 1024, 1024)
            body = exported.refused(notdir, NFS_V3.NFSPROC3_READDIRPLUS, with_attributes)
        else:
            names = READDIR3args(file, 0, bytes(8), 1024)
            body = exported.refused(notdir, NFS_V3.NFSPROC3_READDIR, names)

        assert body.dir_attributes.body.type is ftype3.NF3REG

    def test_cookie_that_never_was_is_bad(self, exported: Exported) -> None:
        body = exported.refused(
            nfsstat3.NFS3ERR_BAD_COOKIE,
            NFS_V3.NFSPROC3_READDIR,
            READDIR3args(exported.root, 1 << 63, bytes(8), 1024),
        )

        assert body.dir_attributes.attributes_follow

    def test_nordirplus_is_notsupp(self) -> None:
        exported = Exported(options=OPTIONS._replace(readdirplus=False))
        arg = READDIRPLUS3args(exported.root, 0, bytes(8), 1024, 1024)

        exported.refused(nfsstat3.NFS3ERR_NOTSUPP, NFS_V3.NFSPROC3_READDIRPLUS, arg)

    def test_entries_have_what_lookup_returns(self, exported: Exported) -> None:
        file = made_file(exported, b"a", b"data")
        arg = READDIRPLUS3args(exported.root, 2, bytes(8), 1024, 1024)

        (entry,) = exported.ok(NFS_V3.NFSPROC3_READDIRPLUS, arg).reply.entries

        assert entry.name_handle.body == file
        assert entry.name_attributes.body.size == 4


class TestFsstat:
    def test_space_is_that_of_the_file_system(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_FSSTAT, FSSTAT3args(exported.root))

        assert found.tbytes == 8 << 20
        assert found.fbytes == found.abytes <= found.tbytes
        assert found.invarsec == 0


class Plain(FileSystem):
    """A file system that has a root and nothing else."""

    root = b"/"
    features = Features(
        link_max=3,
        name_max=14,
        time_delta=2_000_000_001,
        max_file_size=99,
        settable_times=False,
        case_insensitive=True,
        case_preserving=False,
        chown_restricted=False,
    )

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return Attributes(ftype3.NF3DIR)


class TestFsinfo:
    def test_sizes_are_those_of_tcp(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(exported.root))

        assert (found.rtmax, found.rtpref, found.rtmult) == (1 << 20, 1 << 20, 4096)
        assert (found.wtmax, found.wtpref, found.wtmult) == (1 << 20, 1 << 20, 4096)
        assert found.dtpref == 32 << 10

    def test_sizes_are_those_of_udp(self, exported: Exported) -> None:
        """§3.3.19: a server can advertise different transfer sizes depending on the interface."""
        exported.caller = UDP

        found = exported.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(exported.root))

        assert (found.rtmax, found.wtmax, found.dtpref) == (32 << 10, 32 << 10, 32 << 10)

    def test_sizes_follow_the_limits_of_the_server(self) -> None:
        exported = Exported(sizes=TransferSizes.within(record=1 << 20, datagram=9000))
        exported.caller = UDP

        found = exported.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(exported.root))

        assert (found.rtmax, found.wtmax, found.dtpref) == (4096, 4096, 4096)

    def test_properties_are_those_of_the_file_system(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(exported.root))

        assert found.properties == FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME
        assert found.maxfilesize == (1 << 63) - 1
        assert found.time_delta == nfstime3(0, 1)

    def test_properties_of_a_poor_file_system(self) -> None:
        exported = Exported(Plain())

        found = exported.ok(NFS_V3.NFSPROC3_FSINFO, FSINFO3args(exported.root))

        assert found.properties == FSF3_HOMOGENEOUS
        assert found.maxfilesize == 99
        assert found.time_delta == nfstime3(2, 1)


class TestPathconf:
    def test_limits_are_those_of_the_file_system(self, exported: Exported) -> None:
        found = exported.ok(NFS_V3.NFSPROC3_PATHCONF, PATHCONF3args(exported.root))

        assert (found.linkmax, found.name_max, found.no_trunc) == (65000, 255, True)
        flags = found.chown_restricted, found.case_insensitive, found.case_preserving
        assert flags == (True, False, True)

    def test_limits_of_a_poor_file_system(self) -> None:
        exported = Exported(Plain())

        found = exported.ok(NFS_V3.NFSPROC3_PATHCONF, PATHCONF3args(exported.root))

        assert (found.linkmax, found.name_max, found.no_trunc) == (3, 14, True)
        flags = found.chown_restricted, found.case_insensitive, found.case_preserving
        assert flags == (False, True, False)

    def test_longer_name_is_refused(self) -> None:
        """§3.3.20: the server will reject any request that includes a name longer than name_max."""
        exported = Exported(Plain())

        exported.refused(
            nfsstat3.NFS3ERR_NAMETOOLONG, NFS_V3.NFSPROC3_LOOKUP, lookup(exported, b"a" * 15)
        )


def test_null_does_nothing(exported: Exported) -> None:
    """§3.3.0: it is important that this procedure do no work at all."""
    assert exported.call(NFS_V3.NFSPROC3_NULL) is None
