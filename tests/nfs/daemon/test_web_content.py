"""nfsd on the web: its page, its metrics, its health."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oncrpc.nfs.daemon.web_content import PAGE, PAGE_FILES
from oncrpc.programs.nfs3 import GETATTR3args, nfs_fh3
from support.loops import run
from support.nfs_daemons import RW, exports_file, nfsd_setup
from support.nfsd_web import page_of, showing_nfsd
from support.web_serving import Reply, fetch


def fetched(share: Path, state: Path, path: str, *more: str) -> Reply:
    """The response of a server whose client has mounted and asked for attributes."""

    async def scenario() -> Reply:
        exports = exports_file(state, f"{share} *({RW})", *more)
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            root, nfs = nfs_fh3(await daemon.mount(share)), await daemon.nfs()
            await nfs.NFSPROC3_GETATTR(GETATTR3args(root))
            return await fetch(page_of(daemon), path)

    return run(scenario())


def test_healthy_server_is_ok(share: Path, state: Path) -> None:
    assert fetched(share, state, "/healthz")[::2] == (200, b"ok\n")


def test_missing_directory_is_a_fault(share: Path, state: Path) -> None:
    reply = fetched(share, state, "/healthz", f"{share}/none *(ro)")

    assert reply.status == 503
    assert reply.body == f"{share}/none is not exported: no such file or directory\n".encode()


@pytest.mark.parametrize("path", PAGE_FILES)
def test_page_files_are_served_with_their_type(share: Path, state: Path, path: str) -> None:
    reply = fetched(share, state, path)

    assert (reply.body, reply.headers["Content-Type"]) == PAGE_FILES[path]


def test_metrics_have_the_program_of_calls(share: Path, state: Path) -> None:
    text = fetched(share, state, "/metrics", f"{share}/none *(ro)").body.decode()

    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["nfsd_calls_total", "3", "GETATTR", "nfs", "success"] == 1
    assert found["nfsd_calls_total", "3", "MNT", "mountd", "success"] == 1
    assert found["nfsd_calls_total", "2", "GETATTR", "nfs", "success"] == 0
    assert 0 < found["nfsd_call_seconds_total", "3", "GETATTR", "nfs"] < 1
    assert found["nfsd_exports",] == found["nfsd_exports_failed",] == 1
    assert found["nfsd_mounts",] == found["nfsd_clients",] == 1
    assert found["nfsd_locks",] == found["nfsd_grace_seconds",] == 0
    assert found["nfsd_open_files",] == found["nfsd_unsynced_bytes",] == 0


class PageParts(HTMLParser):
    """The references of a page, and its inline scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href"):
                self.places.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")


def test_page_has_nothing_inline_or_foreign() -> None:
    parts = PageParts()
    parts.feed((PAGE / "index.html").read_text())

    served = {*PAGE_FILES, "/metrics", "/healthz", "/api/status"}
    assert {place for place in parts.places if place[0] != "#"} <= served
    assert parts.inline == []


def test_script_never_makes_markup_of_data() -> None:
    text = (PAGE / "page.js").read_text()

    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("):
        assert word not in text


LATER = """
import asyncio, sys, tempfile
from pathlib import Path
from support.nfs_daemons import nfsd_setup
from support.nfsd_web import page_of, showing_nfsd
from support.web_serving import fetch, watching

async def main(folder):
    state, share = folder / "state", folder / "share"
    state.mkdir(mode=0o700)
    share.mkdir()
    async with showing_nfsd(nfsd_setup(state, directories=[str(share)])) as daemon:
        before = set(sys.modules)
        place = page_of(daemon)
        for path in ("/", "/metrics", "/healthz", "/api/status", "/nowhere"):
            await fetch(place, path)
        async with watching(place) as viewer:
            await viewer.next("troubles")
            await viewer.next("rates")
        after = set(sys.modules)
    print(sorted(after - before))

with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))
"""


@pytest.mark.slow
def test_requests_import_no_further_modules() -> None:
    """The user that the daemon becomes may not be able to read what it is made of."""
    tests = str(Path(__file__).parents[2])

    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": tests},
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("[]\n", "")
