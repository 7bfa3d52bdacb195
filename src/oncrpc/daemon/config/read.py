"""Reading a configuration file: it is checked, and a mistake is reported with its place."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec

from oncrpc.access import rule_values
from oncrpc.access.rules import ProcedureName
from oncrpc.access.vocabulary import Vocabulary
from oncrpc.daemon.config import values
from oncrpc.daemon.config.declare import HIDDEN, tables_of
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import ConfigError, Hook
from oncrpc.host.files import OPEN_UNTRUSTED, FileFault, fault_of
from oncrpc.numbers import program_name

MAX_SIZE = 262144
"""Bytes of a file."""

LONGEST_MESSAGE = 300
RULE_HEADER = r"[ \t]*\[\[[ \t]*rule[ \t]*\]\]"
HOOKS: Mapping[type, Hook] = {**values.HOOKS, **rule_values.HOOKS}

ARRAYS = ("rule", "export")
"""Tables of which there may be several."""

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table",
}
FRACTION = "a number with a decimal point"
MEANINGS = (
    (r"Object missing required field `(.*?)`", r"has no '\1'"),
    (r"Expected `array` of length >= 1", "is empty, and would match nothing; leave it out"),
    (r"Expected `(?:int|float)` >= (-?\d+)(?:\.0)?", r"has to be at least \1"),
    (r"Expected `(?:int|float)` <= (-?\d+)(?:\.0)?", r"may be at most \1"),
    (r"Invalid enum value (.*)", r'is \1; write "allow", "deny" or "silent"'),
)
"""Messages of msgspec, and their translation for the author of the file."""


C = TypeVar("C", bound=Config)


class Schema(Generic[C]):
    """How the configuration of one application is read.

    ``type`` is its declaration, ``file`` the default file, ``vocabulary`` names the procedures in
    rules, ``hooks`` make the application's own kinds of values.
    """

    def __init__(
        self,
        config: type[C],
        *,
        file: str,
        vocabulary: Vocabulary,
        hooks: Mapping[type, Hook] = MappingProxyType({}),
    ) -> None:
        self.type, self.file, self.vocabulary = config, file, vocabulary
        self.hooks = {**HOOKS, **hooks, ProcedureName: vocabulary.procedure_named}

    def load(self, path: str | None) -> C:
        """The configuration of a file, or of the default file.

        Raises:
            ConfigError: the file cannot be read, others could have written it, or it is invalid.
        """
        path, text = self.load_text(path)
        return self.parse(text, path)

    def load_text(self, path: str | None) -> tuple[str, str]:
        """The path and the text of a file; the default file may be missing, and is then empty.

        Raises:
            ConfigError: the file cannot be read, or others could have written it.
        """
        program_name(0)  # loads /etc/rpc while we may still read it
        if path is None and not os.path.lexists(self.file):
            return self.file, ""
        path = self.file if path is None else path
        return path, read(path)

    def parse(self, text: str, path: str) -> C:
        """The configuration that a text is; ``path`` is for the messages.

        Raises:
            ConfigError: the text is invalid.
        """
        return self.convert(toml_of(text, path), path)

    def convert(self, held: Mapping[str, Any], path: str) -> C:
        """The configuration that these tables are.

        Raises:
            ConfigError: they are invalid.
        """
        try:
            return msgspec.convert(held, self.type, dec_hook=self._hook)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {_line(self._meaning(str(error)))}") from None
        except RecursionError:
            raise ConfigError(f"{path}: lists or tables are nested too deeply") from None

    def _hook(self, kind: type, value: object) -> object:
        return self.hooks[kind](value)

    def _meaning(self, message: str) -> str:
        """A message of msgspec as a place in the file and a problem: ``rule[2].from[0]: ...``."""
        what, _, place = message.rpartition(" - at `$")
        if not what:
            what, place = place, "`"
        place = place[:-1].lstrip(".")
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL)
        if unknown is not None:
            name = f"{place}.{unknown[1]}" if place else unknown[1]
            return f"{name}: unknown key; the keys are {', '.join(self._keys(place))}"
        if place in ARRAYS:
            return f"{place}: begins with [[{place}]], in two brackets"
        return f"{place}: {_wanted(what)}" if place else what

    def _keys(self, place: str) -> list[str]:
        table = tables_of(self.type).get(place.partition("[")[0], self.type)
        hints = get_type_hints(table, include_extras=True)
        fields = msgspec.structs.fields(table)
        return [each.encode_name for each in fields if HIDDEN not in get_args(hints[each.name])]


def toml_of(text: str, path: str) -> dict[str, Any]:
    """The tables of a text, not yet checked; ``path`` is for the messages.

    Raises:
        ConfigError: the text is not TOML.
    """
    if not text:
        return {}
    import tomllib  # most daemons start without a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_line(str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{path}: lists or tables are nested too deeply") from None
    except ValueError:  # int() and datetime refuse what the grammar of TOML allows
        raise ConfigError(f"{path}: a number or a date is out of range") from None


def read(path: str) -> str:
    """The text of a file that only root and this process's user could have written.

    Raises:
        ConfigError: others could have written it, it cannot be read, or it is too long.
    """
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, OPEN_UNTRUSTED)) as file:
            status = os.fstat(file.fileno())
            fault = _fault(status)
            data = b"" if fault else file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {_why(error)}") from None
    if len(data) > MAX_SIZE:
        fault = f"is longer than {MAX_SIZE} bytes"
    if fault:
        raise ConfigError(f"{path} {fault}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8") from None


def _why(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"permission denied to uid {os.geteuid()}; chmod o+r"
    return (error.strerror or "").lower()


def _fault(status: os.stat_result) -> str:
    match fault_of(status, owners=(0, os.geteuid()), forbidden=0o022):
        case FileFault.NOT_REGULAR:
            return "is not a regular file"
        case FileFault.FOREIGN:
            return f"belongs to uid {status.st_uid}; it must belong to root: chown root"
        case FileFault.OPEN:
            return "can be written by others than its owner: chmod go-w"
    return ""


def line_of_rule(text: str, number: int) -> int | None:
    """The line on which a rule begins; None if rules are not written as ``[[rule]]``."""
    import tomllib

    lines = [at for at, line in enumerate(text.splitlines(), 1) if re.match(RULE_HEADER, line)]
    plain = len(lines) == len(tomllib.loads(text).get("rule", ()))
    return lines[number] if plain else None


def _wanted(what: str) -> str:
    found = re.fullmatch(r"Expected `(.*?)`, got `(.*?)`", what)
    if found is not None:
        wanted = " or ".join(
            KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"
        )
        got = FRACTION if found[2] == "float" else KINDS.get(found[2], f"a {found[2]}")
        return f"has to be {wanted}, not {got}"
    for pattern, meaning in MEANINGS:
        if re.fullmatch(pattern, what, re.DOTALL):
            return re.sub(pattern, meaning, what, flags=re.DOTALL)
    return what


def _line(text: str) -> str:
    """A message in one line: the file's text is shortened, and control characters escaped."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return shown if len(shown) <= LONGEST_MESSAGE else shown[:LONGEST_MESSAGE] + "..."
