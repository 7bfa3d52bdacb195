"""Remote procedure calls (RFC 5531), sans-IO: no socket, no clock, no randomness, no asyncio."""

from oncrpc.rpc.auth import AUTH_NONE, Flavor, Judge, Principal, Shorthands, SysFlavor, auth_sys
from oncrpc.rpc.duplicates import DuplicateCache
from oncrpc.rpc.program import (
    Answer,
    AnyProcedure,
    Call,
    Caller,
    Client,
    Hook,
    Link,
    NoReply,
    Procedure,
    Service,
    SyncClient,
    Version,
    idempotent,
    pure,
    silent,
)
from oncrpc.rpc.workers import in_worker, per_connection

__all__ = [
    "AUTH_NONE", "Answer", "AnyProcedure", "Call", "Caller", "Client", "DuplicateCache", "Flavor",
    "Hook", "Judge", "Link", "NoReply", "Principal", "Procedure", "Service", "Shorthands",
    "SyncClient", "SysFlavor", "Version", "auth_sys", "idempotent", "in_worker", "per_connection",
    "pure", "silent",
]  # fmt: skip
