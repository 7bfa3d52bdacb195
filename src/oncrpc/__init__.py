"""The port mapper, NFS and ONC RPC for Python.

>>> async with oncrpc.connect("files.example", PMAP_VERS.Client, port=111) as mapper:
...     await mapper.PMAPPROC_DUMP()

The names below are loaded when first used: a command that blocks never imports asyncio.
"""

from __future__ import annotations

from oncrpc.version import __version__ as __version__

TYPE_CHECKING = False  # that of typing, which takes longer to load than a command to begin
if TYPE_CHECKING:
    from oncrpc import errors, nfs, numbers, rpc, rpcbind, sync, xdr
    from oncrpc.aio.broadcast import broadcast
    from oncrpc.aio.client import connect
    from oncrpc.aio.limits import Limits
    from oncrpc.aio.serve import serve
    from oncrpc.aio.workers import WorkerPool
    from oncrpc.client.hooks import ClientHook, OutgoingCall, SyncClientHook
    from oncrpc.net.credentials import auth_sys

__all__ = [
    "ClientHook", "Limits", "OutgoingCall", "SyncClientHook", "WorkerPool", "auth_sys", "broadcast",
    "connect", "errors", "nfs", "numbers", "rpc", "rpcbind", "serve", "sync", "xdr",
]  # fmt: skip

_HOMES = {
    "ClientHook": "oncrpc.client.hooks:ClientHook",
    "OutgoingCall": "oncrpc.client.hooks:OutgoingCall",
    "SyncClientHook": "oncrpc.client.hooks:SyncClientHook",
    "Limits": "oncrpc.aio.limits:Limits",
    "WorkerPool": "oncrpc.aio.workers:WorkerPool",
    "auth_sys": "oncrpc.net.credentials:auth_sys",
    "broadcast": "oncrpc.aio.broadcast:broadcast",
    "nfs": "oncrpc.nfs",
    "numbers": "oncrpc.numbers",
    "connect": "oncrpc.aio.client:connect",
    "serve": "oncrpc.aio.serve:serve",
    "errors": "oncrpc.errors",
    "rpc": "oncrpc.rpc",
    "rpcbind": "oncrpc.rpcbind",
    "sync": "oncrpc.sync",
    "xdr": "oncrpc.xdr",
}


if not TYPE_CHECKING:  # else every name would be one of ours

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module, _, attribute = home.partition(":")
        found = import_module(module)
        return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
