"""The word ``config``: whether a file is valid, and which values are in force."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, to_builtins

from oncrpc.access.rules import Rule
from oncrpc.cli.command import Failure, run
from oncrpc.cli.daemon_options import GivenOptions, combined, options_of
from oncrpc.cli.daemons.kind import CommandParser, DaemonKind
from oncrpc.cli.daemons.text import counted
from oncrpc.daemon.config.declare import declared
from oncrpc.daemon.config.explain_errors import faults
from oncrpc.daemon.config.read import read
from oncrpc.daemon.config.source import DEFAULT, OPTION, ConfigSettings
from oncrpc.daemon.config.tables import Config, DaemonTable
from oncrpc.daemon.config.values import ConfigError, without_passwords
from oncrpc.daemon.privileges import user_of
from oncrpc.daemon.state.folders import base_of, lasting_base_of, name_for

DESCRIPTION = """\
check: says whether FILE, or {file}, can be used, or all that is wrong with it, a line each.
show: shows the values in force for a daemon with these options and this environment, and where each
is from: an option, {variable}, the file, or the default."""

CHECK, SHOW = "check", "show"
WIDEST = 60
"""Characters of a list; the items of a longer one are counted."""


class Row(NamedTuple):
    """A key, its value, and where that is from."""

    key: str
    value: Any
    source: str


def parser(kind: DaemonKind[Any]) -> argparse.ArgumentParser:
    """The options and operands; the daemon's options show what would be in force with them."""
    command, usual = kind.command, kind.command.schema.file
    made = CommandParser(
        prog=f"{kind.name} config", add_help=False,
        description=DESCRIPTION.format(file=usual, variable=command.variable),
        parents=[options_of(command, operands=False)], argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    add = made.add_argument
    add("action", metavar="ACTION", choices=(CHECK, SHOW), help=f"{CHECK} or {SHOW}")
    add("file", metavar="FILE", nargs="?", help=f"check this file instead of {usual}")
    add("--json", action="store_true", help="show it as JSON")
    made.add_common()
    return made


def main(kind: DaemonKind[Any], arguments: Sequence[str] | None = None) -> int:
    """Check or show; returns the exit status."""
    made = parser(kind)
    found = vars(made.parse_args(arguments))
    action, file, as_json = found.pop("action"), found.pop("file", None), found.pop("json", False)
    if action == SHOW:
        if file is not None:
            made.error(f"{SHOW} takes options only; name the file with --config")
        return run(f"{kind.name} config", lambda: _show(kind, found, as_json=as_json))
    file = file or found.pop("config", None)
    if found or as_json:
        made.error(f"{CHECK} takes a file and no options")
    return run(f"{kind.name} config", lambda: _check(kind, file))


def _check(kind: DaemonKind[Any], path: str | None) -> int:
    schema = kind.command.schema
    try:
        path, text = schema.load_text(path) if path is None else (path, read(path))
        wrong = faults(schema, text, path)
    except ConfigError as error:
        wrong = [f"{kind.name} config: {error}"]
    if wrong or path is None:
        raise Failure("\n".join(wrong))
    if not text and not os.path.lexists(path):
        print(f"{path}: missing; the defaults hold")
        return 0
    count = len(schema.parse(text, path).rule)
    further = f"; see also '{kind.further_check}'" if kind.further_check else ""
    print(f"{path}: ok, {counted(count, 'rule')}{further}")
    return 0


def _show(kind: DaemonKind[Any], found: dict[str, Any], *, as_json: bool) -> int:
    try:
        rows = list(rows_of(kind, combined(kind.command, found)))
    except ConfigError as error:
        raise Failure(f"{kind.name}: {error}") from None
    if as_json:
        shown = {row.key: {"value": row.value, "from": row.source} for row in rows}
        print(json.dumps(shown, indent=2))
        return 0
    table = [(row.key, _text(row.value), row.source) for row in rows]
    first, second = (max(len(line[column]) for line in table) for column in (0, 1))
    for key, value, source in table:
        print(f"{key:<{first}}  {value:<{second}}  {source}")
    return 0


def rows_of(kind: DaemonKind[Any], options: GivenOptions[Any]) -> Iterator[Row]:
    """Every key of the file, and which file it is.

    Raises:
        ConfigError: the file cannot be read or is invalid.
    """
    settings = options.source.read()
    named = settings.path if options.source.path is None else OPTION
    yield Row("config", settings.path, DEFAULT if named == settings.path else named)
    for key in declared(kind.command.schema.type):
        if key.path != "daemon.loopback":  # shown as addresses to bind
            yield Row(key.path, _value(kind, settings, key.path), settings.source(key.path))


def _value(kind: DaemonKind[Any], settings: ConfigSettings[Config], path: str) -> Any:
    """The effective value: as configured, or the default that the daemon works out."""
    table = settings.config.daemon
    if path == "daemon.bind":
        return list(table.hosts)
    if path == "daemon.user":
        return table.user or _user_by_default(kind)
    if path == "daemon.state-dir":
        return table.state_dir or _folder_by_default(kind, table)
    value: Any = settings.config
    for name in path.split("."):
        value = getattr(value, name.replace("-", "_"))
    return _plain(value)


def _plain(value: Any) -> Any:
    """For JSON: rules as lines, whole numbers without a fraction."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Rule):
        return str(value)
    if isinstance(value, Struct):
        hidden = dict.fromkeys(getattr(value, "secrets", ()), "...")
        shown: dict[str, Any] = to_builtins(value)
        texts = {
            name: without_passwords(text) for name, text in shown.items() if isinstance(text, str)
        }
        return shown | texts | {name: text for name, text in hidden.items() if shown[name]}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _user_by_default(kind: DaemonKind[Any]) -> str | None:
    """The user that the daemon becomes; None if it stays the same."""
    user = user_of(None, kind.users) if os.geteuid() == 0 else None
    return None if user is None else user.pw_name


def _folder_by_default(kind: DaemonKind[Any], table: DaemonTable) -> str | None:
    """Where the state is kept; None if nowhere."""
    own = lasting_base_of(os.environ) if kind.lasting else base_of(os.environ)
    base = kind.root_folder if os.geteuid() == 0 else own
    if base is None or table.port == 0 or not table.state:
        return None
    return os.path.join(base, name_for(kind.name, table.port, kind.port))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = json.dumps(value)
    return f"{len(value)} of them" if isinstance(value, list) and len(text) > WIDEST else text
