"""The names of programs, protocols and credentials in lines."""

from __future__ import annotations

from oncrpc.numbers import TRANSIENT, program_name

PROGRAM_NAMES = {
    100000: "PMAP",
    100001: "RSTAT",
    100002: "RUSERS",
    100003: "NFS",
    100004: "NIS",
    100005: "MOUNT",
    100007: "NISBIND",
    100008: "WALL",
    100009: "NISPASSWD",
    100011: "RQUOTA",
    100012: "SPRAY",
    100017: "REX",
    100020: "LLM",
    100021: "NLM",
    100023: "STATMON1",
    100024: "STATMON2",
    100026: "BOOTPARAM",
    100028: "NISUPDATE",
    100029: "KEYSERVE",
    100068: "CMSD",
    100069: "NISXFR",
    100227: "NFS_ACL",
    100300: "NIS+",
    150001: "PCNFSD",
}
"""The names of snoop; those of other programs are from rpc(5)."""

PROTOCOLS = {6: "TCP", 17: "UDP"}

FLAVORS = {
    0: "none",
    1: "unix",
    2: "short",
    3: "des",
    6: "gss",
    7: "tls",
    390003: "krb5",
    390004: "krb5i",
    390005: "krb5p",
}
"""Flavors that MOUNT offers; the last are pseudo flavors (RFC 2623 §2.3.1)."""


def name_of_program(number: int) -> str:
    """The name of a program; ``?`` if it has none."""
    known = PROGRAM_NAMES.get(number)
    if known is not None:
        return known
    if number in TRANSIENT:
        return "transient"
    return (program_name(number) or "?").upper()
