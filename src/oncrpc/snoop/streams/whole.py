"""Match the calls and replies that a daemon sends whole: there are no frames to read."""

from __future__ import annotations

from oncrpc.daemon.control.protocol import TracedMessage
from oncrpc.snoop.messages import Party, RpcMessage, TransportName
from oncrpc.snoop.streams.matching import CallMatcher, Key, key_of
from oncrpc.snoop.streams.recognition import HEAD, TRIPLE

TRANSPORTS: dict[str, TransportName] = {"udp": "udp", "udp6": "udp", "local": "local"}
"""Transports by netid; other netids are TCP."""

HERE = Party("local", 0)
"""The daemon at the other end of a local socket."""


class WholeMessages:
    """Matches the messages of a daemon; their numbers begin at 1.

    ``short`` counts messages with an incomplete header.
    """

    def __init__(self, matcher: CallMatcher) -> None:
        self._matcher = matcher
        self._number = self.short = 0

    def take(self, traced: TracedMessage) -> list[RpcMessage]:
        """Take a message; returns those that are complete now."""
        self._number += 1
        body, matcher = traced.body, self._matcher
        if len(body) < (HEAD if traced.is_call else TRIPLE).size:
            self.short += 1
            return []
        message = self._message(traced)
        key = _key(traced, message.xid)
        found = matcher.call(key, message) if message.is_call else matcher.reply(key, message)
        return found + matcher.overdue(message.time) if matcher.waits else found

    def rest(self) -> list[RpcMessage]:
        """The messages that still wait at the end."""
        return self._matcher.overdue(None)

    def _message(self, traced: TracedMessage) -> RpcMessage:
        body, time = traced.body, traced.time
        caller, called = _parties(traced)
        xid, _, _, *procedure = (
            HEAD.unpack_from(body) if traced.is_call else TRIPLE.unpack_from(body)
        )
        prog, vers, proc = procedure or (None, None, None)
        return RpcMessage(
            number=self._number, time=time, began=time,
            source=caller if traced.is_call else called,
            target=called if traced.is_call else caller,
            transport=TRANSPORTS.get(traced.netid, "tcp"), xid=xid, is_call=traced.is_call,
            prog=prog, vers=vers, proc=proc, body=body, length=traced.length,
            cut=len(body) < traced.length,
        )  # fmt: skip


def _parties(traced: TracedMessage) -> tuple[Party, Party]:
    """The caller and the called host; a local caller is shown as its user and process."""
    if traced.source is None or traced.target is None:
        user = "local" if traced.uid is None else f"uid {traced.uid}"
        return Party(user, traced.pid or 0), HERE
    return Party(*traced.source), Party(*traced.target)


def _key(traced: TracedMessage, xid: int) -> Key:
    """The conversation and the xid; on a local socket each call is its own conversation."""
    if traced.source is None:
        return key_of(b"%d" % traced.call, xid)
    host, port = traced.source
    return key_of(f"{traced.netid} {host} {port}".encode(), xid)
