"""Asking and telling port mappers over asyncio (RFC 1833): a ``Binder`` and its methods.

>>> await binding.getaddr("files.example", 100003, 3, "tcp")
'192.0.2.1.8.1'
"""

from __future__ import annotations

from oncrpc.aio.link import dial
from oncrpc.rpcbind import Binder

binder = Binder(dial)
getaddr = binder.getaddr
getport = binder.getport
dump = binder.dump
set = binder.set
set_transient = binder.set_transient
unset = binder.unset

__all__ = [
    "Binder",
    "binder",
    "dial",
    "dump",
    "getaddr",
    "getport",
    "set",
    "set_transient",
    "unset",
]
