"""Blocking calls, for commands and scripts that need no event loop.

    with sync.connect("files.example", PMAP_VERS.Client, port=111) as mapper:
        mapper.PMAPPROC_DUMP()

    sync.rpcbind.getaddr("files.example", 100003, 3, "tcp")

The conversations of this library are coroutines over a link. A blocking link does its work within
``await``, so that such a coroutine runs from start to end when it is first resumed: ``run`` does
that, without asyncio.

    link = sync.run(sync.dial("tcp", "files.example", 111))
"""

from oncrpc.rpc.blocking import run
from oncrpc.sync import rpcbind
from oncrpc.sync.connect import connect
from oncrpc.sync.link import SocketLink, dial

__all__ = ["SocketLink", "connect", "dial", "rpcbind", "run"]
