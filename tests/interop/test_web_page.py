"""The web page in a browser: it lives, without a mouse too, in the dark, and in little room."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from oncrpc import sync
from oncrpc.aio.serve import serve
from oncrpc.programs.mount import MOUNT_V3
from support.namespace import need
from support.running import RunningDaemon

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    if os.environ.get("ONCRPC_REQUIRE_PEERS"):
        raise
    pytest.skip("not installed: playwright", allow_module_level=True)

pytestmark = [pytest.mark.interop, pytest.mark.slow]

CHROMIUM = "/usr/bin/chromium"
PROGRAM = 400700
MARKUP = "/run/<img src=x onerror=alert(1)>"
BODY = "#registrations tbody tr"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    need(CHROMIUM)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """A port mapper with web pages."""
    with RunningDaemon("--no-state", "--liveness", "60", "--web", "127.0.0.1:0") as made:
        yield made


def address_of(daemon: RunningDaemon) -> str:
    line = next(line for line in daemon.lines if "web pages on" in line)
    return line.rpartition(" ")[2].strip()


@pytest.fixture
def page(browser: Browser, daemon: RunningDaemon) -> Iterator[Page]:
    """The page, once it lives; no script of it failed, and nothing was kept from being loaded."""
    yield from opened(browser, daemon)


def opened(
    browser: Browser,
    daemon: RunningDaemon,
    *,
    width: int = 1000,
    scheme: Literal["dark", "light"] = "light",
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    made, complaints, asked = context.new_page(), list[str](), list[str]()
    made.on("console", lambda said: complaints.append(said.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("request", lambda request: asked.append(request.url))
    made.goto(address_of(daemon))
    expect(made.locator("#connection")).to_have_text("live")
    yield made
    context.close()
    assert complaints == []
    assert {url for url in asked if not url.startswith(address_of(daemon))} == set()


@contextmanager
def rpc_server(daemon: RunningDaemon) -> Iterator[None]:
    """A server of MOUNT on TCP, which registers and, at the end, unregisters."""
    serving, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        service = MOUNT_V3.Service()
        async with serve(
            service, transports=("tcp",), host="127.0.0.1", register=f"127.0.0.1:{daemon.port}"
        ):
            serving.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert serving.wait(10)
        yield
    finally:
        if loops:
            loops[0].call_soon_threadsafe(ended.set)
        thread.join()


@contextmanager
def registered(daemon: RunningDaemon, netid: str, address: str) -> Iterator[None]:
    """A registration of a program that is not there."""
    mapper = f"127.0.0.1:{daemon.port}"
    assert sync.rpcbind.set(PROGRAM, 1, netid, address, mapper=mapper)
    try:
        yield
    finally:
        sync.rpcbind.unset(PROGRAM, 1, netid, mapper=mapper)


def test_a_server_appears_when_it_registers_and_goes_when_it_unregisters(
    page: Page, daemon: RunningDaemon
) -> None:
    page.evaluate("window.sameDocument = true")
    row = page.locator(BODY, has_text="mountd")
    expect(row).to_have_count(0)

    with rpc_server(daemon):
        expect(row).to_have_count(1)
        expect(page.locator("#news")).to_have_text("mountd version 3 on tcp registered")
        expect(row).to_contain_text("127.0.0.1.")
        expect(row.locator("td").nth(6)).to_have_text("alive")

    expect(row).to_have_count(0)
    expect(page.locator("#news")).to_contain_text("mountd version 3 on tcp removed")
    assert page.evaluate("window.sameDocument")


def test_markup_in_an_address_is_text_there(page: Page, daemon: RunningDaemon) -> None:
    with registered(daemon, "local", MARKUP):
        row = page.locator(BODY, has_text=str(PROGRAM))
        expect(row.locator("td").nth(4)).to_have_text(MARKUP)
        assert page.locator("main img").count() == 0


def test_calls_are_seen(page: Page, daemon: RunningDaemon) -> None:
    daemon.answers()

    expect(page.locator("#procedures")).to_contain_text("GETPORT (version 2)")
    assert page.locator("#chart canvas").count() == 1
    expect(page.locator("#summary")).to_contain_text("at most")


def test_the_table_is_filtered_with_the_keyboard_alone(page: Page, daemon: RunningDaemon) -> None:
    with registered(daemon, "local", "/run/one"), registered(daemon, "tcp", "127.0.0.1.4.0"):
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the registrations")).to_be_focused()
        page.locator("#filter").focus()
        page.keyboard.type(f"TCP {PROGRAM}")
        expect(page.locator("#shown")).to_have_text("1 shown")
        expect(page.locator(BODY)).to_contain_text("127.0.0.1.4.0")
        page.keyboard.press("Escape")
        expect(page.locator("#shown")).to_have_text("all shown")
        expect(page.locator(BODY, has_text=str(PROGRAM))).to_have_count(2)


def test_the_table_is_sorted_with_the_keyboard_alone(page: Page) -> None:
    page.locator("#filter").focus()
    page.keyboard.press("Tab")  # the region that scrolls
    for _ in range(3):
        page.keyboard.press("Tab")
    heading = page.get_by_role("columnheader", name="Version")
    expect(heading.get_by_role("button")).to_be_focused()
    for key, order in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        expect(heading).to_have_attribute("aria-sort", order)
        found = page.locator(f"{BODY} td:nth-child(3)").all_inner_texts()
        assert found == sorted(found, reverse=order == "descending")
    expect(heading.get_by_role("button")).to_be_focused()


@pytest.mark.parametrize("width", [320, 1000])
def test_it_is_a_table_with_headings_to_a_screen_reader(
    browser: Browser, daemon: RunningDaemon, width: int
) -> None:
    for page in opened(browser, daemon, width=width):
        table = page.get_by_role("table", name="Registrations")
        expect(table.get_by_role("columnheader")).to_have_count(8)
        expect(table.get_by_role("row")).to_have_count(1 + page.locator(BODY).count())
        first = table.get_by_role("row").nth(1)
        expect(first.get_by_role("cell")).to_have_count(8)
        expect(page.locator("#news")).to_have_attribute("aria-live", "polite")
        expect(page.get_by_role("img", name=re.compile("Calls a second"))).to_have_count(1)


@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_can_be_read_in_the_dark_and_in_little_room(
    browser: Browser,
    daemon: RunningDaemon,
    tmp_path: Path,
    *,
    scheme: Literal["dark", "light"],
    width: int,
) -> None:
    for page in opened(browser, daemon, width=width, scheme=scheme):
        colours = page.evaluate(COLOURS)
        assert contrast(*colours) >= 7
        assert (luminance(colours[0]) < 0.5) is (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture = tmp_path / f"{scheme}-{width}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 5000


COLOURS = """() => {
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color];
}"""


def luminance(colour: str) -> float:
    """As the guidelines for accessibility have it (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_page_goes_on_when_the_daemon_is_back(browser: Browser) -> None:
    with RunningDaemon("--no-state", "--web", "127.0.0.1:0") as first:
        place = address_of(first).removeprefix("http://").rstrip("/")
        page = browser.new_page()
        page.goto(address_of(first))
        expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#connection")).to_contain_text("connection lost")
    with RunningDaemon("--no-state", "--web", place):
        expect(page.locator("#connection")).to_have_text("live", timeout=10000)
        page.close()
