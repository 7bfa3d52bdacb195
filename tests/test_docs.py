"""The pages match the code: bounds, options, public names. Links have targets."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest

from oncrpc.cli import rpcsnoop
from oncrpc.cli.nfs import words as nfs_words
from oncrpc.cli.nfs.command_line import NfsCommand

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SOURCES = ROOT / "src" / "oncrpc"
PAGES = sorted(
    path for path in (*DOCS.rglob("*.md"), *ROOT.glob("*.md")) if "_build" not in path.parts
)
COMMANDS = ("portmap", "nfs", "rpcinfo", "pmap_dump", "pmap_set", "showmount", "rpcsnoop", "xdrc")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "DIFFERENCES"]
PUBLIC = {
    "oncrpc": "oncrpc",
    "oncrpc.rpcbind": "oncrpc.rpcbind",
    "oncrpc.sync": "oncrpc.sync",
    "oncrpc.sync.rpcbind": "oncrpc.sync.rpcbind",
    "oncrpc.nfs": "oncrpc.nfs",
    "oncrpc.numbers": "oncrpc.numbers",
    "oncrpc.rpc": "oncrpc.rpc",
    "oncrpc.xdr": "oncrpc.xdr",
    "oncrpc.idl": "oncrpc.idl",
    "oncrpc.testing": "oncrpc.testing",
}
"""Modules with public names, and the module of each reference page."""

MODULES = {
    "oncrpc": {"errors", "nfs", "numbers", "rpc", "rpcbind", "sync", "xdr"},
    "oncrpc.nfs": {"posix"},
    "oncrpc.sync": {"rpcbind"},
}
"""Public names that are modules: they have pages of their own."""

EXPLANATIONS = ("architecture", "performance", "security", "state")
API_PAGES = sorted((DOCS / "reference" / "api").glob("*.md"))
SAMPLE = re.compile(r"^(?!#)[^\n]*\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block of Python that is not the signature below a heading."""

OUTSIDE = re.compile(r"\w+:|#")
sys.path.append(str(DOCS))


def generator(name: str) -> ModuleType:
    """A module of docs/ that makes pages."""
    return importlib.import_module(name)


def help_of(command: str) -> str:
    main = importlib.import_module(f"oncrpc.cli.{command}").main
    with redirect_stdout(StringIO()) as written, suppress(SystemExit):
        main(["--help"])
    return written.getvalue()


def options_of(text: str) -> set[str]:
    """The options that the lines of a help begin with."""
    beginnings = re.findall(r"^ +(-.*?)(?:  .*)?$", text, re.MULTILINE)
    return {found for line in beginnings for found in re.findall(r"(?<![\w-])--?[\w-]+", line)}


def page_of(command: str) -> str:
    return (DOCS / "reference" / f"{command}.md").read_text()


def links_of(page: Path) -> Iterator[str]:
    """The relative links of a page, and the pages that it lists as its parts."""
    fence = ""
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            fence = "" if fence else line
        elif fence == "```{toctree}" and line and line[0] != ":":
            yield f"{line}.md"
        elif not fence:
            targets = re.findall(r"\]\(([^)\s]+)\)", line)
            yield from (target.partition("#")[0] for target in targets if not OUTSIDE.match(target))


@pytest.mark.slow
def test_pages_made_from_source_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    status = generator("make_reference").main(["--check"])

    assert (capsys.readouterr().err, status) == ("", 0)


def test_limit_is_a_max_constant_or_a_time() -> None:
    source = '''
MAX_USERS = 16
"""Users at a time."""

PATIENCE = 0.5
"""Seconds for a reply.

Not in the table.
"""

WIDTH = 80
"""How wide it is."""
'''

    found = dict(generator("limits_page").texts_of(source))

    assert found == {"MAX_USERS": "Users at a time.", "PATIENCE": "Seconds for a reply."}


def test_limit_without_a_docstring_is_an_error() -> None:
    with pytest.raises(SystemExit, match="MAX_USERS"):
        list(generator("limits_page").texts_of("MAX_USERS = 16"))


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("Users.", 70000, "70,000"),
        ("Seconds for a reply.", 0.5, "0.5 s"),
        ("Bytes of a call.", 9000, "9,000 bytes"),
        ("Bytes of a record.", 1 << 20, "1 MiB"),
    ],
)
def test_limit_is_shown_with_its_unit(text: str, value: float, shown: str) -> None:
    assert generator("limits_page").Limit("a", "MAX_B", value, text).shown == shown


def test_docstring_becomes_markdown() -> None:
    docstring = """Send ``call``::

    link.send(call)

Raises:
    XdrError: it does not fit
        its declaration.
    AddressError: no port."""

    assert generator("api_pages").prose(docstring) == (
        "Send `call`:\n\n```python\nlink.send(call)\n```\n\nRaises:\n\n"
        "- `XdrError`: it does not fit its declaration.\n- `AddressError`: no port."
    )


def test_each_error_is_an_item() -> None:
    docstring = """Raises:
    OSError: it is in use. XdrError: see RFC 4506.
        TransportError, CallTimeout."""

    assert generator("api_pages").prose(docstring).splitlines()[2:] == [
        "- `OSError`: it is in use.",
        "- `XdrError`: see RFC 4506.",
        "- `TransportError`, `CallTimeout`",
    ]


@pytest.mark.parametrize("page", API_PAGES, ids=lambda page: page.stem)
def test_code_samples_of_the_api_pages_parse(page: Path) -> None:
    for sample in SAMPLE.findall(page.read_text()):
        examples = doctest.DocTestParser().get_examples(sample)

        ast.parse("".join(example.source for example in examples) or sample)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_manual_page(command: str) -> None:
    options = options_of(help_of(command))

    assert {"--help", "--version"} <= options
    assert {option for option in options if f"`{option}" not in page_of(command)} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_manual_page_lists_only_existing_options(command: str) -> None:
    described = re.findall(r"^`-.*`$", page_of(command), re.MULTILINE)

    lines = (" " + line.replace("`", "") for line in described)
    assert options_of("\n".join(lines)) == options_of(help_of(command))


@pytest.mark.parametrize("word", nfs_words.WORDS)
def test_page_of_nfs_has_every_option(word: str) -> None:
    command: NfsCommand = importlib.import_module(nfs_words.WORDS[word]).COMMAND
    section = re.search(rf"^### {word}$(.*?)^###? ", page_of("nfs"), re.MULTILINE | re.DOTALL)

    assert section is not None
    described = " ".join(re.findall(r"^\*\*.*$", section[1], re.MULTILINE)).replace("\\", "")
    assert {*re.findall(r"\*\*--?([a-z][\w-]+)", described)} == {
        option.name for option in command.options
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manual_page_has_the_sections_in_order(command: str) -> None:
    found = re.findall(r"^## (.*)$", page_of(command), re.MULTILINE)

    assert [section for section in found if section in SECTIONS] == SECTIONS
    assert found[-1] == "SEE ALSO"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    assert [link for link in links_of(page) if not (page.parent / link).is_file()] == []


def test_every_page_is_listed() -> None:
    indexes = (DOCS / "index.md", DOCS / "reference" / "api.md")
    listed = {index.parent / link for index in indexes for link in links_of(index)}

    assert {page for page in PAGES if page.is_relative_to(DOCS)} <= {*listed, indexes[0]}


@pytest.mark.parametrize("face", PUBLIC)
def test_every_public_name_is_in_the_reference(face: str) -> None:
    page = (DOCS / "reference" / "api" / f"{face}.md").read_text()
    documented = set(re.findall(r"^## (\w+)$", page, re.MULTILINE))

    public = set(importlib.import_module(PUBLIC[face]).__all__)
    assert public - documented == MODULES.get(face, set())


def test_every_test_that_is_named_exists() -> None:
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text))

    assert [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or f"def {name}" not in (ROOT / path).read_text()
    ] == []


def test_every_module_that_is_named_exists() -> None:
    text = "".join((DOCS / "explanation" / f"{name}.md").read_text() for name in EXPLANATIONS)
    named = set(re.findall(r"`([a-z]\w*/[\w/]+\.py)`", text))

    assert [
        path for path in named if not (SOURCES / path).is_file() and not (ROOT / path).is_file()
    ] == []


PEERS = ROOT / "tests" / "captures" / "peers"
TICKET = DOCS / "howto" / "statistics-for-a-ticket.md"
COMMAND = re.compile(r"^\$ rpcsnoop ([^\n]*) (\S+\.pcap)\n(.*?)```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("line", "file", "output"), COMMAND.findall(TICKET.read_text()), ids=lambda each: each[:40]
)
def test_output_in_the_ticket_is_real(
    line: str, file: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rpcsnoop.main([*shlex.split(line), str(PEERS / file)]) == 0

    assert capsys.readouterr().out == output
