"""Options of hosts_options(5): what they make a rule decide. None of them is carried out.

A command for each caller would let strangers make the daemon run processes, and the other options
are for a process that serves a single caller. So a rule decides as in libwrap with ``resident``
set, without the side effects:

==========================  ==============================================================
option                      the rule
==========================  ==============================================================
allow, deny                 allows, denies, whichever file it is in
severity                    decides as its file does; the level is checked and not used
spawn                       decides as its file does; the command is not run
twist                       denies, as libwrap does where it cannot replace the process
aclexec                     denies: the command that would decide is not run
user, group, umask, ...     decides as its file does
a mistake, a shell command  denies, as in libwrap: after the second colon there are options
==========================  ==============================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

BLANKS = " \t\n\v\f\r"
FACILITIES = frozenset(
    {"kern", "user", "mail", "daemon", "auth", "lpr", "news", "uucp", "cron"}
    | {f"local{number}" for number in range(8)}
)
SEVERITIES = frozenset({"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"})
NEEDED, OPTIONAL, NONE = "needs a value", "may have a value", "takes no value"
DIGITS = 9
"""Digits of a number in an option."""


class BadOption(Exception):
    """The option is wrong; a rule that has it denies."""


class HostsOption(Struct, frozen=True):
    """Whether an option has a value, and what it makes a rule decide; None leaves the decision."""

    value: str
    last: bool = False
    verdict: bool | None = None
    said: str = ""
    check: Callable[[str], bool] = bool


def verdict_of(options: str, warn: Callable[[str], None]) -> bool | None:
    """The decision of the options after a rule's second colon; None leaves it open.

    ``options`` is the rest of the line, its end included.
    """
    fields = _fields(options)
    for place, field in enumerate(fields, 1):
        try:
            option = _option(field, last=place == len(fields))
        except BadOption as error:
            warn(f"{error}; the rule denies")
            return False
        if option.said:
            warn(option.said)
        if option.verdict is not None:
            return option.verdict
    return None


def _fields(options: str) -> list[str]:
    """The options between colons. A backslash escapes a colon; a colon at the end is ignored."""
    fields = [field.replace("\\:", ":") for field in re.split(r"(?<!\\):", options)]
    return fields if fields[-1] else fields[:-1]


def _option(field: str, *, last: bool) -> HostsOption:
    """Parse and check an option.

    Raises:
        BadOption: unknown option, or invalid value.
    """
    key, value = _key_and_value(field.strip(BLANKS))
    if not key:
        raise BadOption("missing option after a colon")
    option = OPTIONS.get(key.lower())
    if option is None:
        raise BadOption(f"unknown option {key!a} (write a shell command as: spawn COMMAND)")
    if not value and option.value is NEEDED:
        raise BadOption(f"option {key} needs a value")
    if value and option.value is NONE:
        raise BadOption(f"option {key} takes no value")
    if option.last and not last:
        raise BadOption(f"option {key} must be the last one")
    if value and not option.check(value):
        raise BadOption(f"option {key} has a bad value {value!a}")
    return option


def _key_and_value(field: str) -> tuple[str, str]:
    """Split an option at blanks, an equals sign, or both."""
    key = re.split("[= \t\r\n]", field, maxsplit=1)[0]
    value = field[len(key) :].lstrip(" \t\r\n")
    return key, value[1:].lstrip(" \t\r\n") if value.startswith("=") else value


def _is_severity(value: str) -> bool:
    facility, dot, level = value.lower().partition(".")
    return facility in FACILITIES and level in SEVERITIES if dot else facility in SEVERITIES


def _is_number(value: str, *, least: int | None = None) -> bool:
    digits = re.fullmatch(rf"[+-]?[0-9]{{1,{DIGITS}}}", value)
    return digits is not None and (least is None or int(value) >= least)


def _is_umask(value: str) -> bool:
    return re.fullmatch(r"\+?0*[0-7]{1,3}", value) is not None


def _has_no_use(name: str) -> str:
    return f"option {name} is ignored here; the rule decides without it"


def _never_run(name: str, then: str) -> str:
    return f"the command of {name} is not run; the rule {then}"


OPTIONS = {
    "allow": HostsOption(NONE, last=True, verdict=True),
    "deny": HostsOption(NONE, last=True, verdict=False),
    "severity": HostsOption(NEEDED, check=_is_severity),
    "spawn": HostsOption(NEEDED, said=_never_run("spawn", "decides without it")),
    "twist": HostsOption(NEEDED, last=True, verdict=False, said=_never_run("twist", "denies")),
    "aclexec": HostsOption(NEEDED, verdict=False, said=_never_run("aclexec", "denies")),
    "user": HostsOption(NEEDED, said=_has_no_use("user")),
    "group": HostsOption(NEEDED, said=_has_no_use("group")),
    "umask": HostsOption(NEEDED, said=_has_no_use("umask"), check=_is_umask),
    "linger": HostsOption(
        NEEDED, said=_has_no_use("linger"), check=lambda value: _is_number(value, least=0)
    ),
    "keepalive": HostsOption(NONE, said=_has_no_use("keepalive")),
    "rfc931": HostsOption(
        OPTIONAL, said=_has_no_use("rfc931"), check=lambda value: _is_number(value, least=1)
    ),
    "setenv": HostsOption(NEEDED, said=_has_no_use("setenv")),
    "nice": HostsOption(OPTIONAL, said=_has_no_use("nice"), check=_is_number),
    "banners": HostsOption(NEEDED, said=_has_no_use("banners")),
}
