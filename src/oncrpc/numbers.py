"""Program numbers and names, from ``/etc/rpc`` (rpc(5)).

Each line of the file is a name, a number, and aliases; ``#`` starts a comment. Where the file is
missing a table of the programs that this project serves or calls takes its place.
"""

from __future__ import annotations

from functools import cache

ETC_RPC = "/etc/rpc"
KNOWN = """
portmapper 100000 portmap sunrpc rpcbind
rstatd 100001 rstat rup perfmeter
rusersd 100002 rusers
nfs 100003 nfsprog
ypserv 100004 ypprog
mountd 100005 mount showmount
ypbind 100007
walld 100008 rwall shutdown
yppasswdd 100009 yppasswd
rquotad 100011 rquotaprog quota rquota
sprayd 100012 spray
nlockmgr 100021
status 100024
nfs_acl 100227
"""


@cache
def _table(path: str) -> tuple[dict[int, str], dict[str, int]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = KNOWN.splitlines()
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) < 2 or not (words[1].isascii() and words[1].isdigit()):
            continue
        names.setdefault(int(words[1]), words[0])
        for name in (words[0], *words[2:]):
            numbers.setdefault(name, int(words[1]))
    return names, numbers


def program_name(number: int, *, path: str = ETC_RPC) -> str | None:
    """The name of a program, None where nobody named it."""
    return _table(path)[0].get(number)


def program_number(name: str, *, path: str = ETC_RPC) -> int | None:
    """The number of a program by its name or an alias."""
    return _table(path)[1].get(name)
