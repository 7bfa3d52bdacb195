"""Reading the policy file: checked, bounded, and every mistake told in one line with its place."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Callable
from ipaddress import ip_interface, ip_network
from typing import Any

import msgspec

from oncrpc.access.rules import (
    LOCAL,
    LOOPBACK,
    IPNetwork,
    Netid,
    Network,
    Origin,
    ProcedureName,
    ProgramNumber,
    Rule,
)
from oncrpc.addr import transports
from oncrpc.daemon.config.layers import (
    Address,
    Family,
    FilePath,
    LogFormat,
    Startup,
    UserName,
    address_of,
    family_named,
    file_path_of,
    log_format_of,
    user_name_of,
)
from oncrpc.daemon.config.values import POLICY_FILE, StartError
from oncrpc.daemon.web.address import HostName, Place, host_name_of, place_of
from oncrpc.numbers import program_name, program_number
from oncrpc.portmap.config import Hosts, Liveness, Policy, Rate, Registration, RemoteCalls, Web
from oncrpc.portmap.vocabulary import VOCABULARY

MAX_SIZE = 262144
"""Bytes of the configuration file."""

LONGEST_MESSAGE = 300
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
RULE_HEADER = r"[ \t]*\[\[[ \t]*rule[ \t]*\]\]"

TABLES: dict[str, type[msgspec.Struct]] = {
    "": Policy,
    "daemon": Startup,
    "registration": Registration,
    "rate": Rate,
    "remote-calls": RemoteCalls,
    "liveness": Liveness,
    "hosts": Hosts,
    "web": Web,
    "rule": Rule,
}
KINDS = {
    "int": "a whole number",
    "float": "a number with a fraction",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table",
}
MEANINGS = (
    (r"Object missing required field `(.*?)`", r"has no '\1'"),
    (r"Expected `array` of length >= 1", "is empty, and would match nothing; leave it out"),
    (r"Expected `int` >= (-?\d+)", r"has to be at least \1"),
    (r"Expected `int` <= (-?\d+)", r"may be at most \1"),
    (r"Invalid enum value (.*)", r'is \1; write "allow", "deny" or "silent"'),
)
"""What msgspec says, and what that means for whoever wrote the file."""


class PolicyError(StartError):
    """The file cannot be read or makes no sense; the text names the file and the place in it."""


def load(path: str | None) -> Policy:
    """The policy of a file that was named; else that of the default one.

    Raises:
        PolicyError: it cannot be read, or others could have written it, or it makes no sense.
    """
    path, text = load_text(path)
    return parse(text, path)


def load_text(path: str | None) -> tuple[str, str]:
    """The name and the text of the file; the default one may be missing, and is empty then.

    Raises:
        PolicyError: it cannot be read, or others could have written it.
    """
    program_name(0)  # loads the names, as long as we are who can read them
    if path is None and not os.path.lexists(POLICY_FILE):
        return POLICY_FILE, ""
    path = POLICY_FILE if path is None else path
    return path, read(path)


def read(path: str) -> str:
    """The text of a file that nobody but root and we could have written.

    Raises:
        PolicyError: that is not so, or it cannot be read, or is too long.
    """
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, FLAGS)) as file:
            status = os.fstat(file.fileno())
            fault = _fault(status)
            data = b"" if fault else file.read(MAX_SIZE + 1)
    except OSError as error:
        raise PolicyError(f"cannot read {path}: {_why(error)}") from None
    if len(data) > MAX_SIZE:
        fault = f"is longer than {MAX_SIZE} bytes"
    if fault:
        raise PolicyError(f"{path} {fault}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: byte {error.start} is not UTF-8") from None


def _why(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"permission denied to uid {os.geteuid()}; chmod o+r"
    return (error.strerror or "").lower()


def _fault(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to uid {status.st_uid}; it has to be root's: chown root"
    if status.st_mode & 0o022:
        return "can be written by others than its owner: chmod go-w"
    return ""


def parse(text: str, path: str) -> Policy:
    """The policy that a text is; ``path`` is for the messages.

    Raises:
        PolicyError: it is none.
    """
    return policy_of(toml_of(text, path), path)


def toml_of(text: str, path: str) -> dict[str, Any]:
    """What a text holds, whatever that means.

    Raises:
        PolicyError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path}: {_line(str(error))}") from None
    except RecursionError:
        raise PolicyError(f"{path}: lists or tables are nested too deeply") from None
    except ValueError:  # of what int() and the dates of the standard library do not take
        raise PolicyError(f"{path}: a number or a date is out of all bounds") from None


def policy_of(held: dict[str, Any], path: str) -> Policy:
    """The policy that a file holds.

    Raises:
        PolicyError: it is none.
    """
    try:
        return msgspec.convert(held, Policy, dec_hook=_hook)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{path}: {_line(_meaning(str(error)))}") from None
    except RecursionError:
        raise PolicyError(f"{path}: lists or tables are nested too deeply") from None


def line_of_rule(text: str, number: int) -> int | None:
    """The line on which a rule begins; None if the file does not say so plainly."""
    lines = [at for at, line in enumerate(text.splitlines(), 1) if re.match(RULE_HEADER, line)]
    plain = len(lines) == len(tomllib.loads(text).get("rule", ()))
    return lines[number] if plain else None


def _hook(kind: type, value: object) -> object:
    return HOOKS[kind](value)


def _network(value: object) -> Network:
    return Network(_ip_network(value, "write ADDRESS/BITS"))


def _origin(value: object) -> Origin:
    if value in (LOCAL, LOOPBACK):
        return Origin(str(value))
    network = _ip_network(value, "write ADDRESS/BITS, local or loopback")
    return Origin(str(network), network)


def _ip_network(value: object, remedy: str) -> IPNetwork:
    """Bits are counted: a mask, with its dots, is none of them, and neither is a zone."""
    text = value if isinstance(value, str) else ""
    _, slash, bits = text.partition("/")
    try:
        if "%" in text or (slash and not (bits.isascii() and bits.isdigit())):
            raise ValueError
        within = ip_interface(text).network
    except ValueError:
        raise ValueError(f"{value!r} is no network; {remedy}") from None
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{value!r} has bits beyond its length; write {within}") from None


def netid_of(value: object) -> Netid:
    """A transport's name.

    Raises:
        ValueError: this host has none of that name.
    """
    served = [netid for netid, entry in transports().items() if entry.has_port]
    known = [*served, LOCAL]
    if value not in known:
        raise ValueError(f"{value!r} is no transport here; there are {', '.join(known)}")
    return Netid(str(value))


def program_of(value: object) -> ProgramNumber:
    """A program by number or name.

    Raises:
        ValueError: it is none.
    """
    number = program_number(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 0xFFFFFFFF:
        raise ValueError(f"{value!r} is no program; write its number, or its name in /etc/rpc")
    return ProgramNumber(number)


HOOKS: dict[type, Callable[[object], object]] = {
    Network: _network,
    Origin: _origin,
    Netid: netid_of,
    ProcedureName: VOCABULARY.procedure_named,
    ProgramNumber: program_of,
    Place: place_of,
    HostName: host_name_of,
    Address: address_of,
    FilePath: file_path_of,
    UserName: user_name_of,
    Family: family_named,
    LogFormat: log_format_of,
}


def _meaning(message: str) -> str:
    """The place, as ``rule[2].from[0]``, and what is wrong there."""
    what, _, place = message.rpartition(" - at `$")
    if not what:
        what, place = place, "`"
    place = place[:-1].lstrip(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL)
    if unknown is not None:
        name = f"{place}.{unknown[1]}" if place else unknown[1]
        return f"{name}: there is no such key; there are {', '.join(_keys(place))}"
    if place == "rule":
        return "rule: begins with [[rule]], in two brackets"
    return f"{place}: {_wanted(what)}" if place else what


def _keys(place: str) -> list[str]:
    table = TABLES.get(place.partition("[")[0], Policy)
    return [each.encode_name for each in msgspec.structs.fields(table)]


def _wanted(what: str) -> str:
    found = re.fullmatch(r"Expected `(.*?)`, got `(.*?)`", what)
    if found is not None:
        wanted = " or ".join(
            KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"
        )
        return f"has to be {wanted}, not {KINDS.get(found[2], f'a {found[2]}')}"
    for pattern, meaning in MEANINGS:
        if re.fullmatch(pattern, what, re.DOTALL):
            return re.sub(pattern, meaning, what, flags=re.DOTALL)
    return what


def _line(text: str) -> str:
    """Of what the file holds only what can be printed, and not too much of it."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return shown if len(shown) <= LONGEST_MESSAGE else shown[:LONGEST_MESSAGE] + "..."
