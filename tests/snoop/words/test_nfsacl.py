"""Lines of NFSACL."""

from __future__ import annotations

from oncrpc.programs import nfsacl
from oncrpc.programs.nfs3 import nfs_fh3, nfsstat3, post_op_attr
from oncrpc.programs.nfsacl import NFS_ACL_V2, NFS_ACL_V3
from support.wire_messages import call_line, reply_line

HANDLE = nfs_fh3(bytes.fromhex("12340000"))


def test_getacl_shows_the_mask() -> None:
    line = call_line(NFS_ACL_V3.ACLPROC3_GETACL, nfsacl.GETACL3args(HANDLE, 15))

    assert line == "NFS_ACL C GETACL3 FH=1234 mask=0xf"


def test_refusal_is_in_words() -> None:
    answer = nfsacl.GETACL3res(
        nfsstat3.NFS3ERR_NOTSUPP,
        nfsacl.GETACL3resfail(post_op_attr(False, None)),
    )

    line = reply_line(NFS_ACL_V3.ACLPROC3_GETACL, answer)

    assert line == "NFS_ACL R GETACL3 Operation not supported"


def test_access_of_version_2_is_in_words() -> None:
    args = nfsacl.ACCESS2args(b"\x12\x34\0\0" + b"\0" * 28, 3)

    line = call_line(NFS_ACL_V2.ACLPROC2_ACCESS, args)

    assert line == "NFS_ACL C ACCESS2 FH=1234 (read,lookup)"


def test_attribute_directory_shows_whether_to_create() -> None:
    line = call_line(NFS_ACL_V3.ACLPROC3_GETXATTRDIR, nfsacl.GETXATTRDIR3args(HANDLE, True))

    assert line == "NFS_ACL C GETXATTRDIR3 FH=1234 create=true"
