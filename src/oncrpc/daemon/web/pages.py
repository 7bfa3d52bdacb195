"""The files that all pages share: style, chart, live events, tables.

An application adds its own ``index.html`` and scripts. ``live.js`` says which places a page has.
"""

from __future__ import annotations

from pathlib import Path

from oncrpc.daemon.web.content import read_files

SHARED_PAGE = Path(__file__).with_name("page")
SHARED_FILES = read_files(
    SHARED_PAGE,
    (
        "live.js", "rows.js", "chart.js", "page.css", "icon.svg",
        "uplot/uPlot.iife.min.js", "uplot/uPlot.min.css",
    ),
)  # fmt: skip
