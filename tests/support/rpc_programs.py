"""Servers and clients of old RPC programs on a host: NIS, rstat, rusers, rwall, bootparam.

The programs are those that are installed, or unpacked into ``build/rpc-programs``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

from support.hosts import C_RPCBIND, Host, until
from support.namespace import PATH, need

BUILD = Path(__file__).resolve().parents[2] / "build/rpc-programs/usr"
PLACES = f"{PATH}:{BUILD}/bin:{BUILD}/sbin:{BUILD}/lib/yp:/usr/lib/yp"
CLIENTS = ("rup", "rusers", "rwall", "ypcat", "yppoll")
SERVERS = {
    "ypserv": ("-d", "/run/yp"),
    "rpc.rstatd": (),
    "rpc.rusersd": (),
    "rpc.rwalld": (),
    "rpc.bootparamd": ("-f", "/run/bootparams"),
}
"""Each with its arguments."""

PROGRAMS = (100001, 100002, 100004, 100008, 100026)
FILES = """
mkdir -p /run/yp/example.org
cat > /run/users <<.
alice alice:x:1000:1000::/home/alice:/bin/sh
bob bob:x:1001:1001::/home/bob:/bin/sh
.
{makedbm} /run/users /run/yp/example.org/passwd.byname
echo 'localhost root=localhost:/export/client swap=localhost:/export/swap' > /run/bootparams
"""


def program(name: str) -> str:
    """The path of a program, installed or unpacked."""
    return shutil.which(name, path=PLACES) or name


class RpcProgramsHost(Host):
    """A host with the C rpcbind and these servers."""

    def __enter__(self) -> Self:
        need(*map(program, (*SERVERS, *CLIENTS, "makedbm")))
        super().__enter__()
        self.start(C_RPCBIND)
        self.sh(FILES.format(makedbm=program("makedbm")))
        for name, arguments in SERVERS.items():
            self.popen([program(name), *arguments])
        until(lambda: all(map(self.registered, PROGRAMS)), "the servers are registered")
        return self
