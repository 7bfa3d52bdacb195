"""Reading the text of hosts.allow and hosts.deny (hosts_access(5)).

Mistakes are reported, and have the effect that they have in libwrap: a line without a colon is
skipped; a rule with an invalid option denies; reading stops at a line that is too long or has no
end, and hosts.deny then denies every client that no earlier rule decides about. An unreadable
hosts.deny denies every client.

A file is text with one character for each of its bytes (:func:`text_of`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from oncrpc.access.hosts.options import verdict_of
from oncrpc.access.hosts.patterns import (
    UNKNOWN,
    Matcher,
    NamedHost,
    always,
    host_pattern,
    ipv6_of,
    never,
    split_at,
    split_behind,
    word_matches,
)
from oncrpc.access.hosts.rules import DaemonId, DaemonPattern, HostsFile, HostsRule, file_of, served

# Patterns are compiled when they are first used: most hosts have no rules.
SEPARATORS = r"[, \t\r\n]+"
BLANKS = r"[ \t\n\v\f\r]+"
LITERAL = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
"""A literal IPv4 address; it is compared with addresses only."""

PORT = r"\+?0*([0-9]{1,5})"
HIGHEST_PORT = 65535
MAX_LINE = 2046
"""Characters of a line, continuation lines included and without its end, as in libwrap."""

MAX_SHOWN = 80
"""Characters of a rule in a message."""

MAX_NESTED = 4
"""Levels of files of patterns that name each other."""

MAX_WARNINGS = 20
"""Warnings about one file."""

MAX_STARS = 3
"""Stars in a pattern for libwrap, whose time grows exponentially with them."""

MAX_MESSAGE = 300
"""Characters of a warning."""


class ListUnreadable(Exception):
    """A file of patterns exists and cannot be read; the text says why."""


ReadList = Callable[[str], str]
"""The text of a file of patterns, by its path.

Raises:
    ListUnreadable: it cannot be read.
    FileNotFoundError: the file is missing.
"""


def text_of(data: bytes) -> str:
    """Decode a file to one character for each byte; bytes beyond ASCII match only themselves."""
    return data.decode("ascii", "surrogateescape")


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """Text from a file in a form that is safe in a message."""
    text = re.sub(BLANKS, " ", text).strip()[: most + 1]
    if not (text.isascii() and text.isprintable()):
        text = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return text if len(text) <= most else text[: most - 3] + "..."


def unreadable(path: str, *, allows: bool, why: str) -> HostsFile:
    """The rules of a file that exists and cannot be read."""
    then = "it allows nobody" if allows else "it denies all whom the other file does not allow"
    return HostsFile(
        path,
        allows,
        cut=f"{file_of(path)} cannot be read ({why})",
        warnings=[f"{path} cannot be read ({why}): {then}"],
        plain=False,
    )


def parse(
    text: str, daemon: DaemonId, *, path: str, allows: bool, read_list: ReadList
) -> HostsFile:
    """Read the rules for a daemon from the text of hosts.allow (``allows``) or hosts.deny."""
    return _Parser(daemon, path, allows=allows, read_list=read_list).parse(text)


def _groups(text: str) -> list[list[str]]:
    """The words of a list, in groups that EXCEPT separates."""
    groups: list[list[str]] = [[]]
    for word in filter(None, re.split(SEPARATORS, text)):
        if word.lower() == "except":
            groups.append([])
        else:
            groups[-1].append(word)
    return groups


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number and text of each line; the last one may have a reason to stop instead."""
    *pieces, tail = text.split("\n")
    line, first = "", 0
    for number, piece in enumerate(pieces, 1):
        first = first or number
        if "\0" in piece:
            yield first, "", "has a NUL byte"
            return
        if len(line) + len(piece) > MAX_LINE:
            yield first, "", f"is longer than {MAX_LINE} characters"
            return
        if piece.endswith("\\"):
            line += piece[:-1]
            continue
        yield first, f"{line}{piece}\n", ""
        line, first = "", 0
    if line or tail:
        yield first or len(pieces) + 1, "", "does not end (there is no newline)"


class _Parser:
    """Reads one file."""

    def __init__(self, daemon: DaemonId, path: str, *, allows: bool, read_list: ReadList) -> None:
        self.daemon, self.path, self.allows, self.read_list = daemon, path, allows, read_list
        self._line = 0
        self._warnings: list[str] = []
        self._netgroups: list[str] = []
        self._plain = True
        self._lists: dict[str, Matcher] = {}
        self._reading: set[str] = set()
        self._concerns_us = cache(self._find_concern)
        self._servers_anywhere = cache(self._servers)

    def parse(self, text: str) -> HostsFile:
        """Read the text."""
        rules, cut = list[HostsRule](), ""
        for self._line, line, why in _lines(text):
            if why:
                cut = f"{file_of(self.path)} line {self._line} {why}"
                then = "grants nothing more" if self.allows else "denies all others"
                self._warn(f"the line {why}; from here on the file {then}")
                break
            rule = self._rule(line)
            if rule is not None:
                rules.append(rule)
        by_literal = dict[str, list[HostsRule]]()
        for rule in rules:
            for address in rule.literals or ():
                by_literal.setdefault(address, []).append(rule)
        return HostsFile(
            self.path,
            self.allows,
            self.daemon.names,
            others=[rule for rule in rules if rule.literals is None],
            by_literal=by_literal,
            cut=cut,
            warnings=self._told(self._warnings),
            netgroups=self._told(self._netgroups),
            by_local=any(rule.fixed is None for rule in rules),
            plain=self._plain,
        )

    def _told(self, texts: list[str]) -> list[str]:
        told, more = texts[:MAX_WARNINGS], len(texts) - MAX_WARNINGS
        return [*told, f"{self.path}: {more} more like these"] if more > 0 else told

    def _warn(self, text: str) -> None:
        self._plain = False
        self._warnings.append(self._placed(text))

    def _placed(self, text: str) -> str:
        return f"{self.path} line {self._line}: {shown(text, MAX_MESSAGE)}"

    def _rule(self, line: str) -> HostsRule | None:
        """The rule of a line, None if the line has no rule for this daemon."""
        if line.startswith("#") or not line.strip(" \t\r\n"):
            return None
        servers, rest = split_at(line, ":")
        if rest is None:
            self._warn("missing colon; the line is skipped")
            return None
        if not self._concerns_us(servers):
            return None
        clients, options = split_at(rest, ":")
        allows = self.allows
        if options is not None:
            self._look_for_bare_addresses(rest)
            verdict = verdict_of(options, self._warn)
            allows = allows if verdict is None else verdict
        try:
            return self._compiled(line, servers, _groups(clients), allows=allows)
        except ListUnreadable as error:
            then = "is skipped" if allows else "denies everybody"
            self._warn(f"{error}; the rule {then}")
            every = HostsRule(
                self._line, shown(line), (), (always,), False, fixed=self.daemon.names
            )
            return None if allows else every

    def _compiled(
        self, line: str, servers: str, clients: list[list[str]], *, allows: bool
    ) -> HostsRule | None:
        read = self._servers if "@" in servers else self._servers_anywhere
        groups, fixed = read(servers)
        if fixed is not None and not fixed:
            return None
        literals = None
        if len(clients) == 1 and all(map(re.compile(LITERAL).fullmatch, clients[0])):
            literals = frozenset(clients[0])
        matchers = [self._any_of(group, self._client) for group in clients]
        return HostsRule(self._line, shown(line), groups, matchers, allows, literals, fixed)

    def _look_for_bare_addresses(self, text: str) -> None:
        for word in filter(None, re.split(SEPARATORS, text)):
            if ipv6_of(word.partition("/")[0])[0] is not None:
                address, slash, length = word.partition("/")
                self._warn(f"{word} is cut at its colons: write [{address}]{slash}{length}")

    def _find_concern(self, servers: str) -> bool:
        """Whether a list of daemons can match this one."""
        return any(self._server(word, at=False).names for word in _groups(servers)[0])

    def _servers(self, text: str) -> tuple[list[list[DaemonPattern]], frozenset[str] | None]:
        """Parse a list of daemons; the names that it matches, None if that depends on more."""
        groups = [[self._server(word) for word in group] for group in _groups(text)]
        anywhere = all(one.at is always for group in groups for one in group)
        return groups, served(groups, NamedHost()) if anywhere else None

    def _server(self, word: str, *, at: bool = True) -> DaemonPattern:
        """The names of the daemon that a word matches; with ``at`` also the local address."""
        daemon, host = split_behind(word, "@")
        port = re.fullmatch(PORT, daemon)
        if port is not None and int(port[1]) <= HIGHEST_PORT:
            names = self.daemon.names if int(port[1]) == self.daemon.port else frozenset[str]()
        else:
            names = frozenset(name for name in self.daemon.names if word_matches(daemon, name))
        return DaemonPattern(names, self._host(host)) if at and names else DaemonPattern(names)

    def _client(self, word: str) -> Matcher:
        user, host = split_behind(word, "@")
        if host is None:
            return self._host(word)
        matches = self._host(host)
        if word_matches(user, UNKNOWN):
            return matches
        self._warn(f"{word} matches nobody: users are not looked up, all are unknown")
        return never

    def _host(self, word: str | None, *, depth: int = 0) -> Matcher:
        """The matcher of a pattern for hosts; None matches every host.

        Raises:
            ListUnreadable: it names a file that cannot be read.
        """
        if word is None:
            return always
        if word.startswith("@"):
            told = f"netgroup {word} matches nobody: only libwrap looks netgroups up"
            self._netgroups.append(self._placed(told))
        if word.count("*") > MAX_STARS:
            self._plain = False
        return host_pattern(word, warn=self._warn, file_list=partial(self._list, depth=depth + 1))

    def _any_of(self, words: Iterable[str], read: Callable[[str], Matcher]) -> Matcher:
        """The matcher of a list of words."""
        words = list(dict.fromkeys(words))
        literals = frozenset(filter(re.compile(LITERAL).fullmatch, words))
        matchers = [read(word) for word in words if word not in literals]
        matchers = [matcher for matcher in matchers if matcher is not never]
        return lambda host: host.address in literals or any(one(host) for one in matchers)

    def _list(self, path: str, *, depth: int) -> Matcher:
        """The matcher of the patterns in a file."""
        self._plain = False
        known = self._lists.get(path)
        if known is not None:
            return known
        if depth > MAX_NESTED or path in self._reading:
            self._warn(
                f"{path} matches nobody here: files name each other in a circle, or too deep"
            )
            return never
        self._reading.add(path)
        try:
            words = filter(None, re.split(BLANKS, self.read_list(path)))
            found = self._any_of(words, partial(self._host, depth=depth))
        except FileNotFoundError:
            self._warn(f"{path} is missing; it matches nobody")
            found = never
        finally:
            self._reading.discard(path)
        self._lists[path] = found
        return found
