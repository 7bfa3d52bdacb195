"""The groups of an export in EXPORT of the mount protocol, as rpc.mountd lists them."""

from __future__ import annotations

from collections.abc import Iterable

from oncrpc.nfs.exports.clients import ClientPattern, PatternClass
from oncrpc.nfs.exports.parse import ClientEntry


def mount_groups(entries: Iterable[ClientEntry]) -> list[str] | None:
    """The groups of an export, the last class first; None if nobody may mount it.

    An empty list means every host: an entry for any host replaces all others. A network or a
    wildcard replaces the hosts in it. Names are not looked up for this. The entries must be in the
    order of classes.
    """
    groups, granted = list[ClientPattern](), False
    for client in (entry.client for entry in entries if entry.options is not None):
        granted = True
        if client.kind is PatternClass.ANONYMOUS and groups:
            groups.clear()
            continue
        if client.kind is not PatternClass.HOST:
            groups = [each for each in groups if not _contains(client, each)]
        groups.append(client)
    return [client.text for client in reversed(groups)] if granted else None


def _contains(wide: ClientPattern, host: ClientPattern) -> bool:
    """Whether a client stands for a host, as far as this can be known without a look-up."""
    if host.kind is not PatternClass.HOST:
        return False
    if wide.wildcard is not None:
        return bool(host.name) and wide.wildcard.matches(host.name)
    return host.address is not None and wide.covers(host.address)
