"""Lines and words of a file of exports(5), and the parts of a word.

The grammar (``grammar.lark``) defines both. Loading it takes half as long as all imports of the
server. So regular expressions parse files without quotes and backslashes, and words of the usual
form. The grammar parses all others, and words with a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.nfs.exports.places import BadExport, ExportsText

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

IN_QUOTES = re.compile(r"\\(?:\n[ \t]*|([0-3][0-7][0-7])|)|[^\\]")

USUAL_WORD = re.compile(r"[^ \t\r\f\v]+")
"""A word of a line without quotes and backslashes."""

OPTION = r"[^,()=]+(?:=[^,()]*)?"
OPTIONS = rf"(?:{OPTION}(?:,{OPTION})*,?)?"
USUAL_ITEM = re.compile(rf"-({OPTIONS})|([^-(][^(]*)?(\({OPTIONS}\))?")
"""Default options, or a client and its options. Unambiguous, so that it matches in linear time."""


class ExportWord(NamedTuple):
    """A word without its quotes and escapes, and the offset of each of its characters.

    ``offsets`` has one more, of the end; ``start`` is the offset of the word, which may start with
    a quote. ``flaw`` says why the word cannot be read.
    """

    text: str
    offsets: Sequence[int]
    start: int
    flaw: BadExport | None = None


class OptionWord(NamedTuple):
    """An option: its name, its value if it has an equals sign, and where it is in the word."""

    name: str
    value: str | None
    at: int


class ClientWord(NamedTuple):
    """A client and its options; ``pattern`` is None if it has options only."""

    pattern: str | None
    options: Sequence[OptionWord] | None


class DefaultsWord(NamedTuple):
    """Options for all clients that follow on the line."""

    options: Sequence[OptionWord]


@cache
def _parser() -> Lark:
    from importlib.resources import files

    from lark import Lark

    grammar = files("oncrpc.nfs.exports").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["exports", "item"], maybe_placeholders=True)


def lines_of(source: ExportsText) -> Iterator[list[ExportWord]]:
    """Yield the words of each line that has any."""
    is_usual = '"' not in source.text and "\\" not in source.text
    return usual_lines(source.text) if is_usual else lines_by_grammar(source.text)


def item_of(word: str) -> ClientWord | DefaultsWord:
    """The client, or the default options, that a word stands for.

    Raises:
        BadExport: it has another form.
    """
    return usual_item(word) or item_by_grammar(word)


def usual_lines(text: str) -> Iterator[list[ExportWord]]:
    """Parse a text without quotes and backslashes."""
    start = 0
    for line in text.split("\n"):
        words = list[ExportWord]()
        for match in USUAL_WORD.finditer(line):
            if match[0].startswith("#"):
                break
            words.append(_plain_word(match[0], start + match.start()))
        if words:
            yield words
        start += len(line) + 1


def usual_item(word: str) -> ClientWord | DefaultsWord | None:
    """Parse a word of the usual form; None if it is empty, or has another form."""
    match = USUAL_ITEM.fullmatch(word) if word else None
    if match is None:
        return None
    if match[1] is not None:
        return DefaultsWord(_usual_options(match[1], match.start(1)))
    options = None if match[3] is None else _usual_options(match[3][1:-1], match.start(3) + 1)
    return ClientWord(match[2], options)


def _usual_options(text: str, start: int) -> list[OptionWord]:
    found = list[OptionWord]()
    for option in text.removesuffix(",").split(",") if text else ():
        name, equals, value = option.partition("=")
        found.append(_option_word(name, value if equals else None, start))
        start += len(option) + 1
    return found


def lines_by_grammar(text: str) -> Iterator[list[ExportWord]]:
    """Parse any text."""
    for line in _parser().parse(text, start="exports").children:
        yield [_word(word) for word in _trees(line)]


def item_by_grammar(word: str) -> ClientWord | DefaultsWord:
    """What a word stands for.

    Raises:
        BadExport: it has another form.
    """
    from lark.exceptions import UnexpectedInput

    try:
        [found] = _trees(_parser().parse(word, start="item"))
    except UnexpectedInput as error:
        raise _unexpected(word, error) from None
    if found.data == "defaults":
        return DefaultsWord(_options(found))
    pattern, *options = found.children
    return ClientWord(
        None if pattern is None else str(pattern),
        _options(_trees(found)[0]) if options else None,
    )


def _trees(tree: Tree[Token] | Token) -> list[Tree[Token]]:
    return [each for each in getattr(tree, "children", ()) if hasattr(each, "children")]


def _options(tree: Tree[Token]) -> list[OptionWord]:
    return [_option(*option.children) for option in _trees(tree)]


def _option(name: Token | Tree[Token], equals: object = None, value: object = None) -> OptionWord:
    start = getattr(name, "start_pos", 0) or 0
    return _option_word(str(name), None if equals is None else str(value or ""), start)


def _option_word(name: str, value: str | None, start: int) -> OptionWord:
    bare = name.strip(" \t")
    return OptionWord(bare, value, start + name.index(bare))


def _word(tree: Tree[Token]) -> ExportWord:
    """Remove quotes and escapes."""
    [first, *more] = tree.children
    start = getattr(first, "start_pos", 0)
    if not more and getattr(first, "type", "") == "PLAIN":
        return _plain_word(str(first), start)
    return _joined(tree, start)


def _plain_word(text: str, start: int) -> ExportWord:
    return ExportWord(text, range(start, start + len(text) + 1), start, _flaw_of(text))


def _joined(tree: Tree[Token], at: int) -> ExportWord:
    """A word of several pieces."""
    characters, offsets, flaw, end = list[str](), list[int](), None, 0
    for token in tree.children:
        start, kind = getattr(token, "start_pos", 0), getattr(token, "type", "")
        text, end = str(token), start + len(str(token))
        if kind in ("QUOTED", "UNCLOSED"):
            if kind == "UNCLOSED":
                flaw = BadExport("a quote without an end", 'close it with "', at=len(offsets))
            start, text = start + 1, text.strip('"')
        for match in IN_QUOTES.finditer(text):
            characters.append(_decoded(match))
            offsets.append(start + match.start())
    word = "".join(characters)
    return ExportWord(word, (*offsets, end), at, flaw or _flaw_of(word))


def _flaw_of(word: str) -> BadExport | None:
    return BadExport("a NUL byte", "remove it", at=word.index("\0")) if "\0" in word else None


def _decoded(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 8))
    return " " if match[0].startswith("\\\n") else match[0]


def _unexpected(word: str, error: UnexpectedInput) -> BadExport:
    at = error.pos_in_stream
    at = len(word) if at is None or at < 0 or at > len(word) else at
    token = getattr(error, "token", None)
    if at >= len(word) or getattr(token, "type", "") == "$END":
        if "(" in word:
            return BadExport(
                "a list of options without an end",
                'write it without blanks, and close it with ")"',
                at=word.index("("),
            )
        return BadExport("an empty word", "name a client", at=0)
    if ")" in word[:at]:
        return BadExport("text behind a list of options", "separate clients by a blank", at=at)
    if word[at] == ",":
        return BadExport("an empty option", "remove the comma", at=at)
    return BadExport(f"unexpected {word[at]!r}", "write CLIENT(OPTION,OPTION...)", at=at)
