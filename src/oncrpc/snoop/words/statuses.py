"""The words of snoop for the statuses of NFS and MOUNT."""

from __future__ import annotations

COMMON_STATUS = {
    0: "OK",
    1: "Not owner",
    2: "No such file or directory",
    5: "I/O error",
    6: "No such device or address",
    13: "Permission denied",
    17: "File exists",
    19: "No such device",
    20: "Not a directory",
    21: "Is a directory",
    22: "Invalid argument",
    27: "File too large",
    28: "No space left on device",
    30: "Read-only file system",
    63: "File name too long",
    66: "Directory not empty",
    69: "Disc quota exceeded",
    70: "Stale NFS file handle",
}

NFS2_STATUS = COMMON_STATUS | {
    18: "Cross-device link",
    45: "Operation not supported",
    71: "Object is remote",
    99: "write cache flushed",
}
"""NFS 2, and MOUNT 1 and 2, whose statuses are the errors of Unix (RFC 1094 §2.3.1, §A.5)."""

NFS3_STATUS = COMMON_STATUS | {
    18: "Attempted cross-device link",
    31: "Too many links",
    71: "Too many levels of remote in path",
    10001: "Illegal NFS file handle",
    10002: "Update synch mismatch",
    10003: "Readdir cookie is stale",
    10004: "Operation not supported",
    10005: "Buffer/request too small",
    10006: "Server fault",
    10007: "Bad type",
    10008: "File is temporarily unavailable",
}
"""NFS 3 (RFC 1813 §2.6)."""

MOUNT3_STATUS = {
    0: "OK",
    1: "Not owner",
    2: "No such file or directory",
    5: "I/O error",
    13: "Permission denied",
    20: "Not a directory",
    22: "Invalid argument",
    63: "File name too long",
    10004: "Operation not supported",
    10006: "Server error",
}
"""MOUNT 3 (RFC 1813 §5.1.5)."""
