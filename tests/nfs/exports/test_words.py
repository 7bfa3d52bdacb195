"""``oncrpc.nfs.exports.words``: lines, words, quotes and escapes, and the parts of a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.places import BadExport, ExportsText
from oncrpc.nfs.exports.words import (
    ClientWord,
    DefaultsWord,
    OptionWord,
    item_by_grammar,
    item_of,
    lines_by_grammar,
    lines_of,
    usual_item,
    usual_lines,
)

TRICKY = st.text('/a "\\#\n\t01234567(),=-\r', max_size=40)

USUAL = st.text("/a #\n\t\r\x0b\x1c\x85()=,-\0é", max_size=40)


def words(text: str) -> list[list[str]]:
    source = ExportsText(text.encode(), "exports")
    return [[word.text for word in line] for line in lines_of(source)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n \n\t\n", []),
        ("/a b(rw) c", [["/a", "b(rw)", "c"]]),
        ("/a b\n/c d\n", [["/a", "b"], ["/c", "d"]]),
        ("  /a\tb  \n", [["/a", "b"]]),
        ("# /a b\n/c # d\n/e#f g#h", [["/c"], ["/e#f", "g#h"]]),
        ("/a \\\n   b\n", [["/a", "b"]]),
        ("/a\\\nb\n", [["/a", "b"]]),
        ("/a \\\n# b \\\n/c\n", [["/a"], ["/c"]]),
        ('"/a b" c', [["/a b", "c"]]),
        ('/a" "b" "c d', [["/a b c", "d"]]),
        ('"/a # b" c', [["/a # b", "c"]]),
        ('"/a\\\n  b" c', [["/a b", "c"]]),
        (r"/a\040b c", [["/a b", "c"]]),
        (r'"/a\042b" c', [['/a"b', "c"]]),
        (r"/a\400\08\x c", [[r"/a\400\08\x", "c"]]),
        (r"/a\134040 c", [[r"/a\040", "c"]]),
        ("/a b\r\n/c d\r\n", [["/a", "b"], ["/c", "d"]]),
        ("/a\\", [["/a\\"]]),
        ('"" a', [["", "a"]]),
    ],
)
def test_file_is_cut_into_lines_and_words(text: str, lines: list[list[str]]) -> None:
    assert words(text) == lines


def test_octal_escapes_are_bytes() -> None:
    [[word]] = lines_of(ExportsText(rb"/\303\251", "exports"))

    assert word.text.encode("latin-1") == "/é".encode()


def test_each_character_knows_its_place() -> None:
    [line] = lines_of(ExportsText(b'/a "b\\040c"(d)', "exports"))

    assert line[1].text == "b c(d)"
    assert line[1].offsets == (4, 5, 9, 11, 12, 13, 14)


@pytest.mark.parametrize(
    ("text", "flaw", "at"),
    [('/a "b c\n/d', "a quote without an end", 0), ("/a b\\000", "a NUL byte", 1)],
)
def test_flaw_of_a_word_is_kept(text: str, flaw: str, at: int) -> None:
    word = next(lines_of(ExportsText(text.encode(), "exports")))[-1]

    assert word.flaw is not None
    assert (word.flaw.text, word.flaw.at) == (flaw, at)


@given(TRICKY)
def test_every_text_has_words(text: str) -> None:
    source = ExportsText(text.encode(), "exports")

    for line in lines_of(source):
        assert line
        for word in line:
            assert len(word.offsets) == len(word.text) + 1
            assert sorted(word.offsets) == list(word.offsets)


@given(st.binary(min_size=1, max_size=30).filter(lambda path: b"\0" not in path))
def test_escaped_bytes_come_back(path: bytes) -> None:
    text = b"/" + b"".join(b"\\%03o" % byte for byte in path) + b" host"

    [[word, _]] = lines_of(ExportsText(text, "exports"))

    assert word.text.encode("latin-1") == b"/" + path


@pytest.mark.parametrize(
    ("word", "item"),
    [
        ("host", ClientWord("host", None)),
        ("host()", ClientWord("host", [])),
        ("(ro)", ClientWord(None, [OptionWord("ro", None, 1)])),
        ("h(ro,mp)", ClientWord("h", [OptionWord("ro", None, 2), OptionWord("mp", None, 5)])),
        ("h(ro, rw,)", ClientWord("h", [OptionWord("ro", None, 2), OptionWord("rw", None, 6)])),
        ("h(fsid=)", ClientWord("h", [OptionWord("fsid", "", 2)])),
        ("h(mp=/a=b)", ClientWord("h", [OptionWord("mp", "/a=b", 2)])),
        ("-ro,sync", DefaultsWord([OptionWord("ro", None, 1), OptionWord("sync", None, 4)])),
        ("-", DefaultsWord([])),
    ],
)
def test_word_is_a_client_or_defaults(word: str, item: object) -> None:
    assert item_of(word) == item


@pytest.mark.parametrize(
    ("word", "reason", "at"),
    [
        ("h(rw", "a list of options without an end", 1),
        ("h(", "a list of options without an end", 1),
        ("h(rw)x", "text behind a list of options", 5),
        ("h(rw)(ro)", "text behind a list of options", 5),
        ("h(rw,,ro)", "an empty option", 5),
        ("h(,rw)", "an empty option", 2),
        ("h(=x)", "unexpected '='", 2),
        ("-ro)", "unexpected '[)]'", 3),
        ("", "an empty word", 0),
    ],
)
def test_other_words_are_errors(word: str, reason: str, at: int) -> None:
    with pytest.raises(BadExport, match=reason) as caught:
        item_of(word)

    assert caught.value.at == at
    assert caught.value.advice


@given(st.text("h-(),= rw", max_size=12))
def test_every_word_has_an_item_or_an_error(word: str) -> None:
    try:
        item_of(word)
    except BadExport as error:
        assert 0 <= error.at <= len(word)  # noqa: PT017


@given(USUAL)
def test_usual_lines_are_those_of_grammar(text: str) -> None:
    # Compared as text: a flaw is an exception.
    assert repr([*usual_lines(text)]) == repr([*lines_by_grammar(text)])


@given(st.text("a b\t\n(),=-@*\0", max_size=20))
def test_usual_item_is_that_of_grammar(word: str) -> None:
    try:
        expected = item_by_grammar(word)
    except BadExport:
        expected = None

    assert usual_item(word) == expected


def test_long_word_is_read_in_linear_time() -> None:
    word = "h(" + "a=,," * 20_000

    assert usual_item(word) is None
