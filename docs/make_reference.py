"""Write the pages of docs/reference that are made from the source: limits, the keys
of the configuration, the words of rpcsnoop, and the Python API.

With ``--check`` nothing is written: the command fails, with one line, if a committed page is not
what its source gives now.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import api_pages
import causes_page
import keys_page
import limits_page
import words_page

REFERENCE = Path(__file__).resolve().parent / "reference"
API = REFERENCE / "api"
MADE = (REFERENCE / "limits.md", REFERENCE / "mount-causes.md", words_page.PAGE)
"""Pages of which every line is made."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="only report whether pages are stale")
    options = parser.parse_args(arguments)
    wanted = pages()
    found = {path: path.read_text() for path in committed()}
    stale = sorted(
        path.name for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)
    )
    if options.check:
        return report(stale)
    write(wanted)
    return 0


def pages() -> dict[Path, str]:
    """The text of each page, by its path."""
    return {
        REFERENCE / "limits.md": limits_page.page(),
        REFERENCE / "mount-causes.md": causes_page.page(),
        words_page.PAGE: words_page.page(),
        **keys_page.pages(),
        **{API / f"{name}.md": text for name, text in api_pages.pages()},
    }


def committed() -> list[Path]:
    """The pages that are there."""
    return [path for path in (*MADE, *keys_page.PAGES, *API.glob("*.md")) if path.exists()]


def report(stale: list[str]) -> int:
    """Name the pages that are stale; the exit status."""
    if stale:
        names = ", ".join(stale)
        sys.stderr.write(f"make_reference.py: stale: {names}; run 'make reference' and commit\n")
    return bool(stale)


def write(wanted: dict[Path, str]) -> None:
    """Write the pages, and remove those that are not made any more."""
    API.mkdir(exist_ok=True)
    for path in committed():
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
