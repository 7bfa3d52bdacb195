"""The table of the procedures that are answered at once; each module registers its own."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import RPC_VERSION, msg_type
from oncrpc.rpc.quick import QuickAnswer

if TYPE_CHECKING:
    from oncrpc.nfs.fast.calls import FastConnection

HANDLE_AT = 40
"""Where the handle is in a call with an empty credential."""

Method: TypeAlias = "Callable[[FastConnection, bytes, list[bytes]], QuickAnswer]"
METHODS: dict[bytes, Method] = {}
"""By the type of message, RPC version, program, version and procedure, as encoded in a call."""


def method(procedure: AnyProcedure) -> Callable[[Method], Method]:
    """Register the method of a procedure of version 3.

    It returns None, without any effect, if the generic path must answer; it may raise ``OSError``
    or ``struct.error`` instead.
    """

    def registered(function: Method) -> Method:
        words = msg_type.CALL, RPC_VERSION, NFS_V3.prog, NFS_V3.vers, procedure.number
        METHODS[struct.pack(">5I", *words)] = function
        return function

    return registered
