"""The parts of the manual pages that come from the declaration of the configuration.

A page has them between the lines ``<!-- keys: NAME -->`` and ``<!-- keys: end -->``. NAME is
``options`` for the options of the command line, or a table of the file, such as ``rate``; ``top``
has the keys outside of tables.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from oncrpc.access.rules import Network, ProgramNumber
from oncrpc.daemon.config.declare import Declared, KeyOption, declared
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import (
    Address,
    Family,
    FilePath,
    FilePathOrUrl,
    HostName,
    LogFormat,
    UserName,
    WebAddress,
)
from oncrpc.nfs.daemon.config import NfsdConfig
from oncrpc.nfs.daemon.config_values import (
    MAPPERS,
    OF_OPERANDS,
    BackendName,
    ExportClient,
    NfsVersionNumber,
    PortMapperUse,
    ProgramChoice,
)
from oncrpc.nfs.daemon.vocabulary import PROGRAMS
from oncrpc.portmap.config import PortmapConfig

REFERENCE = Path(__file__).resolve().parent / "reference"
DAEMONS: dict[str, type[Config]] = {"portmap": PortmapConfig, "nfsd": NfsdConfig}
"""The configuration of each daemon by its name."""

PAGES = tuple(REFERENCE / f"{name}{end}" for name in DAEMONS for end in (".md", "-toml.md"))
ARRAYS = ("rule", "export")
"""Tables of which there may be several; the pages describe them by hand."""

REGION = re.compile(r"(<!-- keys: (\S+) -->\n).*?(<!-- keys: end -->)", re.DOTALL)
WIDTH = 100
KINDS = {
    bool: "boolean",
    str: "text",
    Address: "addresses",
    Family: '`"ipv4"`, `"ipv6"`',
    FilePath: "path",
    FilePathOrUrl: "path or URL",
    BackendName: ", ".join(f'`"{each}"`' for each in OF_OPERANDS),
    HostName: "host names",
    LogFormat: '`"text"`, `"json"`',
    Network: "networks",
    ProgramNumber: "program numbers and names",
    UserName: "text",
    WebAddress: '`"ADDRESS:PORT"`',
    ExportClient: "clients",
    NfsVersionNumber: "2, 3",
    PortMapperUse: ", ".join(f'`"{each}"`' for each in MAPPERS),
    ProgramChoice: ", ".join(f'`"{each}"`' for each in sorted(PROGRAMS)),
}
PLURALS = {"path": "paths", "path or URL": "paths or URLs"}


def pages() -> dict[Path, str]:
    """The pages, with their generated parts replaced."""
    return {
        path: REGION.sub(partial(_filled, path.stem.removesuffix("-toml")), path.read_text())
        for path in PAGES
    }


def _filled(daemon: str, region: re.Match[str]) -> str:
    first, name, last = region.groups()
    lines = list(options(daemon) if name == "options" else rows(daemon, name))
    return first + "\n".join(lines) + "\n" + last


def options(daemon: str) -> Iterator[str]:
    """An entry of the manual page for each key that has options."""
    for key in declared(DAEMONS[daemon]):
        if key.options:
            yield ", ".join(f"`{each}`" for option in key.options for each in _flags(key, option))
            lines = textwrap.wrap(
                _text(daemon, key), WIDTH - 2, break_long_words=False, break_on_hyphens=False
            )
            yield "\n".join([f": {lines[0]}", *(f"  {line}" for line in lines[1:])])
            yield ""


def rows(daemon: str, table: str) -> Iterator[str]:
    """The keys of a table of the file, as a table of the page."""
    yield "| key | type | default | |"
    yield "|---|---|---|---|"
    prefix = "" if table == "top" else f"{table}."
    for key in declared(DAEMONS[daemon]):
        name = key.path.removeprefix(prefix)
        if key.path.startswith(prefix) and "." not in name and name not in ARRAYS:
            yield f"| `{name}` | {_kind(key)} | {_default(key)} | {_meaning(daemon, key)} |"


def _flags(key: Declared, option: KeyOption) -> Iterator[str]:
    """Every spelling of an option, with its argument."""
    optional = option.metavar and option.const
    argument = f"[{option.metavar}]" if optional else option.metavar
    if option.operand:
        yield f"{option.metavar}..."
        return
    for flag in option.flags:
        yield f"{flag} {argument}".strip()
        if key.item is bool and flag.startswith("--"):
            yield flag.replace("--", "--no-", 1)


def _text(daemon: str, key: Declared) -> str:
    return key.description.replace("NAME", daemon)


def _meaning(daemon: str, key: Declared) -> str:
    """The text, or a reference to the option that has it."""
    if not key.options:
        return _text(daemon, key)
    longest = [option.metavar if option.operand else option.flags[-1] for option in key.options]
    return "See " + ", ".join(f"`{flag}`" for flag in longest) + "."


def _kind(key: Declared) -> str:
    if key.item in (int, float):
        return f"{key.meta.ge} to {key.meta.le}"
    kind = KINDS[key.item]
    return f"list of {PLURALS.get(kind, kind)}" if key.many else kind


def _default(key: Declared) -> str:
    match key.default:
        case None:
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case str(value):
            return f'`"{value}"`'
        case tuple(values):
            return "`[" + ", ".join(map(_item, values)) + "]`"
        case value:
            return f"`{value}`"


def _item(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"
