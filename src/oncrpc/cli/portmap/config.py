"""The command ``portmap config``: whether a file is right, and what holds and who says so."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import fields

from oncrpc.cli.command import Failure, run
from oncrpc.cli.portmap.options import Parser, daemon_options, with_environment
from oncrpc.cli.portmap.settings import FILE, VARIABLE, Asked, configuration
from oncrpc.daemon.config.explain_errors import faults
from oncrpc.daemon.config.layers import FAMILIES, Startup, deciding, settled
from oncrpc.daemon.config.read import PolicyError, load_text, parse, policy_of, read, toml_of
from oncrpc.daemon.config.values import POLICY_FILE, Config
from oncrpc.daemon.privileges import user_of
from oncrpc.daemon.state.folders import RUN, base_of, name_for
from oncrpc.portmap.config import Policy

DESCRIPTION = f"""\
check: says whether FILE, or {POLICY_FILE}, can be used, or all that is wrong with it, a line each.
show: says what holds for a daemon with these options and this environment, and where each value is
from: an option, {VARIABLE}, the file, or the default."""

CHECK, SHOW = "check", "show"
DEFAULT = "default"
WIDEST = 40
"""Characters of a list; one that is longer is counted."""

OPTIONS = {
    "liveness.interval": "liveness",
    "liveness.watch": "watch",
    "web.listen": "web",
}
"""Keys outside the table ``daemon`` that have an option too."""


class Row(NamedTuple):
    """A key, what holds, and who says so."""

    key: str
    value: Any
    source: str


def parser() -> argparse.ArgumentParser:
    """The options and operands: also those of the daemon, for what they would make of it."""
    made = Parser(
        prog="portmap config", description=DESCRIPTION, add_help=False,
        parents=[daemon_options()], argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    add = made.add_argument
    add("action", metavar="ACTION", choices=(CHECK, SHOW), help=f"{CHECK} or {SHOW}")
    add("file", metavar="FILE", nargs="?", help=f"check this file instead of {POLICY_FILE}")
    add("--json", action="store_true", help="show it as JSON")
    add("--help", action="help", help="show this help and exit")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Check or show; the exit status."""
    made = parser()
    given = vars(made.parse_args(arguments))
    action, file, as_json = given.pop("action"), given.pop("file", None), given.pop("json", False)
    if action == CHECK and (given or as_json):
        made.error(f"{CHECK} takes a file and no options")
    if action == SHOW and file is not None:
        made.error(f"{SHOW} takes options only; name the file with --config")
    if action == CHECK:
        return run("portmap config", lambda: _check(file or POLICY_FILE))
    return run("portmap config", lambda: _show(given, as_json=as_json))


def _check(path: str) -> int:
    try:
        text = read(path)
        wrong = faults(text, path)
    except PolicyError as error:
        wrong = [str(error)]
    if wrong:
        raise Failure("\n".join(wrong))
    count = len(parse(text, path).rule)
    print(f"{path}: ok, {count} rule{'' if count == 1 else 's'}")
    return 0


def _show(given: dict[str, Any], *, as_json: bool) -> int:
    asked = with_environment(given)
    try:
        found = list(rows(asked))
    except PolicyError as error:
        raise Failure(f"portmap: {error}") from None
    if as_json:
        shown = {row.key: {"value": row.value, "from": row.source} for row in found}
        print(json.dumps(shown, indent=2))
        return 0
    table = [(row.key, _text(row.value), row.source) for row in found]
    first, second = (max(len(line[column]) for line in table) for column in (0, 1))
    for key, value, source in table:
        print(f"{key:<{first}}  {value:<{second}}  {source}")
    return 0


def rows(asked: Asked) -> Iterator[Row]:
    """Everything that can be said in the file, and which file that is.

    Raises:
        PolicyError: the file cannot be read or makes no sense.
    """
    path, text = load_text(asked.get("config"))
    held = toml_of(text, path)
    policy = policy_of(held, path)
    yield Row("config", path, asked.by("config") or DEFAULT)
    yield from _daemon(asked, policy.daemon, path)
    for field in fields(Policy):
        value = getattr(policy, field.name)
        if field.name == "rule":
            yield Row("rule", [str(rule) for rule in value], path if value else DEFAULT)
        elif field.name == "trusted":
            yield Row("trusted", list(value), path if "trusted" in held else DEFAULT)
        elif not isinstance(value, Startup):
            said = held.get(field.encode_name, {})
            yield from _table(asked, value, said=said, path=path, name=field.encode_name)


def _daemon(asked: Asked, file: Startup, path: str) -> Iterator[Row]:
    """What it starts with; the addresses for the loopback ones are among those to bind."""
    layers = asked.startup(file)
    said, config = settled(layers), configuration(asked, file)
    other = {
        "bind": list(config.hosts),
        "families": [each for each, family in FAMILIES.items() if family in config.families],
        "user": config.user or _user_by_default(),
        "state_dir": config.state_dir or _folder_by_default(config),
        "state": config.keep_state,
        "verbose": bool(said.verbose),
        "log_format": said.log_format or "text",
    }
    for field in fields(Startup):
        if field.name != "loopback":
            value = other[field.name] if field.name in other else getattr(config, field.name)
            source = deciding(field.name, layers) or DEFAULT
            yield Row(f"daemon.{field.encode_name}", value, path if source == FILE else source)


def _user_by_default() -> str | None:
    """Whom the daemon becomes; None if it stays who it is."""
    user = user_of(None) if os.geteuid() == 0 else None
    return None if user is None else user.pw_name


def _folder_by_default(config: Config) -> str | None:
    """Where it keeps registrations; None if nowhere."""
    base = RUN if os.geteuid() == 0 else base_of(os.environ)
    if base is None or config.port == 0 or not config.keep_state:
        return None
    return os.path.join(base, name_for(config.port))


def _table(
    asked: Asked, table: Struct, *, said: Mapping[str, Any], path: str, name: str
) -> Iterator[Row]:
    for field in fields(table):
        key = f"{name}.{field.encode_name}"
        option = OPTIONS.get(key, "")
        source = asked.by(option) or (path if field.encode_name in said else DEFAULT)
        value = asked.get(option) if asked.by(option) else getattr(table, field.name)
        yield Row(key, getattr(Config(), field.name, None) if value is None else value, source)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = json.dumps(value)
    return f"{len(value)} of them" if isinstance(value, list) and len(text) > WIDEST else text


if __name__ == "__main__":
    sys.exit(main())
