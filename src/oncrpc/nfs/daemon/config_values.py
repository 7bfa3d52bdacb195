"""The kinds of values that only the configuration of ``nfsd`` has."""

from __future__ import annotations

from collections.abc import Mapping

from oncrpc.daemon.config.values import Hook
from oncrpc.nfs.daemon.vocabulary import NFS_VERSIONS, PROGRAMS
from oncrpc.nfs.exports.backend_choice import FSSPEC, FUSE, LOCAL
from oncrpc.nfs.exports.sources import fault_of_client


class ProgramChoice(str):
    """One of ``PROGRAMS``."""

    __slots__ = ()


class NfsVersionNumber(int):
    """One of ``NFS_VERSIONS``."""


class PortMapperUse(str):
    """One of ``MAPPERS``."""

    __slots__ = ()


class ExportClient(str):
    """A client of exports(5) with its options: ``192.0.2.0/24(rw,insecure)``."""

    __slots__ = ()


class BackendName(str):
    """One of ``BACKENDS`` that the command line may name."""

    __slots__ = ()


AUTO, HOST, OWN, NONE = "auto", "host", "own", "none"
MAPPERS = (AUTO, HOST, OWN, NONE)
OF_OPERANDS = (LOCAL, FSSPEC, FUSE)


def program_choice_of(value: object) -> ProgramChoice:
    """The name of a program that is served.

    Raises:
        ValueError: it is unknown.
    """
    if not isinstance(value, str) or value not in PROGRAMS:
        raise ValueError(f"{value!r} is not a program of nfsd; write {_names(PROGRAMS)}")
    return ProgramChoice(value)


def nfs_version_of(value: object) -> NfsVersionNumber:
    """A version of NFS.

    Raises:
        ValueError: it is not served.
    """
    text = str(value)
    if isinstance(value, bool) or text not in map(str, NFS_VERSIONS):
        raise ValueError(f"{text} is not a version that is served; write 2 or 3")
    return NfsVersionNumber(text)


def port_mapper_use_of(value: object) -> PortMapperUse:
    """Which port mapper to use.

    Raises:
        ValueError: there is no such choice.
    """
    if not isinstance(value, str) or value not in MAPPERS:
        raise ValueError(f"{value!r} is not a port mapper; write {_names(MAPPERS)}")
    return PortMapperUse(value)


def backend_name_of(value: object) -> BackendName:
    """The name of a back end for the operands of the command line.

    Raises:
        ValueError: there is no such back end.
    """
    if value not in OF_OPERANDS:
        raise ValueError(f"{value!r} is not a back end for DIR; write {_names(OF_OPERANDS)}")
    return BackendName(value)


def export_client_of(value: object) -> ExportClient:
    """A client with its options.

    Raises:
        ValueError: it is not one word, or not valid in exports(5).
    """
    if not isinstance(value, str) or not value or any(map(str.isspace, value)):
        raise ValueError(f"{value!r} is not a client; write such as 192.0.2.0/24(rw)")
    fault = fault_of_client(value)
    if fault is not None:
        raise ValueError(f"{fault.text}; {fault.advice}")
    return ExportClient(value)


HOOKS: Mapping[type, Hook] = {
    ProgramChoice: program_choice_of,
    NfsVersionNumber: nfs_version_of,
    PortMapperUse: port_mapper_use_of,
    ExportClient: export_client_of,
    BackendName: backend_name_of,
}
"""How each kind is made from a value of the file or of an option."""


def _names(known: Mapping[str, object] | tuple[str, ...]) -> str:
    *most, last = known
    return f"{', '.join(most)} or {last}"
