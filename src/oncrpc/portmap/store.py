"""The registry on disk: what a SET and an UNSET write (``daemon.state.journal``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Annotated

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.journal import Store
from oncrpc.daemon.state.records import Format, Operation
from oncrpc.portmap.registry import key_of
from oncrpc.programs.rpcb import rpcb
from oncrpc.xdr import UHyper, array, struct

log = logging.getLogger("oncrpc.portmap")


@struct
class RegistryChange:
    """A SET of a registration, or an UNSET that took all of these; changes are numbered from 1."""

    number: UHyper
    operation: Operation
    entries: Annotated[list[rpcb], array()]


FORM: Format[rpcb] = Format(RegistryChange)  # type: ignore[arg-type]  # see Operation


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
