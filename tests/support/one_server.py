"""A registered server in its own process, as liveness checks see it.

Run within a namespace, ``python -m support.one_server PROGRAM`` registers the program, writes its
pid, and is there until its standard input ends. With ``forks`` a child of it is, and the process
that registered has ended by then.
"""

from __future__ import annotations

import os
import socket
import sys

from oncrpc import sync
from oncrpc.addr import join_uaddr


def bind(prog: int) -> list[socket.socket]:
    """Bind a socket of three transports, and register them."""
    tcp = socket.create_server(("0.0.0.0", 0))
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(("::1", 0))
    local = socket.socket(socket.AF_UNIX)
    path = f"/run/{prog}.sock"
    local.bind(path)
    os.chmod(path, 0o666)
    local.listen()
    places = {
        "tcp": join_uaddr("0.0.0.0", tcp.getsockname()[1]),
        "udp6": join_uaddr("::1", udp.getsockname()[1]),
        "local": path,
    }
    for netid, uaddr in places.items():
        assert sync.rpcbind.set(prog, 1, netid, uaddr)
    return [tcp, udp, local]


if __name__ == "__main__":
    bound = bind(int(sys.argv[1]))
    if "forks" in sys.argv and os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    sys.stdin.read()
