"""``oncrpc.nfs.names``: names that a file system may be given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.names import check_name
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"", nfsstat3.NFS3ERR_ACCES),
        (b".", nfsstat3.NFS3ERR_EXIST),
        (b"..", nfsstat3.NFS3ERR_EXIST),
        (b"../../x", nfsstat3.NFS3ERR_ACCES),
        (b"/", nfsstat3.NFS3ERR_ACCES),
        (b"a\0b", nfsstat3.NFS3ERR_ACCES),
    ],
)
def test_name_of_no_entry_is_refused(name: bytes, status: nfsstat3) -> None:
    with pytest.raises(NfsError) as caught:
        check_name(name)

    assert caught.value.status is status


@given(st.binary(max_size=300))
def test_accepted_name_stays_within_its_directory(name: bytes) -> None:
    try:
        found = check_name(name)
    except NfsError:
        return
    assert found == name
    assert b"/" not in found
    assert b"\0" not in found
    assert found.strip(b".") or len(found) > 2
