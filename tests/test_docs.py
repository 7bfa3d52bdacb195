"""The pages say what the code says: bounds, options, public names. Links lead somewhere."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SOURCES = ROOT / "src" / "oncrpc"
PAGES = sorted(
    path for path in (*DOCS.rglob("*.md"), *ROOT.glob("*.md")) if "_build" not in path.parts
)
COMMANDS = ("portmap", "rpcinfo", "pmap_dump", "pmap_set", "xdrc")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "DIFFERENCES"]
PUBLIC = {
    "oncrpc": "oncrpc",
    "oncrpc.binding": "oncrpc.aio.binding",
    "oncrpc.sync": "oncrpc.sync",
    "oncrpc.numbers": "oncrpc.numbers",
    "oncrpc.rpc": "oncrpc.rpc",
    "oncrpc.xdr": "oncrpc.xdr",
    "oncrpc.idl": "oncrpc.idl",
    "oncrpc.testing": "oncrpc.testing",
}
"""Where names are public, and the modules that those are."""

MODULES = {"binding", "errors", "numbers", "rpc", "sync", "xdr"}
"""Public names of the package that are modules: they have sections of their own."""

OUTSIDE = re.compile(r"\w+:|#")
LIST_DOCUMENTED = """
import sys, tempfile
from sphinx.application import Sphinx
with tempfile.TemporaryDirectory() as made:
    app = Sphinx(sys.argv[1], sys.argv[1], made, made, "dummy", status=None)
    app.build()
    print("\\n".join(app.env.get_domain("py").objects))
"""


@dataclasses.dataclass
class Bound:
    """A row of the table of limits."""

    value: float
    name: str


def bounds() -> list[Bound]:
    rows = re.findall(
        r"^\|.*\| ([\d.,]+)[^|]* \| `(oncrpc[\w.]+)` \|$",
        (DOCS / "reference" / "limits.md").read_text(),
        re.MULTILINE,
    )
    return [Bound(float(value.replace(",", "")), name) for value, name in rows]


def constant(name: str) -> Any:
    """A module's constant, the default of a dataclass's field or of a parameter of a class."""
    parts = name.split(".")
    module = ".".join(part for part in parts if part.islower() and part != parts[-1])
    found: Any = importlib.import_module(module)
    for part in parts[module.count(".") + 1 :]:
        found = default(found, part) if inspect.isclass(found) else getattr(found, part)
    return found


def default(cls: type, name: str) -> Any:
    return inspect.signature(cls).parameters[name].default


def constants() -> Iterator[str]:
    """Every constant whose name starts with MAX, save those of what is only for tests."""
    for path in set(SOURCES.rglob("*.py")) - set(SOURCES.glob("testing/*")):
        module = ".".join(path.relative_to(SOURCES.parent).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        for statement in ast.parse(path.read_text()).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            for name in (target.id for target in targets if isinstance(target, ast.Name)):
                if name.startswith("MAX_"):
                    yield f"{module}.{name}"


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


@pytest.mark.parametrize("bound", bounds(), ids=lambda bound: bound.name)
def test_a_bound_is_what_the_table_says(bound: Bound) -> None:
    assert constant(bound.name) == bound.value


@pytest.mark.parametrize("name", sorted(constants()))
def test_every_bound_is_in_the_table(name: str) -> None:
    assert name in {bound.name for bound in bounds()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_manual_page(command: str) -> None:
    options = options_of(help_of(command))

    assert {"--help", "--version"} <= options
    assert {option for option in options if f"`{option}" not in page_of(command)} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_page_has_no_option_that_the_command_lacks(command: str) -> None:
    described = re.findall(r"^`-.*`$", page_of(command), re.MULTILINE)

    lines = (" " + line.replace("`", "") for line in described)
    assert options_of("\n".join(lines)) == options_of(help_of(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manual_page_has_the_sections_in_order(command: str) -> None:
    found = re.findall(r"^## (.*)$", page_of(command), re.MULTILINE)

    assert [section for section in found if section in SECTIONS] == SECTIONS
    assert found[-1] == "SEE ALSO"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    assert [link for link in links_of(page) if not (page.parent / link).is_file()] == []


def test_every_page_is_listed() -> None:
    listed = {DOCS / link for link in links_of(DOCS / "index.md")}

    assert {page for page in PAGES if page.is_relative_to(DOCS)} == {*listed, DOCS / "index.md"}


@pytest.mark.slow
def test_every_public_name_is_in_the_reference() -> None:
    command = [sys.executable, "-c", LIST_DOCUMENTED, str(DOCS)]
    made = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}, check=False
    )
    documented = set(made.stdout.split())

    public = {
        f"{face}.{name}"
        for face, module in PUBLIC.items()
        for name in importlib.import_module(module).__all__
        if face != "oncrpc" or name not in MODULES
    } - {"oncrpc.sync.Binder"}  # the same as that of binding
    assert public - documented == set(), made.stderr
