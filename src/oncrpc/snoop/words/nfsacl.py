"""The words for NFSACL, versions 2 and 3."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.nfs3 import ACCESS
from oncrpc.snoop.words.statuses import NFS2_STATUS, NFS3_STATUS
from oncrpc.snoop.words.templates import Reader, Skipped, StatusReader, Wording, bits_of, compiled


def _mask(cursor: Cursor) -> str:
    return f"{cursor.uint():#x}"


def _boolean(cursor: Cursor) -> str:
    return "true" if cursor.uint() else "false"


READERS: dict[str, Reader] = {
    "mask": _mask,
    "boolean": _boolean,
    "access": bits_of(ACCESS),
    "attributes2": Skipped(68),
    "status2": StatusReader(NFS2_STATUS),
    "status3": StatusReader(NFS3_STATUS),
}

NFSACL_2 = Wording(
    "NFS_ACL",
    ("NULL2", "GETACL2", "SETACL2", "GETATTR2", "ACCESS2", "GETXATTRDIR2"),
    compiled(
        {
            1: "FH={fh2} mask={mask}",
            2: "FH={fh2}",
            3: "FH={fh2}",
            4: "FH={fh2} ({access})",
            5: "FH={fh2} create={boolean}",
        },
        READERS,
    ),
    compiled(
        {
            1: "{status2}",
            2: "{status2}",
            3: "{status2}",
            4: "{status2}{-attributes2} ({access})",
            5: "{status2} FH={fh2}",
        },
        READERS,
    ),
)

NFSACL_3 = Wording(
    "NFS_ACL",
    ("NULL3", "GETACL3", "SETACL3", "GETXATTRDIR3"),
    compiled({1: "FH={fh} mask={mask}", 2: "FH={fh}", 3: "FH={fh} create={boolean}"}, READERS),
    compiled({1: "{status3}", 2: "{status3}", 3: "{status3} FH={fh}"}, READERS),
)
