"""Sending the replies of neighbouring slots, equal ones to one source as one segmented message."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence

from oncrpc.aio.datagram_batch import XID, Batch
from oncrpc.aio.known_datagrams import KnownDatagram

log = logging.getLogger("oncrpc.aio")

MIN_SEGMENTS = 4
"""Fewer replies are sent one by one: it is as fast."""

MAX_SEGMENTED = 16 << 10
"""Bytes of a segmented message. A queue without room for it drops all of it, where some of the
single replies would have fitted."""

TEMPORARY = {errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM}
"""Errors that say nothing about the destination."""


def send(batch: Batch, known: Sequence[KnownDatagram | None], first: int, end: int) -> None:
    """Send the replies in the slots from ``first`` to before ``end``.

    ``known`` has for each slot the entry that its reply was taken from, None for another reply. A
    reply that cannot be sent is left out.
    """
    entry = _repeated(batch, known, first, end) if end - first >= MIN_SEGMENTS else None
    if entry is not None:
        try:
            batch.send_segmented(first, end - first)
        except OSError as error:
            log.debug("replies were not sent as one message: %s", error)
            entry.segmented = error.errno in TEMPORARY
        else:
            return
    while first < end:
        try:
            first += batch.send(first, end - first)
        except OSError as error:
            log.debug("a reply was not sent: %s", error)
            first += 1


def _repeated(
    batch: Batch, known: Sequence[KnownDatagram | None], first: int, end: int
) -> KnownDatagram | None:
    """The entry, if all the slots have the same one, and their replies may be segmented."""
    entry, count = known[first], end - first
    if entry is None or not entry.segmented:
        return None
    if count * (XID + len(entry.reply.tail)) > MAX_SEGMENTED or not batch.can_segment:
        return None
    same = known[first:end].count(entry) == count
    # An entry is of one host, not of one port.
    return entry if same and batch.from_one_port(first, count) else None
