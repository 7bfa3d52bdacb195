"""The exports of a server, with the clients that may mount them."""

from __future__ import annotations

import os

from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.objects import text_of_bytes
from oncrpc.cli.nfs.session import NfsOperand, NfsSession
from oncrpc.nfs.client.blocking import blocking_target
from oncrpc.rpc.blocking import run

EVERYBODY = "(everyone)"


def list_exports(session: NfsSession, operand: NfsOperand) -> None:
    """Print the exports of a server as ``showmount -e`` does.

    Raises:
        OSError, OncRpcError: the server cannot be reached, or refuses.
    """
    target = blocking_target(operand.url, timeout=session.request.connection.timeout)
    listed = run(target.export_list())
    if session.request.has("json"):
        for export in listed:
            path = os.fsdecode(export.path)
            clients = [text_of_bytes(os.fsdecode(client)) for client in export.clients]
            url = operand.url_of(path)
            session.output.json({"path": text_of_bytes(path), "url": url, "clients": clients})
        return
    if session.request.has("zero"):
        for export in listed:
            session.output.zero(os.fsdecode(export.path))
        return
    terminal = session.output.terminal
    shown = [quoted(os.fsdecode(export.path), terminal=terminal) for export in listed]
    width = max(map(len, shown), default=0)
    for path, export in zip(shown, listed, strict=True):
        names = [quoted(os.fsdecode(each), terminal=False) for each in export.clients]
        session.output.line(f"{path:<{width}} {','.join(names) or EVERYBODY}")
