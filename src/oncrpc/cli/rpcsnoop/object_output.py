"""Messages as JSON objects, one a line."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.cli.rpcsnoop.output import MessageOutput
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.objects import json_line


class ObjectOutput(MessageOutput):
    """A JSON object for each message."""

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The object of a message."""
        yield json_line(message, self._programs)
