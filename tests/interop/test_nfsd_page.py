"""The web page of nfsd in a browser: live, by keyboard alone, dark and light, wide and narrow."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from oncrpc import sync
from oncrpc.programs.mount import MOUNT_V3, mountres3_ok
from oncrpc.programs.nfs3 import (
    NFS_V3,
    GETATTR3args,
    LOOKUP3args,
    LOOKUP3resok,
    WRITE3args,
    diropargs3,
    nfs_fh3,
    stable_how,
)
from oncrpc.rpc import auth_sys
from oncrpc.version import __version__
from support.namespace import need

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    if os.environ.get("ONCRPC_REQUIRE_PEERS"):
        raise
    pytest.skip("not installed: playwright", allow_module_level=True)

pytestmark = [pytest.mark.interop, pytest.mark.slow]

CHROMIUM = "/usr/bin/chromium"
DASH = "\N{EN DASH}"
OPTIONS = "rw,insecure,no_root_squash"
MARKUP = "<img src=x onerror=alert(1)>"


class RunningServer:
    """``nfsd -f`` in its own process with a page; ``exports`` may be changed and reread."""

    def __init__(self, folder: Path) -> None:
        self.share, self.exports = folder / "share", folder / "exports"
        self.share.mkdir()
        (self.share / "hello").write_text("hello\n")
        (folder / "state").mkdir(mode=0o700)
        self.export(str(self.share))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "oncrpc.cli.nfsd", "-f", "-l", "-4", "-p", "0"),
                *("--port-mapper", "none", "--web", "127.0.0.1:0"),
                *("--state-dir", str(folder / "state"), "--exports", str(self.exports)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = list[str]()
        while not lines or "end with Ctrl-C" not in lines[-1]:
            assert self.process.stderr is not None
            lines.append(self.process.stderr.readline())
            assert lines[-1], lines
        text = "".join(lines)
        page, port = re.search(r"(http://\S+)", text), re.search(r"port=(\d+)", text)
        assert page, text
        assert port, text
        self.page, self.port = page[1], int(port[1])

    def export(self, *paths: str) -> None:
        """Write the file of exports."""
        lines = (f'"{path}" 127.0.0.1({OPTIONS}) 192.0.2.0/24(ro)\n' for path in paths)
        self.exports.write_text("".join(lines))

    def reread(self) -> None:
        """Have it read the exports again."""
        self.process.send_signal(signal.SIGHUP)

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.stderr.close()
        assert self.process.wait(20) == 0

    @contextmanager
    def client(self) -> Iterator[sync.SocketLink]:
        """A connection of a client that is root there."""
        to = "127.0.0.1", self.port
        auth = auth_sys(b"client", 0, 0)
        with sync.run(sync.dial("tcp", *to, timeout=10, auth=auth)) as link:
            yield link

    def mount(self, link: sync.SocketLink) -> nfs_fh3:
        """Mount the share."""
        found = sync.run(MOUNT_V3.Client(link).MOUNTPROC3_MNT(bytes(self.share)))
        assert isinstance(found.body, mountres3_ok)
        return nfs_fh3(found.body.fhandle)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    need(CHROMIUM)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """An NFS server with a page."""
    made = RunningServer(tmp_path)
    yield made
    made.end()


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The live page; checks at the end that no script failed and nothing foreign was loaded."""
    yield from opened(browser, server)


def opened(
    browser: Browser,
    server: RunningServer,
    *,
    width: int = 1000,
    scheme: Literal["dark", "light"] = "light",
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-US",
    )
    made, complaints, asked = context.new_page(), list[str](), list[str]()
    made.on("console", lambda said: complaints.append(said.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("request", lambda request: asked.append(request.url))
    made.goto(server.page)
    expect(made.locator("#connection")).to_have_text("live")
    yield made
    context.close()
    assert complaints == []
    assert {url for url in asked if not url.startswith(server.page)} == set()


def test_server_is_described_as_by_status(page: Page, server: RunningServer) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"NFS server of {socket.gethostname()}"
    )
    expect(page.locator("#about")).to_have_text(
        re.compile(rf"^nfsd {re.escape(__version__)}, process {server.process.pid}, up .*s$")
    )
    expect(page.locator("#programs")).to_contain_text("nfs 2 and 3")
    expect(page.locator("#mapper")).to_have_text("none")
    row = page.locator("#exports tbody tr")
    expect(row.locator("td").first).to_have_text(str(server.share))
    expect(row).to_contain_text("192.0.2.0/24(")


def test_mount_appears_and_goes(page: Page, server: RunningServer) -> None:
    expect(page.locator("#mounts")).to_be_hidden()
    expect(page.get_by_text("No client has mounted anything.")).to_be_visible()

    with server.client() as link:
        server.mount(link)
        expect(page.locator("#mounts tbody tr")).to_have_text(re.compile("127.0.0.1.*share"))
        expect(page.locator("#news")).to_have_text(f"127.0.0.1 mounted {server.share}")
        expect(page.locator("#mount-count")).to_have_text("1")
        expect(page.locator("#clients tbody tr")).to_contain_text("127.0.0.1")
        sync.run(MOUNT_V3.Client(link).MOUNTPROC3_UMNT(bytes(server.share)))

    expect(page.locator("#mounts tbody tr")).to_have_count(0)
    expect(page.locator("#news")).to_have_text(f"127.0.0.1 unmounted {server.share}")


def test_calls_have_rates_and_times(page: Page, server: RunningServer) -> None:
    with server.client() as link:
        root = server.mount(link)
        for _ in range(5):
            sync.run(NFS_V3.Client(link).NFSPROC3_GETATTR(GETATTR3args(root)))

    row = page.locator("#called tbody tr", has_text="nfs GETATTR v3")
    expect(row.locator("td").nth(1)).to_have_text("5")
    expect(row.locator("td").nth(3)).to_have_text(re.compile(r"^\d+\.\d\d ms$"))
    expect(page.locator("#summary")).to_contain_text("at most")
    assert page.locator("#chart canvas").count() == 1


def test_unstable_write_is_an_open_file(page: Page, server: RunningServer) -> None:
    with server.client() as link:
        nfs, root = NFS_V3.Client(link), server.mount(link)
        found = sync.run(nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(root, b"hello")))).body
        assert isinstance(found, LOOKUP3resok)
        arg = WRITE3args(found.object, 0, 2048, stable_how.UNSTABLE, bytes(2048))
        sync.run(nfs.NFSPROC3_WRITE(arg))

    row = page.locator("#files tbody tr")
    expect(row.locator("td").first).to_have_text(f"{server.share}/hello")
    expect(row.locator("td").nth(1)).to_have_text("127.0.0.1")
    expect(row.locator("td").nth(4)).to_have_text("2.0 KiB")
    expect(page.locator("#file-count")).to_have_text("1")


def test_new_exports_and_faults_are_shown(page: Page, server: RunningServer) -> None:
    expect(page.locator("#troubles li")).to_have_count(0)
    other = server.share.with_name(MARKUP.replace("/", ""))
    other.mkdir()

    server.export(str(server.share), str(other), "/none")
    server.reread()

    expect(page.locator("#exports tbody tr")).to_have_count(2)
    expect(page.locator("#news")).to_have_text(f"{other} is exported")
    expect(page.locator("#exports td.path").nth(0)).to_have_text(str(other))
    assert page.locator("main img").count() == 0
    expect(page.locator("#troubles li").first).to_have_text(
        "/none is not exported: no such file or directory"
    )


def test_hostile_names_are_text(page: Page) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e__proto__'
    page.evaluate(
        """(hostile) => {
          HANDLERS.mounts([{host: hostile, path: hostile}]);
          HANDLERS.troubles([{severity: hostile, text: hostile}]);
          HANDLERS.files([{path: hostile, client: hostile, age: 1, idle: 1, unsynced: 0}]);
          HANDLERS.clients([{host: hostile, calls: 1, connections: 0, idle: 0}]);
        }""",
        hostile,
    )

    assert page.locator("#mounts td").nth(1).text_content() == hostile
    assert page.locator("#troubles li").first.text_content() == hostile
    assert page.locator("main img, main script").count() == 0


def test_table_is_sorted_by_keyboard(page: Page) -> None:
    page.evaluate(
        """() => HANDLERS.clients([1, 2, 3].map((n) => (
          {host: `192.0.2.${n}`, calls: 10 * n, connections: 0, idle: 5 * n}
        )))"""
    )
    hosts = page.locator("#clients td.host")
    assert hosts.all_inner_texts() == ["192.0.2.3", "192.0.2.2", "192.0.2.1"]

    heading = page.locator("#clients").get_by_role("columnheader", name="Last call")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")

    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert hosts.all_inner_texts() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    expect(heading.get_by_role("button")).to_be_focused()


@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_page_fits_dark_and_narrow(
    browser: Browser,
    server: RunningServer,
    tmp_path: Path,
    *,
    scheme: Literal["dark", "light"],
    width: int,
) -> None:
    for page in opened(browser, server, width=width, scheme=scheme):
        expect(page.locator("#exports tbody tr")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture = tmp_path / f"{scheme}-{width}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 5000
        table = page.get_by_role("table", name="Exports")
        expect(table.get_by_role("columnheader")).to_have_count(4)
        expect(table.get_by_role("row")).to_have_count(2)


def test_lost_server_leaves_dashes(browser: Browser, tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    page = browser.new_page()
    page.goto(server.page)
    expect(page.locator("#connection")).to_have_text("live")

    server.end()

    expect(page.locator("#connection")).to_contain_text("connection lost at")
    assert set(page.locator("#figures dd:not(.causes)").all_inner_texts()) == {DASH}
    expect(page.locator("#exports tbody tr")).to_have_count(1)
    page.close()


def test_locks_and_grace_are_shown(page: Page) -> None:
    lock = {
        "path": "/srv/log", "client": "one (192.0.2.7)", "process": 7, "bytes": "0-9",
        "lock": "exclusive, waiting", "seconds": 65,
    }  # fmt: skip
    told = page.evaluate(
        """(lock) => {
          HANDLERS.locks([lock]);
          HANDLERS.rates({
            calls: 0, procedures: [], connections: 0, refusals: {}, drops: {}, clients: 1,
            mounts: 0, open_files: 0, locks: 3, waiting: 1, grace: 80, awaited: 2,
          });
          return ["lock-count", "lock-notes"].map((id) => byId(id).textContent);
        }""",
        lock,
    )

    assert told == ["3", "1 waiting, grace: 1 min 20 s, for 2 clients"]
    cells = page.locator("#locks tbody td").all_inner_texts()
    assert cells[:5] == ["/srv/log", "one (192.0.2.7)", "7", "0-9", "exclusive, waiting"]
    assert cells[5].startswith("1 min")
