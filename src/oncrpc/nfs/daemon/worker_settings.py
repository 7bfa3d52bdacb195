"""The settings that the server sends to its workers, and the limits of each worker."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from typing import NamedTuple

from oncrpc.aio.limits import Limits
from oncrpc.nfs.daemon.config import NfsdConfig
from oncrpc.nfs.exports.table import ExportTable


class WorkerSettings(NamedTuple):
    """All settings of a worker, which reads no file itself.

    ``key`` and ``tags`` are those of handles. ``levels`` are the levels of loggers.
    """

    number: int
    workers: int
    config: NfsdConfig
    table: ExportTable
    key: bytes
    tags: Mapping[str, int]
    levels: Mapping[str, int]


def pickled(settings: WorkerSettings) -> bytes:
    """The settings as bytes, for a worker of the same version and the same user."""
    return pickle.dumps(settings)


def unpickled(data: bytes) -> WorkerSettings:
    """Read pickled settings. ``data`` must be from the server: a pickle can run any code."""
    found = pickle.loads(data)
    assert isinstance(found, WorkerSettings)
    return found


def levels() -> dict[str, int]:
    """The levels of the loggers of this process, of those that have one."""
    loggers = logging.root.manager.loggerDict.items()
    own = {n: each.level for n, each in loggers if isinstance(each, logging.Logger) and each.level}
    return {"": logging.root.level, **own}


def share_of(limits: Limits, count: int) -> Limits:
    """The limits of one of ``count`` workers: its share of the limits of one server."""
    connections = max(1, limits.connections // count)
    return limits._replace(
        connections=connections,
        per_source=min(limits.per_source, connections),
        unanswered_by_all=max(limits.record, limits.unanswered_by_all // count),
        unread_by_all=max(limits.unread, limits.unread_by_all // count),
    )
