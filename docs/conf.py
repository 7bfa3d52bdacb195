"""Sphinx configuration: the pages and the manual pages have one source."""

from __future__ import annotations

from pygments.lexers.c_cpp import CLexer
from sphinx.application import Sphinx

from oncrpc import __version__

project = "oncrpc"
author = "the oncrpc authors"
copyright = "the oncrpc authors"  # Sphinx's name
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "man"]
nitpicky = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"oncrpc {__version__}"
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None

_SECTIONS = {
    "nfsd": 8, "portmap": 8, "rpcinfo": 8, "pmap_dump": 8, "pmap_set": 8, "showmount": 8, "xdrc": 1,
    "nfs": 1,
    "rpcsnoop": 8,
    "nfsd.toml": 5, "portmap.toml": 5,
}  # fmt: skip
# The empty description keeps Sphinx from writing a NAME section: each page has its own.
man_pages: list[tuple[str, str, str, list[str], int]] = [
    (f"reference/{name.replace('.', '-')}", name, "", [], section)
    for name, section in _SECTIONS.items()
]


def setup(app: Sphinx) -> None:
    """Colour interface files as C."""
    app.add_lexer("x", CLexer)
