"""The command ``portmap config``: whether a file is valid, and which values are in force."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from oncrpc.access.rules import Rule
from oncrpc.cli.command import Failure, run
from oncrpc.cli.daemon_options import GivenOptions, combined, options_of
from oncrpc.cli.portmap.options import COMMAND, CommandParser
from oncrpc.daemon.config.declare import declared
from oncrpc.daemon.config.explain_errors import faults
from oncrpc.daemon.config.read import read
from oncrpc.daemon.config.source import DEFAULT, OPTION, ConfigSettings
from oncrpc.daemon.config.values import ConfigError
from oncrpc.daemon.privileges import user_of
from oncrpc.daemon.state.folders import RUN, base_of, name_for
from oncrpc.portmap.config import NAME, SCHEMA, USERS, PortmapConfig, PortmapDaemonTable
from oncrpc.programs.portmap import PMAP_PORT

DESCRIPTION = f"""\
check: says whether FILE, or {SCHEMA.file}, can be used, or all that is wrong with it, a line each.
show: shows the values in force for a daemon with these options and this environment, and where each
is from: an option, {COMMAND.variable}, the file, or the default."""

CHECK, SHOW = "check", "show"
WIDEST = 40
"""Characters of a list; the items of a longer one are counted."""


class Row(NamedTuple):
    """A key, its value, and where that is from."""

    key: str
    value: Any
    source: str


def parser() -> argparse.ArgumentParser:
    """The options and operands; the daemon's options show what would be in force with them."""
    made = CommandParser(
        prog="portmap config", description=DESCRIPTION, add_help=False,
        parents=[options_of(COMMAND)], argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    add = made.add_argument
    add("action", metavar="ACTION", choices=(CHECK, SHOW), help=f"{CHECK} or {SHOW}")
    add("file", metavar="FILE", nargs="?", help=f"check this file instead of {SCHEMA.file}")
    add("--json", action="store_true", help="show it as JSON")
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Check or show; returns the exit status."""
    made = parser()
    found = vars(made.parse_args(arguments))
    action, file, as_json = found.pop("action"), found.pop("file", None), found.pop("json", False)
    if action == SHOW:
        if file is not None:
            made.error(f"{SHOW} takes options only; name the file with --config")
        return run("portmap config", lambda: _show(found, as_json=as_json))
    file = file or found.pop("config", None)
    if found or as_json:
        made.error(f"{CHECK} takes a file and no options")
    return run("portmap config", lambda: _check(file))


def _check(path: str | None) -> int:
    try:
        path, text = SCHEMA.load_text(path) if path is None else (path, read(path))
        wrong = faults(SCHEMA, text, path)
    except ConfigError as error:
        wrong = [f"portmap config: {error}"]
    if wrong or path is None:
        raise Failure("\n".join(wrong))
    if not text and not os.path.lexists(path):
        print(f"{path}: missing; the defaults hold")
        return 0
    count = len(SCHEMA.parse(text, path).rule)
    print(f"{path}: ok, {count} rule{'' if count == 1 else 's'}")
    return 0


def _show(found: dict[str, Any], *, as_json: bool) -> int:
    try:
        rows = list(rows_of(combined(COMMAND, found)))
    except ConfigError as error:
        raise Failure(f"portmap: {error}") from None
    if as_json:
        shown = {row.key: {"value": row.value, "from": row.source} for row in rows}
        print(json.dumps(shown, indent=2))
        return 0
    table = [(row.key, _text(row.value), row.source) for row in rows]
    first, second = (max(len(line[column]) for line in table) for column in (0, 1))
    for key, value, source in table:
        print(f"{key:<{first}}  {value:<{second}}  {source}")
    return 0


def rows_of(options: GivenOptions[PortmapConfig]) -> Iterator[Row]:
    """Every key of the file, and which file it is.

    Raises:
        ConfigError: the file cannot be read or is invalid.
    """
    settings = options.source.read()
    named = settings.path if options.source.path is None else OPTION
    yield Row("config", settings.path, DEFAULT if named == settings.path else named)
    for key in declared(SCHEMA.type):
        if key.path != "daemon.loopback":  # shown as addresses to bind
            yield Row(key.path, _value(settings, key.path), settings.source(key.path))


def _value(settings: ConfigSettings[PortmapConfig], path: str) -> Any:
    """The effective value: as configured, or the default that the daemon works out."""
    table = settings.config.daemon
    if path == "daemon.bind":
        return list(table.hosts)
    if path == "daemon.user":
        return table.user or _user_by_default()
    if path == "daemon.state-dir":
        return table.state_dir or _folder_by_default(table)
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
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _user_by_default() -> str | None:
    """The user that the daemon becomes; None if it stays the same."""
    user = user_of(None, USERS) if os.geteuid() == 0 else None
    return None if user is None else user.pw_name


def _folder_by_default(table: PortmapDaemonTable) -> str | None:
    """Where registrations are kept; None if nowhere."""
    base = RUN if os.geteuid() == 0 else base_of(os.environ)
    if base is None or table.port == 0 or not table.state:
        return None
    return os.path.join(base, name_for(NAME, table.port, PMAP_PORT))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = json.dumps(value)
    return f"{len(value)} of them" if isinstance(value, list) and len(text) > WIDEST else text


if __name__ == "__main__":
    sys.exit(main())
