"""The command ``portmap explain``: whether a call is allowed, and which rule decides it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from oncrpc.access.hosts.access import HostsAccess
from oncrpc.access.hosts.rules import NO_RULE, HostsDecision
from oncrpc.access.rule_values import netid_of, program_of
from oncrpc.access.rules import ALLOW, LOCAL, Asker, address_of, relevant
from oncrpc.access.vocabulary import NULL
from oncrpc.addr import family_of, transports
from oncrpc.cli.command import complain, run
from oncrpc.cli.daemons.kind import USAGE_ERROR, CommandParser
from oncrpc.daemon.config.read import line_of_rule
from oncrpc.daemon.config.values import ConfigError
from oncrpc.errors import AddressError
from oncrpc.portmap.config import SCHEMA, PortmapConfig
from oncrpc.portmap.vocabulary import VOCABULARY, hosts_daemon

ALLOWED, REFUSED = 0, 1
VERDICTS = {"allow": "allowed", "deny": "denied", "silent": "not answered"}
DESCRIPTION = f"""\
Reports whether the rules allow a call, and which rule of {SCHEMA.file}, /etc/hosts.allow or
/etc/hosts.deny decides. The exit status is 0 if the call is allowed, 1 if not, and 2 if the
arguments or the file are invalid. A second line reports if the daemon refuses an allowed call."""

REGISTERING, FORWARDED = ("SET", "UNSET"), ("CALLIT", "BCAST", "INDIRECT")

T = TypeVar("T")


class ExplainQuestion(NamedTuple):
    """A call: its caller, procedure, program argument if given, and the called address."""

    asker: Asker
    procedure: str
    prog: int | None = None
    to: str = ""


class PolicyText(NamedTuple):
    """The policy file: its path, its text, and the parsed policy."""

    path: str
    text: str
    policy: PortmapConfig


def parser() -> argparse.ArgumentParser:
    """The options and operands."""
    made = CommandParser(prog="portmap explain", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add("source", metavar="SOURCE", help="the caller's address, or local:UID")
    add(
        "procedure", metavar="PROCEDURE", type=_said(VOCABULARY.procedure_named, NULL),
        help="such as GETPORT of version 2, or GETADDR of versions 3 and 4",
    )  # fmt: skip
    add(
        "program", metavar="PROGRAM", nargs="?", type=_said(_program),
        help="the program that is asked for, by number or name",
    )  # fmt: skip
    add(
        "--netid", metavar="NETID", type=_said(netid_of),
        help="the transport of the call; by default udp or udp6",
    )  # fmt: skip
    add(
        "--to", metavar="ADDRESS",
        help="the address of this host that is called, for rules of hosts_access(5) about it",
    )  # fmt: skip
    add("--config", metavar="FILE", help=f"read this file instead of {SCHEMA.file}")
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the decision; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap explain", lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    try:
        question = _question(options)
        path, text = SCHEMA.load_text(options.config)
        file = PolicyText(path, text, SCHEMA.parse(text, path))
        status, answer = explain(question, file)
    except (ConfigError, AddressError, ValueError) as error:
        complain(f"portmap explain: {error}")
        return USAGE_ERROR
    print(answer)
    later = refused_later(question, file.policy) if status == ALLOWED else ""
    if later:
        print(later)
    return status


def explain(question: ExplainQuestion, file: PolicyText) -> tuple[int, str]:
    """The exit status, and the line that reports the decision.

    Raises:
        ValueError: the decision depends on the program, which was not given.
    """
    if question.procedure == NULL:
        return ALLOWED, "allowed: NULL does nothing, and is answered to everybody"
    rules = relevant(file.policy.rule, question.asker)
    decision = rules.decide(question.procedure, question.prog)
    for number, rule in rules.rules if question.prog is None else ():
        if rule.program and (decision is None or number < decision.rule):
            raise ValueError(f"rule[{number}] depends on the program; name one")
    if decision is None:
        return _ask_hosts(question, file)
    line = line_of_rule(file.text, decision.rule)
    place = file.path if line is None else f"{file.path}, line {line}"
    status = ALLOWED if decision.then == ALLOW else REFUSED
    rule = file.policy.rule[decision.rule]
    return status, f"{VERDICTS[decision.then]}: {place}: rule[{decision.rule}]: {rule}"


def refused_later(question: ExplainQuestion, policy: PortmapConfig) -> str:
    """Why the daemon refuses a call that the rules allow; empty if it does not."""
    asker, started = question.asker, policy.daemon
    if question.procedure in REGISTERING and asker.address is not None:
        if policy.registration.local_only:
            return "but the daemon declines it: local-only is true, and it is not over that socket"
        if not (asker.loopback or started.insecure):
            return "but the daemon declines it: it is from another host, which needs --insecure"
    if question.procedure in FORWARDED and not started.remote_calls:
        return "but the daemon makes no calls for others, unless it has --remote-calls"
    return ""


def _ask_hosts(question: ExplainQuestion, file: PolicyText) -> tuple[int, str]:
    """The decision of hosts_access(5), which applies where no rule fits."""
    nothing = f"no rule of {file.path}"
    if question.asker.address is None or not file.policy.hosts.enabled:
        return ALLOWED, f"allowed: {nothing} fits"
    found = asyncio.run(_hosts_decision(str(question.asker.address), question.to))
    if found == NO_RULE:
        return ALLOWED, f"allowed: {nothing}, hosts.allow or hosts.deny fits"
    status, verdict = (ALLOWED, "allowed") if found.allowed else (REFUSED, "denied")
    return status, f"{verdict}: {found.by}"


async def _hosts_decision(host: str, to: str) -> HostsDecision:
    return await HostsAccess(hosts_daemon()).explain(host, to)


def _question(options: argparse.Namespace) -> ExplainQuestion:
    """The call that the command line describes.

    Raises:
        AddressError, ValueError: the description is invalid.
    """
    if options.program is not None and options.procedure not in VOCABULARY.with_program:
        raise ValueError(f"{options.procedure} has no program among its arguments; leave it out")
    asker = _asker(options.source, options.netid)
    to = "" if options.to is None else str(address_of(options.to))
    return ExplainQuestion(asker, options.procedure, options.program, to)


def _asker(source: str, netid: str | None) -> Asker:
    place, _, uid = source.partition(":")
    if place == LOCAL:
        if not (uid.isascii() and uid.isdigit()):
            raise ValueError(f"{source!r} names no user; write local:UID")
        if netid not in (None, LOCAL):
            raise ValueError(f"over {netid} callers have an address, and no uid")
        return Asker(LOCAL, None, int(uid))
    try:
        family = family_of(source.partition("%")[0])
    except AddressError as error:
        raise AddressError(f"{error}, or local:UID") from None
    netid = netid or ("udp6" if family == "inet6" else "udp")
    if transports()[netid].family != family:
        raise ValueError(f"{source} does not call over {netid}")
    address = address_of(source)
    return Asker(netid, address, None, address.is_loopback)


def _program(text: str) -> int:
    return program_of(int(text) if text.isascii() and text.isdigit() else text)


def _said(read: Callable[[str], T], *others: T) -> Callable[[str], T]:
    """The same reader for ``argparse``, which otherwise drops the text of a ValueError."""

    def reading(text: str) -> T:
        try:
            return next((each for each in others if each == text), None) or read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reading


if __name__ == "__main__":
    sys.exit(main())
