"""Build the manual pages from docs/reference into docs/man, and the HTML pages.

With ``--check`` nothing is written: the command fails, with one line, if a committed manual page
is not what its source gives now.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

DOCS = Path(__file__).resolve().parent
MAN = DOCS / "man"
HTML = DOCS / "_build" / "html"
PAGES = "*.[158]"
FIRST_LINES = """\
'\\" t
.\\" Made from docs/reference by docs/make_man.py; do not edit.
"""
SETTLED: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^'\\\" t\n|^\.\\\" (by the Docutils|Man page generated|End of generated).*\n?", ""),
    (
        r'^\.TH "([^"]*)" "([^"]*)" .*$',
        r'.TH "\1" "\2" "" "oncrpc" "System Manager' "'" r's Manual"',
    ),
    (r'^(\.TH "(?:NFS|XDRC)" "1" .*) "[^"]*"$', r'\1 "General Commands Manual"'),
    (r'^(\.TH "[A-Z]+\.TOML" "5" .*) "[^"]*"$', r'\1 "File Formats Manual"'),
    (r"^\.SH \[.*\]$", lambda found: ".SH " + found[0][4:].lower()),
    (r"^\.SH Copyright\n.*\n", ""),
    (r"([\w.]+\(\d\)) \\%<>", r"\\fB\1\\fP"),
    (r" \\%<>", ""),
    (r"T\{$", "T{\n.ad l"),
)
"""What is replaced in a page: first lines, date, titles of tables of the file, which are written in
capitals, copyright, links that lead nowhere on paper, cells too narrow for an even right edge."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="only say whether docs/man is current")
    options = parser.parse_args(arguments)
    pages = manual_pages()
    if options.check:
        return _check(pages)
    _write(pages)
    return _sphinx("html", HTML)


def manual_pages() -> dict[str, str]:
    """The text of each manual page, by file name, as the sources give it now."""
    with tempfile.TemporaryDirectory(prefix="oncrpc-man-") as folder:
        if _sphinx("man", Path(folder)) != 0:
            raise SystemExit("make_man.py: the pages have errors; see above")
        return {path.name: _settled(path.read_text()) for path in Path(folder).glob(PAGES)}


def _sphinx(builder: str, folder: Path) -> int:
    """Run one builder; warnings are errors."""
    with tempfile.TemporaryDirectory(prefix="oncrpc-doctrees-") as doctrees:
        return sphinx_build(
            [
                "-q",
                "-W",
                "--keep-going",
                "-E",
                "-b",
                builder,
                "-d",
                doctrees,
                str(DOCS),
                str(folder),
            ]
        )


def _settled(page: str) -> str:
    """The page without what depends on the day, or on the version of the tools."""
    for pattern, text in SETTLED:
        page = re.sub(pattern, text, page, flags=re.MULTILINE)
    lines = "\n".join(line.rstrip() for line in page.splitlines())
    return FIRST_LINES + lines.strip("\n") + "\n"


def _check(pages: dict[str, str]) -> int:
    committed = {path.name: path.read_text() for path in MAN.glob(PAGES)}
    stale = sorted(
        name for name in pages.keys() | committed.keys() if pages.get(name) != committed.get(name)
    )
    if stale:
        names = ", ".join(f"docs/man/{name}" for name in stale)
        sys.stderr.write(f"make_man.py: stale: {names}; run 'make docs' and commit the result\n")
    return bool(stale)


def _write(pages: dict[str, str]) -> None:
    MAN.mkdir(exist_ok=True)
    for path in MAN.glob(PAGES):
        if path.name not in pages:
            path.unlink()
    for name, page in pages.items():
        (MAN / name).write_text(page)


if __name__ == "__main__":
    sys.exit(main())
