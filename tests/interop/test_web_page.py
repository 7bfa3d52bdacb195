"""The web page in a browser: live, by keyboard alone, dark and light, wide and narrow."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from oncrpc import sync
from oncrpc.aio.serve import serve
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.version import __version__
from support.daemon_process import RunningDaemon
from support.namespace import need
from support.words import words

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
DASH = "\N{EN DASH}"
BODY = "#registrations tbody tr"
INDIRECT_CALL = words(
    7,               # xid
    0, 2,            # CALL, rpcvers
    100000, 4, 10,   # rpcbind, version 4, INDIRECT
    0, 0, 0, 0,      # cred AUTH_NONE, verf AUTH_NONE
    100005, 1, 1, 0, # mountd, version 1, MNT, no arguments
)  # fmt: skip


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
    """The live page; checks at the end that no script failed and nothing foreign was loaded."""
    yield from opened(browser, daemon)


def opened(
    browser: Browser,
    daemon: RunningDaemon,
    *,
    width: int = 1000,
    scheme: Literal["dark", "light"] = "light",
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        timezone_id="Asia/Kathmandu",
        locale="en-US",
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
    """A registration of a program without a server."""
    mapper = f"127.0.0.1:{daemon.port}"
    assert sync.rpcbind.set(PROGRAM, 1, netid, address, mapper=mapper)
    try:
        yield
    finally:
        sync.rpcbind.unset(PROGRAM, 1, netid, mapper=mapper)


def test_server_appears_and_goes_with_its_registration(page: Page, daemon: RunningDaemon) -> None:
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


def test_hostile_registration_is_text(page: Page) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x00__proto__'
    entry = {
        "program": PROGRAM, "version": 1, "age": 0,
        **dict.fromkeys(("name", "netid", "address", "owner", "endpoint"), hostile),
    }  # fmt: skip

    page.evaluate("(entry) => HANDLERS.added([entry])", entry)

    cells = page.locator(BODY, has_text=str(PROGRAM)).locator("td")
    for column in (1, 3, 4, 5, 6):
        assert cells.nth(column).text_content() == hostile
    assert page.locator("main img, main script").count() == 0


def test_calls_are_shown(page: Page, daemon: RunningDaemon) -> None:
    daemon.answers()

    expect(page.locator("#procedures")).to_contain_text("GETPORT (version 2)")
    assert page.locator("#chart canvas").count() == 1
    expect(page.locator("#summary")).to_contain_text("at most")


def test_axis_is_the_last_two_minutes(page: Page, daemon: RunningDaemon) -> None:
    for _ in range(2):
        first, last = page.evaluate("[chart.plot.scales.x.min, chart.plot.scales.x.max]")
        assert last - first == 120
        assert abs(last - time.time()) < 5
        daemon.answers()
        expect(page.locator("#summary")).to_contain_text("at most")


def test_axis_has_local_24_hour_time(page: Page) -> None:
    assert page.evaluate("Chart.label(1700000000)") == "03:58:20"  # 22:13:20 UTC
    assert page.evaluate("Chart.label(1700043300)") == "16:00:00"


def test_daemon_is_described_as_by_status(page: Page) -> None:
    host = socket.gethostname()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"Port mapper of {host}")
    expect(page.locator("#about")).to_have_text(
        re.compile(rf"^portmap {re.escape(__version__)}, process \d+, up .*\d s$")
    )
    expect(page.locator("#policy")).to_have_text("/etc/portmap.toml, missing")
    expect(page.locator("#state")).to_have_text("not kept")


def test_unknown_figures_are_dashes(browser: Browser, daemon: RunningDaemon) -> None:
    page = browser.new_page()
    page.route("**/api/events", lambda _route: None)
    page.goto(address_of(daemon))

    expect(page.locator("#connection")).to_have_text("connecting")
    assert set(page.locator("#figures dd:not(.causes), #details dd").all_inner_texts()) == {DASH}
    page.close()


def test_refusals_have_causes(page: Page, daemon: RunningDaemon) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(INDIRECT_CALL, ("127.0.0.1", daemon.port))

    expect(page.locator("#refusals")).to_have_text("1")
    expect(page.locator("#refusal-causes")).to_have_text("1 indirect")


def test_causes_of_drops_are_named(page: Page) -> None:
    found = page.evaluate("""() => {
      counts({connections: 0, refusals: {}, drops: {rate: 2, kernel: 1, busy: 0}});
      return ["drops", "drop-causes"].map((id) => byId(id).textContent);
    }""")

    assert found == ["3", "2 over their rate, 1 by the kernel"]


def test_own_registrations_unfold(page: Page) -> None:
    fold = page.get_by_role("button", name="portmapper")
    expect(page.locator(BODY)).to_have_count(1)
    expect(fold).to_have_attribute("aria-expanded", "false")

    fold.focus()
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(fold).to_be_focused()
    assert page.locator(BODY).count() > 2

    page.keyboard.press("Enter")
    expect(page.locator(BODY)).to_have_count(1)


def test_one_row_for_a_program_at_an_address(page: Page, daemon: RunningDaemon) -> None:
    mapper = f"127.0.0.1:{daemon.port}"
    kinds = [(1, "tcp"), (2, "tcp"), (3, "tcp"), (3, "udp")]
    for version, netid in kinds:
        assert sync.rpcbind.set(PROGRAM, version, netid, "127.0.0.1.8.1", mapper=mapper)
    try:
        row = page.locator(BODY, has_text=str(PROGRAM))
        expect(row.locator("td").nth(3)).to_have_text("tcp (1-3), udp (3)")
        expect(row).to_have_count(1)
        expect(row.locator("td").nth(2)).to_have_text("1-3")
        assert row.locator("td.address span").all_inner_texts() == [
            "127.0.0.1:2049",
            "127.0.0.1.8.1",
        ]
    finally:
        for version, netid in kinds:
            sync.rpcbind.unset(PROGRAM, version, netid, mapper=mapper)


@pytest.mark.parametrize(
    ("netid", "uaddr", "shown"),
    [
        ("tcp", "0.0.0.0.0.111", "0.0.0.0:111"),
        ("udp6", "::.8.1", "[::]:2049"),
        ("tcp6", "2001:db8::1.255.255", "[2001:db8::1]:65535"),
        ("tcp", "1.2.3.4.256.1", ""),
        ("tcp", "example.8.1", ""),
        ("local", "1.2.3.4.8.1", ""),
        ("local", "/run/a.8.1", ""),
    ],
)
def test_universal_address_becomes_host_and_port(
    page: Page, netid: str, uaddr: str, shown: str
) -> None:
    assert page.evaluate("([netid, uaddr]) => hostPort(netid, uaddr)", [netid, uaddr]) == shown


def test_narrow_page_sorts_by_one_select(browser: Browser, daemon: RunningDaemon) -> None:
    mapper = f"127.0.0.1:{daemon.port}"
    for number in range(20):
        assert sync.rpcbind.set(PROGRAM + number, 1, "tcp", f"127.0.0.1.8.{number}", mapper=mapper)
    try:
        for page in opened(browser, daemon, width=390):
            expect(page.locator(BODY)).to_have_count(21)
            page.get_by_label("Sort by").select_option("program, descending")
            programs = page.locator(f"{BODY} td.program").all_inner_texts()
            assert programs[0] == str(PROGRAM + 19)
            assert programs == sorted(programs, key=int, reverse=True)
            assert page.locator("thead button").first.get_attribute("tabindex") == "-1"
            assert page.locator("#registrations").evaluate("it => it.offsetHeight") < 21 * 75
    finally:
        for number in range(20):
            sync.rpcbind.unset(PROGRAM + number, 1, "tcp", mapper=mapper)


def test_table_is_filtered_by_keyboard(page: Page, daemon: RunningDaemon) -> None:
    with registered(daemon, "local", "/run/one"), registered(daemon, "tcp", "127.0.0.1.4.0"):
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the registrations")).to_be_focused()
        page.locator("#filter").focus()
        page.keyboard.type(f"TCP {PROGRAM}")
        expect(page.locator("#shown")).to_contain_text("1 of ")
        expect(page.locator(BODY)).to_contain_text("127.0.0.1.4.0")
        page.keyboard.press("Escape")
        expect(page.locator("#shown")).to_have_text("all shown")
        expect(page.locator(BODY, has_text=str(PROGRAM))).to_have_count(2)


def test_table_is_sorted_by_keyboard(page: Page, daemon: RunningDaemon) -> None:
    with registered(daemon, "tcp", "127.0.0.1.4.0"):
        expect(page.locator(BODY)).to_have_count(2)
        sort_by_version(page)


def sort_by_version(page: Page) -> None:
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
        assert len(found) > 1
    expect(heading.get_by_role("button")).to_be_focused()


@pytest.mark.parametrize("width", [320, 1000])
def test_screen_readers_get_a_table_with_headings(
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
def test_page_is_legible_dark_and_narrow(
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
    """The relative luminance of a colour (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_page_reconnects_when_the_daemon_is_back(browser: Browser) -> None:
    with RunningDaemon("--no-state", "--web", "127.0.0.1:0") as first:
        place = address_of(first).removeprefix("http://").rstrip("/")
        page = browser.new_page()
        page.goto(address_of(first))
        expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#connection")).to_contain_text("connection lost at")
    expect(page.locator("#registered")).to_have_text(DASH)
    expect(page.locator(BODY)).to_have_count(1)
    with RunningDaemon("--no-state", "--web", place):
        expect(page.locator("#connection")).to_have_text("live", timeout=10000)
        page.close()
