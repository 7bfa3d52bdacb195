from __future__ import annotations

from oncrpc.cli.rpcinfo.statistics import VERSIONS, counters_item, counters_text
from oncrpc.programs.rpcb import rpcb_stat, rpcbs_addrlist, rpcbs_rmtcalllist

NONE = rpcb_stat([0] * 13, 0, 0, [], [])
LOOKUPS = [rpcbs_addrlist(100003, 3, 1, 0, b"udp"), rpcbs_addrlist(499999, 0, 2, 5, b"tcp")]
REMOTE = [rpcbs_rmtcalllist(400100, 1, 0, 4, 1, 1, b"udp")]
BUSY = rpcb_stat([5, 6, 7, 8, 9, 10, 0, 0, 0, 0, 1, 5, 12345678], 1, 2, LOOKUPS, REMOTE)


def test_unasked_procedures_have_no_tables() -> None:
    assert list(counters_text([NONE, NONE, NONE])) == [
        "PORTMAP (version 2) statistics",
        "NULL    SET     UNSET   GETPORT DUMP    CALLIT  ",
        "0       0/0     0/0     0/0     0       0/0     ",
        "",
        "RPCBIND (version 3) statistics",
        "NULL    SET     UNSET   GETADDR DUMP    CALLIT  TIME    U2T     T2U     ",
        "0       0/0     0/0     0/0     0       0/0     0       0       0       ",
        "",
        "RPCBIND (version 4) statistics",
        "NULL    SET     UNSET   GETADDR DUMP    CALLIT  TIME    U2T     T2U     ",
        "0       0/0     0/0     0/0     0       0/0     0       0       0       ",
        "VERADDR INDRECT GETLIST GETSTAT ",
        "0       0       0       0       ",
    ]


def test_version_2_tables_end_with_a_blank_line() -> None:
    lines = list(counters_text([BUSY, NONE, NONE]))

    assert lines[1:11] == [
        "NULL    SET     UNSET   GETPORT DUMP    CALLIT  ",
        "5       1/6     2/7     3/8     9       4/10    ",
        "",
        "PMAP_RMTCALL call statistics",
        "prog\t\tvers\tproc\tnetid\tsuccess\tfailure",
        "400100          1\t0\tudp\t4\t1",
        "",
        "PMAP_GETPORT call statistics",
        "prog\t\tvers\tnetid\t  success\tfailure",
        "nfs             3\tudp\t  1           \t0",
    ]


def test_version_4_counts_address_lists_as_lookups() -> None:
    lines = list(counters_text([NONE, NONE, BUSY]))

    assert lines[8:] == [
        "RPCBIND (version 4) statistics",
        "NULL    SET     UNSET   GETADDR DUMP    CALLIT  TIME    U2T     T2U     ",
        "5       1/6     2/7     3/13    9       4/10    0       0       0       ",
        "VERADDR INDRECT GETLIST GETSTAT         ",
        "0       1       5       12345678        ",
        "",
        "RPCB_RMTCALL (version 4) call statistics",
        "prog\t\tvers\tproc\tnetid\tindirect success failure",
        "400100          1\t0\tudp\t1\t 4\t1",
        "",
        "RPCB_GETADDR (version 4) call statistics",
        "prog\t\tvers\tnetid\t  success\tfailure",
        "nfs             3\tudp\t  1           \t0",
        "499999          0\ttcp\t  2           \t5",
    ]


def test_json_has_calls_and_successes_by_procedure() -> None:
    found = counters_item(VERSIONS[0], BUSY)

    assert found["calls"]["GETPORT"] == 8
    assert found["succeeded"] == {"SET": 1, "UNSET": 2, "GETPORT": 3, "CALLIT": 4}
    assert found["lookups"][0]["service"] == "nfs"
    assert found["remote_calls"][0]["indirect"] is True
