"""The registry on disk: what a SET and an UNSET write (``daemon.state.journal``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.journal import Store
from oncrpc.daemon.state.records import Format, TableOperation
from oncrpc.portmap.registry import key_of
from oncrpc.programs.rpcb import rpcb
from oncrpc.xdr import UHyper, array, struct

log = logging.getLogger("oncrpc.portmap")


@struct
class RegistryChange:
    """A SET of a registration, or an UNSET that took all of these; changes are numbered from 1."""

    number: UHyper
    operation: TableOperation
    entries: Annotated[list[rpcb], array()]


class StoreWriter:
    """Observes a registry and writes its changes to a store (``registry.RegistryObserver``).

    It writes nothing until ``begin``. ``own`` entries, the port mapper's, are never written.
    """

    def __init__(self) -> None:
        self.store: Store[rpcb] | None = None
        self.own: Collection[rpcb] = ()

    def begin(self, store: Store[rpcb], *, own: Collection[rpcb] = ()) -> None:
        """Write all changes from now on."""
        self.store, self.own = store, own

    def changing(self, operation: TableOperation, entries: Sequence[rpcb]) -> None:
        """Append a change to the journal.

        Raises:
            OSError: it could not be written, so it must not be made.
        """
        others = [entry for entry in entries if entry not in self.own]
        if self.store is not None and others:
            self.store.append(operation, others)


FORM: Format[rpcb] = Format(RegistryChange)  # type: ignore[arg-type]  # see TableOperation


def open_store(path: str, entries: Callable[[], Iterable[rpcb]]) -> Store[rpcb]:
    """The files of a registry in a directory; ``entries`` are those to keep.

    Raises:
        StartError: the directory cannot be used.
    """
    try:
        return Store(path, entries, form=FORM, key=key_of)
    except OSError as error:
        raise StartError(
            f"cannot read {error.filename}: {error.strerror}; use --no-state"
        ) from None
