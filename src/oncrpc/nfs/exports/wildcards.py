"""Wildcards in names of hosts: ``*``, ``?``, ``[a-z]``, ``[^a-z]`` and a backslash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oncrpc.nfs.exports.places import BadExport

MAX_WILDCARD = 1024
"""Characters of a wildcard in exports(5)."""

OneCharacter = Callable[[str], bool]
STAR: None = None


class WildcardPattern:
    """A pattern for names. Case counts in ranges only, as in nfs-utils, and ``*`` matches dots.

    Matching takes at most the product of both lengths in steps, whatever the pattern.

    Raises:
        BadExport: a character class has no end, or the pattern is too long.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_WILDCARD:
            raise BadExport("a wildcard that is too long", f"at most {MAX_WILDCARD} characters")
        self.text = text
        self._parts = _parts(text)

    def __reduce__(self) -> tuple[type[WildcardPattern], tuple[str]]:
        """Pickle the text: functions have no pickle."""
        return WildcardPattern, (self.text,)

    def matches(self, name: str) -> bool:
        """Whether the whole name matches."""
        parts, at, part = self._parts, 0, 0
        retry_part, retry_at = -1, 0
        while at < len(name):
            one = parts[part] if part < len(parts) else _nothing
            if one is STAR:
                retry_part, retry_at, part = part, at, part + 1
            elif one(name[at]):
                at, part = at + 1, part + 1
            elif retry_part < 0:
                return False
            else:  # let the last star take one character more
                retry_at += 1
                at, part = retry_at, retry_part + 1
        return all(one is STAR for one in parts[part:])


def _parts(text: str) -> Sequence[OneCharacter | None]:
    parts, at = list[OneCharacter | None](), 0
    while at < len(text):
        character = text[at]
        if character == "*":
            parts.append(STAR)
        elif character == "?":
            parts.append(_anything)
        elif character == "[":
            one, at = _class(text, at)
            parts.append(one)
        else:
            if character == "\\" and at + 1 < len(text):
                at += 1
            parts.append(_literal(text[at]))
        at += 1
    return parts


def _class(text: str, start: int) -> tuple[OneCharacter, int]:
    """The class that starts with a bracket, and the place of its closing bracket.

    The first character of a class is itself, also if it is ``]`` or ``-``.
    """
    at = start + 1
    inverted = text[at : at + 1] == "^"
    at += inverted
    singles, ranges, last, first = set[str](), list[tuple[str, str]](), "", at
    while at < len(text) and (text[at] != "]" or at == first):
        if text[at] == "-" and at > first and text[at + 1 : at + 2] not in ("", "]"):
            at += 1
            ranges.append((last, text[at]))
        else:
            singles.add(text[at].lower())
        last = text[at]
        at += 1
    if at >= len(text):
        raise BadExport("a character class without an end", 'close it with "]"', at=start)

    def one(character: str) -> bool:
        found = character.lower() in singles
        found = found or any(low <= character <= high for low, high in ranges)
        return found is not inverted

    return one, at


def _literal(expected: str) -> OneCharacter:
    folded = expected.lower()
    return lambda character: character.lower() == folded


def _anything(_: str) -> bool:
    return True


def _nothing(_: str) -> bool:
    return False
