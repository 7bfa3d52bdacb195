"""Static files and events, as they are served."""

from __future__ import annotations

from pathlib import Path

from oncrpc.daemon.web.content import event, read_files


def test_event_data_is_one_line() -> None:
    assert event("added", ["a\r\nevent: b\n\n"]) == (
        b'event: added\ndata: ["a\\r\\nevent: b\\n\\n"]\n\n'
    )


def test_index_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"<p>")
    (tmp_path / "page.js").write_bytes(b"1")

    found = read_files(tmp_path, ["index.html", "page.js"])

    assert found == {
        "/": (b"<p>", "text/html; charset=utf-8"),
        "/page.js": (b"1", "text/javascript; charset=utf-8"),
    }
