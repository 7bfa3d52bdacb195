"""Why a host may or may not mount a path, as data: what ``nfsd explain`` asks the server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from oncrpc.daemon.control.server import RefusedRequest
from oncrpc.nfs.exports.clients import address_of
from oncrpc.nfs.exports.explain import ORDINARY, ExportExplanation, explain
from oncrpc.nfs.exports.render import option_list
from oncrpc.nfs.exports.table import Exports

EXPLAIN = "explain"
"""The name of the request to the control socket."""

PATIENT = 5.0
"""Seconds that the server waits for name services: less than a connection to it may last."""


class WorksAs(Struct, frozen=True):
    """The user that a user of the client works as."""

    uid: int
    gid: int


class ComparedClient(Struct, frozen=True):
    """An entry of the exports, and the result of comparing the host with it."""

    place: str
    export: str
    client: str
    outcome: str


class MountExplanation(Struct, frozen=True):
    """The decision, its parts, and the ``lines`` that say it in words."""

    host: str
    path: str
    export: str | None
    granted: bool
    entry: str | None
    options: str | None
    works_as: Mapping[str, WorksAs]
    names: Sequence[str]
    compared: Sequence[ComparedClient]
    lines: Sequence[str]


def question(host: str, path: bytes) -> str:
    """What a request is about: the address of the host, a blank, the path percent-encoded."""
    return f"{host} {quote_from_bytes(path)}"


async def explained(exports: Exports, about: str) -> MountExplanation:
    """The answer to a request.

    Raises:
        RefusedRequest: the request is not about an address and a path.
    """
    host, _, path = about.partition(" ")
    if address_of(host) is None or not path:
        raise RefusedRequest("explain is about an address, a blank, and a path")
    return explanation_of(await explain(exports, host, unquote_to_bytes(path), deadline=PATIENT))


def explanation_of(found: ExportExplanation) -> MountExplanation:
    """An explanation as data."""
    users = {
        name: found.identity(number, number) for name, number in (("root", 0), ("user", ORDINARY))
    }
    return MountExplanation(
        host=found.host,
        path=shown_path(found.asked),
        export=None if found.path is None else shown_path(found.path),
        granted=found.granted,
        entry=None if found.entry is None else str(found.entry.place),
        options=None if found.options is None else option_list(found.options),
        works_as={name: WorksAs(who.uid, who.gid) for name, who in users.items() if who},
        names=list(found.names),
        compared=[
            ComparedClient(
                str(entry.place), shown_path(entry.path), entry.client.text or "*", outcome.value
            )
            for entry, outcome in found.compared
        ],
        lines=[shown_text(line) for line in found.lines()],
    )


def shown_text(text: str) -> str:
    """The same for a text with a path in it (``os.fsdecode``)."""
    return shown_path(os.fsencode(text))


def shown_path(path: bytes) -> str:
    """A path as text that can be sent as JSON: bytes that are not UTF-8 are escaped."""
    return path.decode("utf-8", "backslashreplace")
