"""Procedures and statuses of the programs of this package, in a form that loads fast.

To load the declarations takes as long as to read 5,000 messages. Made by docs/make_declared.py; do
not edit.
"""

from __future__ import annotations

Entry = tuple[str, tuple[int | None, ...], str | None]
"""A name; what is before the status of results; its type, None if there is no status.

Before it are numbers of bytes, and None for an opaque value. A type of "" is a number of Unix.
"""

OPEN = {"nfsstat4"}
"""Types that may have other numbers."""

STATUSES: dict[str, dict[int, str]] = {
    "mountstat3": {
        0: "MNT3_OK", 1: "MNT3ERR_PERM", 2: "MNT3ERR_NOENT", 5: "MNT3ERR_IO", 13: "MNT3ERR_ACCES",
        20: "MNT3ERR_NOTDIR", 22: "MNT3ERR_INVAL", 63: "MNT3ERR_NAMETOOLONG",
        10004: "MNT3ERR_NOTSUPP", 10006: "MNT3ERR_SERVERFAULT",
    },
    "nfsstat3": {
        0: "NFS3_OK", 1: "NFS3ERR_PERM", 2: "NFS3ERR_NOENT", 5: "NFS3ERR_IO", 6: "NFS3ERR_NXIO",
        13: "NFS3ERR_ACCES", 17: "NFS3ERR_EXIST", 18: "NFS3ERR_XDEV", 19: "NFS3ERR_NODEV",
        20: "NFS3ERR_NOTDIR", 21: "NFS3ERR_ISDIR", 22: "NFS3ERR_INVAL", 27: "NFS3ERR_FBIG",
        28: "NFS3ERR_NOSPC", 30: "NFS3ERR_ROFS", 31: "NFS3ERR_MLINK", 63: "NFS3ERR_NAMETOOLONG",
        66: "NFS3ERR_NOTEMPTY", 69: "NFS3ERR_DQUOT", 70: "NFS3ERR_STALE", 71: "NFS3ERR_REMOTE",
        10001: "NFS3ERR_BADHANDLE", 10002: "NFS3ERR_NOT_SYNC", 10003: "NFS3ERR_BAD_COOKIE",
        10004: "NFS3ERR_NOTSUPP", 10005: "NFS3ERR_TOOSMALL", 10006: "NFS3ERR_SERVERFAULT",
        10007: "NFS3ERR_BADTYPE", 10008: "NFS3ERR_JUKEBOX",
    },
    "nfsstat4": {
        0: "NFS4_OK", 1: "NFS4ERR_PERM", 2: "NFS4ERR_NOENT", 5: "NFS4ERR_IO", 6: "NFS4ERR_NXIO",
        13: "NFS4ERR_ACCESS", 17: "NFS4ERR_EXIST", 18: "NFS4ERR_XDEV", 20: "NFS4ERR_NOTDIR",
        21: "NFS4ERR_ISDIR", 22: "NFS4ERR_INVAL", 27: "NFS4ERR_FBIG", 28: "NFS4ERR_NOSPC",
        30: "NFS4ERR_ROFS", 31: "NFS4ERR_MLINK", 63: "NFS4ERR_NAMETOOLONG",
        66: "NFS4ERR_NOTEMPTY", 69: "NFS4ERR_DQUOT", 70: "NFS4ERR_STALE",
        10001: "NFS4ERR_BADHANDLE", 10003: "NFS4ERR_BAD_COOKIE", 10004: "NFS4ERR_NOTSUPP",
        10005: "NFS4ERR_TOOSMALL", 10006: "NFS4ERR_SERVERFAULT", 10007: "NFS4ERR_BADTYPE",
        10008: "NFS4ERR_DELAY", 10009: "NFS4ERR_SAME", 10010: "NFS4ERR_DENIED",
        10011: "NFS4ERR_EXPIRED", 10012: "NFS4ERR_LOCKED", 10013: "NFS4ERR_GRACE",
        10014: "NFS4ERR_FHEXPIRED", 10015: "NFS4ERR_SHARE_DENIED", 10016: "NFS4ERR_WRONGSEC",
        10017: "NFS4ERR_CLID_INUSE", 10018: "NFS4ERR_RESOURCE", 10019: "NFS4ERR_MOVED",
        10020: "NFS4ERR_NOFILEHANDLE", 10021: "NFS4ERR_MINOR_VERS_MISMATCH",
        10022: "NFS4ERR_STALE_CLIENTID", 10023: "NFS4ERR_STALE_STATEID",
        10024: "NFS4ERR_OLD_STATEID", 10025: "NFS4ERR_BAD_STATEID", 10026: "NFS4ERR_BAD_SEQID",
        10027: "NFS4ERR_NOT_SAME", 10028: "NFS4ERR_LOCK_RANGE", 10029: "NFS4ERR_SYMLINK",
        10030: "NFS4ERR_RESTOREFH", 10031: "NFS4ERR_LEASE_MOVED", 10032: "NFS4ERR_ATTRNOTSUPP",
        10033: "NFS4ERR_NO_GRACE", 10034: "NFS4ERR_RECLAIM_BAD",
        10035: "NFS4ERR_RECLAIM_CONFLICT", 10036: "NFS4ERR_BADXDR", 10037: "NFS4ERR_LOCKS_HELD",
        10038: "NFS4ERR_OPENMODE", 10039: "NFS4ERR_BADOWNER", 10040: "NFS4ERR_BADCHAR",
        10041: "NFS4ERR_BADNAME", 10042: "NFS4ERR_BAD_RANGE", 10043: "NFS4ERR_LOCK_NOTSUPP",
        10044: "NFS4ERR_OP_ILLEGAL", 10045: "NFS4ERR_DEADLOCK", 10046: "NFS4ERR_FILE_OPEN",
        10047: "NFS4ERR_ADMIN_REVOKED", 10048: "NFS4ERR_CB_PATH_DOWN", 10049: "NFS4ERR_BADIOMODE",
        10050: "NFS4ERR_BADLAYOUT", 10051: "NFS4ERR_BAD_SESSION_DIGEST",
        10052: "NFS4ERR_BADSESSION", 10053: "NFS4ERR_BADSLOT", 10054: "NFS4ERR_COMPLETE_ALREADY",
        10055: "NFS4ERR_CONN_NOT_BOUND_TO_SESSION", 10056: "NFS4ERR_DELEG_ALREADY_WANTED",
        10057: "NFS4ERR_BACK_CHAN_BUSY", 10058: "NFS4ERR_LAYOUTTRYLATER",
        10059: "NFS4ERR_LAYOUTUNAVAILABLE", 10060: "NFS4ERR_NOMATCHING_LAYOUT",
        10061: "NFS4ERR_RECALLCONFLICT", 10062: "NFS4ERR_UNKNOWN_LAYOUTTYPE",
        10063: "NFS4ERR_SEQ_MISORDERED", 10064: "NFS4ERR_SEQUENCE_POS",
        10065: "NFS4ERR_REQ_TOO_BIG", 10066: "NFS4ERR_REP_TOO_BIG",
        10067: "NFS4ERR_REP_TOO_BIG_TO_CACHE", 10068: "NFS4ERR_RETRY_UNCACHED_REP",
        10069: "NFS4ERR_UNSAFE_COMPOUND", 10070: "NFS4ERR_TOO_MANY_OPS",
        10071: "NFS4ERR_OP_NOT_IN_SESSION", 10072: "NFS4ERR_HASH_ALG_UNSUPP",
        10074: "NFS4ERR_CLIENTID_BUSY", 10075: "NFS4ERR_PNFS_IO_HOLE",
        10076: "NFS4ERR_SEQ_FALSE_RETRY", 10077: "NFS4ERR_BAD_HIGH_SLOT",
        10078: "NFS4ERR_DEADSESSION", 10079: "NFS4ERR_ENCR_ALG_UNSUPP",
        10080: "NFS4ERR_PNFS_NO_LAYOUT", 10081: "NFS4ERR_NOT_ONLY_OP",
        10082: "NFS4ERR_WRONG_CRED", 10083: "NFS4ERR_WRONG_TYPE",
        10084: "NFS4ERR_DIRDELEG_UNAVAIL", 10085: "NFS4ERR_REJECT_DELEG",
        10086: "NFS4ERR_RETURNCONFLICT", 10087: "NFS4ERR_DELEG_REVOKED",
        10088: "NFS4ERR_PARTNER_NOTSUPP", 10089: "NFS4ERR_PARTNER_NO_AUTH",
        10090: "NFS4ERR_UNION_NOTSUPP", 10091: "NFS4ERR_OFFLOAD_DENIED",
        10092: "NFS4ERR_WRONG_LFS", 10093: "NFS4ERR_BADLABEL", 10094: "NFS4ERR_OFFLOAD_NO_REQS",
        10095: "NFS4ERR_NOXATTR", 10096: "NFS4ERR_XATTR2BIG",
    },
    "nlm4_stats": {
        0: "NLM4_GRANTED", 1: "NLM4_DENIED", 2: "NLM4_DENIED_NOLOCKS", 3: "NLM4_BLOCKED",
        4: "NLM4_DENIED_GRACE_PERIOD", 5: "NLM4_DEADLCK", 6: "NLM4_ROFS", 7: "NLM4_STALE_FH",
        8: "NLM4_FBIG", 9: "NLM4_FAILED",
    },
    "nlm_stats": {
        0: "nlm_granted", 1: "nlm_denied", 2: "nlm_denied_nolocks", 3: "nlm_blocked",
        4: "nlm_denied_grace_period", 5: "nlm_deadlck",
    },
    "qr_status": {
        1: "Q_OK", 2: "Q_NOQUOTA", 3: "Q_EPERM",
    },
    "res": {
        0: "stat_succ", 1: "stat_fail",
    },
    "stat": {
        0: "NFS_OK", 1: "NFSERR_PERM", 2: "NFSERR_NOENT", 5: "NFSERR_IO", 6: "NFSERR_NXIO",
        13: "NFSERR_ACCES", 17: "NFSERR_EXIST", 19: "NFSERR_NODEV", 20: "NFSERR_NOTDIR",
        21: "NFSERR_ISDIR", 27: "NFSERR_FBIG", 28: "NFSERR_NOSPC", 30: "NFSERR_ROFS",
        63: "NFSERR_NAMETOOLONG", 66: "NFSERR_NOTEMPTY", 69: "NFSERR_DQUOT", 70: "NFSERR_STALE",
        99: "NFSERR_WFLUSH",
    },
    "ypbind_resptype": {
        1: "YPBIND_SUCC_VAL", 2: "YPBIND_FAIL_VAL",
    },
    "ypstat": {
        1: "YP_TRUE", 2: "YP_NOMORE", 0: "YP_FALSE", -1: "YP_NOMAP", -2: "YP_NODOM",
        -3: "YP_NOKEY", -4: "YP_BADOP", -5: "YP_BADDB", -6: "YP_YPERR", -7: "YP_BADARGS",
        -8: "YP_VERS",
    },
}  # fmt: skip
"""The names of the numbers of each type."""

PROCEDURES: dict[tuple[int, int], dict[int, Entry]] = {
    (100000, 2): {
        0: ("PMAPPROC_NULL", (), None), 1: ("PMAPPROC_SET", (), None),
        2: ("PMAPPROC_UNSET", (), None), 3: ("PMAPPROC_GETPORT", (), None),
        4: ("PMAPPROC_DUMP", (), None), 5: ("PMAPPROC_CALLIT", (), None),
    },
    (100000, 3): {
        0: ("RPCBPROC_NULL", (), None), 1: ("RPCBPROC_SET", (), None),
        2: ("RPCBPROC_UNSET", (), None), 3: ("RPCBPROC_GETADDR", (), None),
        4: ("RPCBPROC_DUMP", (), None), 5: ("RPCBPROC_CALLIT", (), None),
        6: ("RPCBPROC_GETTIME", (), None), 7: ("RPCBPROC_UADDR2TADDR", (), None),
        8: ("RPCBPROC_TADDR2UADDR", (), None),
    },
    (100000, 4): {
        0: ("RPCBPROC_NULL", (), None), 1: ("RPCBPROC_SET", (), None),
        2: ("RPCBPROC_UNSET", (), None), 3: ("RPCBPROC_GETADDR", (), None),
        4: ("RPCBPROC_DUMP", (), None), 5: ("RPCBPROC_BCAST", (), None),
        6: ("RPCBPROC_GETTIME", (), None), 7: ("RPCBPROC_UADDR2TADDR", (), None),
        8: ("RPCBPROC_TADDR2UADDR", (), None), 9: ("RPCBPROC_GETVERSADDR", (), None),
        10: ("RPCBPROC_INDIRECT", (), None), 11: ("RPCBPROC_GETADDRLIST", (), None),
        12: ("RPCBPROC_GETSTAT", (), None),
    },
    (100001, 1): {
        0: ("NULL", (), None), 1: ("RSTATPROC_STATS", (), None),
        2: ("RSTATPROC_HAVEDISK", (), None),
    },
    (100001, 2): {
        0: ("NULL", (), None), 1: ("RSTATPROC_STATS", (), None),
        2: ("RSTATPROC_HAVEDISK", (), None),
    },
    (100001, 3): {
        0: ("NULL", (), None), 1: ("RSTATPROC_STATS", (), None),
        2: ("RSTATPROC_HAVEDISK", (), None),
    },
    (100001, 4): {
        0: ("NULL", (), None), 1: ("RSTATPROC_STATS", (), None),
        2: ("RSTATPROC_HAVEDISK", (), None),
    },
    (100001, 5): {
        0: ("NULL", (), None), 1: ("RSTATPROC_STATS", (), None),
        2: ("RSTATPROC_HAVEDISK", (), None),
    },
    (100002, 2): {
        0: ("NULL", (), None), 1: ("RUSERSPROC_NUM", (), None), 2: ("RUSERSPROC_NAMES", (), None),
        3: ("RUSERSPROC_ALLNAMES", (), None),
    },
    (100002, 3): {
        0: ("NULL", (), None), 1: ("RUSERSPROC_NUM", (), None), 2: ("RUSERSPROC_NAMES", (), None),
        3: ("RUSERSPROC_ALLNAMES", (), None),
    },
    (100003, 2): {
        0: ("NFSPROC_NULL", (), None), 1: ("NFSPROC_GETATTR", (), "stat"),
        2: ("NFSPROC_SETATTR", (), "stat"), 3: ("NFSPROC_ROOT", (), None),
        4: ("NFSPROC_LOOKUP", (), "stat"), 5: ("NFSPROC_READLINK", (), "stat"),
        6: ("NFSPROC_READ", (), "stat"), 7: ("NFSPROC_WRITECACHE", (), None),
        8: ("NFSPROC_WRITE", (), "stat"), 9: ("NFSPROC_CREATE", (), "stat"),
        10: ("NFSPROC_REMOVE", (), "stat"), 11: ("NFSPROC_RENAME", (), "stat"),
        12: ("NFSPROC_LINK", (), "stat"), 13: ("NFSPROC_SYMLINK", (), "stat"),
        14: ("NFSPROC_MKDIR", (), "stat"), 15: ("NFSPROC_RMDIR", (), "stat"),
        16: ("NFSPROC_READDIR", (), "stat"), 17: ("NFSPROC_STATFS", (), "stat"),
    },
    (100003, 3): {
        0: ("NFSPROC3_NULL", (), None), 1: ("NFSPROC3_GETATTR", (), "nfsstat3"),
        2: ("NFSPROC3_SETATTR", (), "nfsstat3"), 3: ("NFSPROC3_LOOKUP", (), "nfsstat3"),
        4: ("NFSPROC3_ACCESS", (), "nfsstat3"), 5: ("NFSPROC3_READLINK", (), "nfsstat3"),
        6: ("NFSPROC3_READ", (), "nfsstat3"), 7: ("NFSPROC3_WRITE", (), "nfsstat3"),
        8: ("NFSPROC3_CREATE", (), "nfsstat3"), 9: ("NFSPROC3_MKDIR", (), "nfsstat3"),
        10: ("NFSPROC3_SYMLINK", (), "nfsstat3"), 11: ("NFSPROC3_MKNOD", (), "nfsstat3"),
        12: ("NFSPROC3_REMOVE", (), "nfsstat3"), 13: ("NFSPROC3_RMDIR", (), "nfsstat3"),
        14: ("NFSPROC3_RENAME", (), "nfsstat3"), 15: ("NFSPROC3_LINK", (), "nfsstat3"),
        16: ("NFSPROC3_READDIR", (), "nfsstat3"), 17: ("NFSPROC3_READDIRPLUS", (), "nfsstat3"),
        18: ("NFSPROC3_FSSTAT", (), "nfsstat3"), 19: ("NFSPROC3_FSINFO", (), "nfsstat3"),
        20: ("NFSPROC3_PATHCONF", (), "nfsstat3"), 21: ("NFSPROC3_COMMIT", (), "nfsstat3"),
    },
    (100003, 4): {
        0: ("NFSPROC4_NULL", (), None), 1: ("NFSPROC4_COMPOUND", (), "nfsstat4"),
    },
    (100004, 2): {
        0: ("YPPROC_NULL", (), None), 1: ("YPPROC_DOMAIN", (), None),
        2: ("YPPROC_DOMAIN_NONACK", (), None), 3: ("YPPROC_MATCH", (), "ypstat"),
        4: ("YPPROC_FIRST", (), "ypstat"), 5: ("YPPROC_NEXT", (), "ypstat"),
        6: ("YPPROC_XFR", (), None), 7: ("YPPROC_CLEAR", (), None), 8: ("YPPROC_ALL", (), None),
        9: ("YPPROC_MASTER", (), "ypstat"), 10: ("YPPROC_ORDER", (), "ypstat"),
        11: ("YPPROC_MAPLIST", (), "ypstat"),
    },
    (100005, 1): {
        0: ("MOUNTPROC_NULL", (), None), 1: ("MOUNTPROC_MNT", (), ""),
        2: ("MOUNTPROC_DUMP", (), None), 3: ("MOUNTPROC_UMNT", (), None),
        4: ("MOUNTPROC_UMNTALL", (), None), 5: ("MOUNTPROC_EXPORT", (), None),
        6: ("MOUNTPROC_EXPORTALL", (), None),
    },
    (100005, 2): {
        0: ("MOUNTPROC_NULL", (), None), 1: ("MOUNTPROC_MNT", (), ""),
        2: ("MOUNTPROC_DUMP", (), None), 3: ("MOUNTPROC_UMNT", (), None),
        4: ("MOUNTPROC_UMNTALL", (), None), 5: ("MOUNTPROC_EXPORT", (), None),
        6: ("MOUNTPROC_EXPORTALL", (), None), 7: ("MOUNTPROC_PATHCONF", (), None),
    },
    (100005, 3): {
        0: ("MOUNTPROC3_NULL", (), None), 1: ("MOUNTPROC3_MNT", (), "mountstat3"),
        2: ("MOUNTPROC3_DUMP", (), None), 3: ("MOUNTPROC3_UMNT", (), None),
        4: ("MOUNTPROC3_UMNTALL", (), None), 5: ("MOUNTPROC3_EXPORT", (), None),
    },
    (100007, 2): {
        0: ("YPBINDPROC_NULL", (), None), 1: ("YPBINDPROC_DOMAIN", (), "ypbind_resptype"),
        2: ("YPBINDPROC_SETDOM", (), None),
    },
    (100008, 1): {
        0: ("NULL", (), None), 2: ("WALLPROC_WALL", (), None),
    },
    (100011, 1): {
        0: ("RQUOTAPROC_NULL", (), None), 1: ("RQUOTAPROC_GETQUOTA", (), "qr_status"),
        2: ("RQUOTAPROC_GETACTIVEQUOTA", (), "qr_status"),
        3: ("RQUOTAPROC_SETQUOTA", (), "qr_status"),
        4: ("RQUOTAPROC_SETACTIVEQUOTA", (), "qr_status"),
    },
    (100011, 2): {
        0: ("RQUOTAPROC_NULL", (), None), 1: ("RQUOTAPROC_GETQUOTA", (), "qr_status"),
        2: ("RQUOTAPROC_GETACTIVEQUOTA", (), "qr_status"),
        3: ("RQUOTAPROC_SETQUOTA", (), "qr_status"),
        4: ("RQUOTAPROC_SETACTIVEQUOTA", (), "qr_status"),
    },
    (100012, 1): {
        0: ("NULL", (), None), 1: ("SPRAYPROC_SPRAY", (), None), 2: ("SPRAYPROC_GET", (), None),
        3: ("SPRAYPROC_CLEAR", (), None),
    },
    (100021, 1): {
        0: ("NLM_NULL", (), None), 1: ("NLM_TEST", (None,), "nlm_stats"),
        2: ("NLM_LOCK", (None,), "nlm_stats"), 3: ("NLM_CANCEL", (None,), "nlm_stats"),
        4: ("NLM_UNLOCK", (None,), "nlm_stats"), 5: ("NLM_GRANTED", (None,), "nlm_stats"),
        6: ("NLM_TEST_MSG", (), None), 7: ("NLM_LOCK_MSG", (), None),
        8: ("NLM_CANCEL_MSG", (), None), 9: ("NLM_UNLOCK_MSG", (), None),
        10: ("NLM_GRANTED_MSG", (), None), 11: ("NLM_TEST_RES", (), None),
        12: ("NLM_LOCK_RES", (), None), 13: ("NLM_CANCEL_RES", (), None),
        14: ("NLM_UNLOCK_RES", (), None), 15: ("NLM_GRANTED_RES", (), None),
    },
    (100021, 2): {
        0: ("NLM_NULL", (), None), 1: ("NLM_TEST", (None,), "nlm_stats"),
        2: ("NLM_LOCK", (None,), "nlm_stats"), 3: ("NLM_CANCEL", (None,), "nlm_stats"),
        4: ("NLM_UNLOCK", (None,), "nlm_stats"), 5: ("NLM_GRANTED", (None,), "nlm_stats"),
        6: ("NLM_TEST_MSG", (), None), 7: ("NLM_LOCK_MSG", (), None),
        8: ("NLM_CANCEL_MSG", (), None), 9: ("NLM_UNLOCK_MSG", (), None),
        10: ("NLM_GRANTED_MSG", (), None), 11: ("NLM_TEST_RES", (), None),
        12: ("NLM_LOCK_RES", (), None), 13: ("NLM_CANCEL_RES", (), None),
        14: ("NLM_UNLOCK_RES", (), None), 15: ("NLM_GRANTED_RES", (), None),
    },
    (100021, 3): {
        0: ("NLM_NULL", (), None), 1: ("NLM_TEST", (None,), "nlm_stats"),
        2: ("NLM_LOCK", (None,), "nlm_stats"), 3: ("NLM_CANCEL", (None,), "nlm_stats"),
        4: ("NLM_UNLOCK", (None,), "nlm_stats"), 5: ("NLM_GRANTED", (None,), "nlm_stats"),
        6: ("NLM_TEST_MSG", (), None), 7: ("NLM_LOCK_MSG", (), None),
        8: ("NLM_CANCEL_MSG", (), None), 9: ("NLM_UNLOCK_MSG", (), None),
        10: ("NLM_GRANTED_MSG", (), None), 11: ("NLM_TEST_RES", (), None),
        12: ("NLM_LOCK_RES", (), None), 13: ("NLM_CANCEL_RES", (), None),
        14: ("NLM_UNLOCK_RES", (), None), 15: ("NLM_GRANTED_RES", (), None),
        20: ("NLM_SHARE", (None,), "nlm_stats"), 21: ("NLM_UNSHARE", (None,), "nlm_stats"),
        22: ("NLM_NM_LOCK", (None,), "nlm_stats"), 23: ("NLM_FREE_ALL", (), None),
    },
    (100021, 4): {
        0: ("NLMPROC4_NULL", (), None), 1: ("NLMPROC4_TEST", (None,), "nlm4_stats"),
        2: ("NLMPROC4_LOCK", (None,), "nlm4_stats"),
        3: ("NLMPROC4_CANCEL", (None,), "nlm4_stats"),
        4: ("NLMPROC4_UNLOCK", (None,), "nlm4_stats"),
        5: ("NLMPROC4_GRANTED", (None,), "nlm4_stats"), 6: ("NLMPROC4_TEST_MSG", (), None),
        7: ("NLMPROC4_LOCK_MSG", (), None), 8: ("NLMPROC4_CANCEL_MSG", (), None),
        9: ("NLMPROC4_UNLOCK_MSG", (), None), 10: ("NLMPROC4_GRANTED_MSG", (), None),
        11: ("NLMPROC4_TEST_RES", (), None), 12: ("NLMPROC4_LOCK_RES", (), None),
        13: ("NLMPROC4_CANCEL_RES", (), None), 14: ("NLMPROC4_UNLOCK_RES", (), None),
        15: ("NLMPROC4_GRANTED_RES", (), None), 20: ("NLMPROC4_SHARE", (None,), "nlm4_stats"),
        21: ("NLMPROC4_UNSHARE", (None,), "nlm4_stats"),
        22: ("NLMPROC4_NM_LOCK", (None,), "nlm4_stats"), 23: ("NLMPROC4_FREE_ALL", (), None),
    },
    (100024, 1): {
        0: ("SM_NULL", (), None), 1: ("SM_STAT", (), "res"), 2: ("SM_MON", (), "res"),
        3: ("SM_UNMON", (), None), 4: ("SM_UNMON_ALL", (), None), 5: ("SM_SIMU_CRASH", (), None),
        6: ("SM_NOTIFY", (), None),
    },
    (100026, 1): {
        0: ("NULL", (), None), 1: ("BOOTPARAMPROC_WHOAMI", (), None),
        2: ("BOOTPARAMPROC_GETFILE", (), None),
    },
    (100227, 2): {
        0: ("ACLPROC2_NULL", (), None), 1: ("ACLPROC2_GETACL", (), "stat"),
        2: ("ACLPROC2_SETACL", (), "stat"), 3: ("ACLPROC2_GETATTR", (), "stat"),
        4: ("ACLPROC2_ACCESS", (), "stat"), 5: ("ACLPROC2_GETXATTRDIR", (), "stat"),
    },
    (100227, 3): {
        0: ("ACLPROC3_NULL", (), None), 1: ("ACLPROC3_GETACL", (), "nfsstat3"),
        2: ("ACLPROC3_SETACL", (), "nfsstat3"), 3: ("ACLPROC3_GETXATTRDIR", (), "nfsstat3"),
    },
    (395183, 1): {
        0: ("NULL", (), None), 10: ("create_link", (), None), 11: ("device_write", (), None),
        12: ("device_read", (), None), 13: ("device_readstb", (), None),
        14: ("device_trigger", (), None), 15: ("device_clear", (), None),
        16: ("device_remote", (), None), 17: ("device_local", (), None),
        18: ("device_lock", (), None), 19: ("device_unlock", (), None),
        20: ("device_enable_srq", (), None), 22: ("device_docmd", (), None),
        23: ("destroy_link", (), None), 25: ("create_intr_chan", (), None),
        26: ("destroy_intr_chan", (), None),
    },
    (395184, 1): {
        0: ("NULL", (), None), 1: ("device_abort", (), None),
    },
    (395185, 1): {
        0: ("NULL", (), None), 30: ("device_intr_srq", (), None),
    },
    (1073741824, 1): {
        0: ("CB_NULL", (), None), 1: ("CB_COMPOUND", (), "nfsstat4"),
    },
}  # fmt: skip
"""The procedures of each program and version."""
