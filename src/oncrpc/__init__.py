"""The port mapper and ONC RPC for Python.

>>> async with oncrpc.connect("files.example", PMAP_VERS.Client, port=111) as mapper:
...     await mapper.PMAPPROC_DUMP()

The names below are loaded when first used: a command that blocks never imports asyncio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oncrpc import errors, rpc, sync, xdr
    from oncrpc.aio import binding
    from oncrpc.aio.client import connect
    from oncrpc.aio.server import serve

__version__ = "0.1.0"
__all__ = ["binding", "connect", "errors", "rpc", "serve", "sync", "xdr"]

_HOMES = {
    "binding": "oncrpc.aio.binding",
    "connect": "oncrpc.aio.client:connect",
    "serve": "oncrpc.aio.server:serve",
    "errors": "oncrpc.errors",
    "rpc": "oncrpc.rpc",
    "sync": "oncrpc.sync",
    "xdr": "oncrpc.xdr",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
