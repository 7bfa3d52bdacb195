"""The port mapper on the web: its page, its registrations, and when it is started."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from oncrpc.portmap.web_content import PAGE, PAGE_FILES
from oncrpc.programs.rpcb import rpcb
from support.daemon_process import RunningDaemon
from support.loops import run
from support.web_serving import Reply, fetch, showing


def fetched(tmp_path: Path, path: str) -> Reply:
    """The response of a port mapper."""

    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            return await fetch(made, path)

    return run(scenario())


def test_healthy_port_mapper_is_ok(tmp_path: Path) -> None:
    reply = fetched(tmp_path, "/healthz")

    assert (reply.status, reply.body) == (200, b"ok\n")


def test_faults_of_the_port_mapper_are_listed(tmp_path: Path) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            made.ended.set()
            return await fetch(made, "/healthz")

    assert run(scenario())[::2] == (503, b"the daemon is ending\n")


def test_registrations_are_json(tmp_path: Path) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            made.app.registry.set(rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser"))
            return await fetch(made, "/api/registrations")

    reply = run(scenario())
    found = json.loads(reply.body)
    assert reply.headers["Content-Type"] == "application/json"
    assert found["registered"] == len(found["registrations"])
    nfs = found["registrations"][-1]
    assert (nfs["name"], nfs["version"], nfs["address"]) == ("nfs", 3, "0.0.0.0.8.1")


@pytest.mark.parametrize("path", PAGE_FILES)
def test_page_files_are_served_with_their_type(tmp_path: Path, path: str) -> None:
    reply = fetched(tmp_path, path)

    assert reply.status == 200
    assert (reply.body, reply.headers["Content-Type"]) == PAGE_FILES[path]


class Parts(HTMLParser):
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
    parts = Parts()
    parts.feed((PAGE / "index.html").read_text())

    served = {*PAGE_FILES, "/metrics", "/healthz", "/api/registrations"}
    assert {place for place in parts.places if place[0] != "#"} <= served
    assert parts.inline == []


@pytest.mark.parametrize("path", ["/page.js", "/live.js", "/rows.js", "/chart.js", "/table.js"])
def test_scripts_never_make_markup_of_data(path: str) -> None:
    text = PAGE_FILES[path].body.decode()

    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in text


def test_configured_host_name_is_accepted_after_reload(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("")
    policy.chmod(0o600)

    async def scenario() -> tuple[int, int]:
        async with showing(tmp_path, file=str(policy)) as made:
            before = await fetch(made, "/healthz", Host="map.example.org:9111")
            policy.write_text('[web]\nnames = ["map.example.org"]\n')
            made.reread()
            after = await fetch(made, "/healthz", Host="map.example.org:9111")
            return before.status, after.status

    assert run(scenario()) == (421, 200)


def test_changed_listen_address_warns_of_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = tmp_path / "policy"
    policy.write_text("")
    policy.chmod(0o600)

    async def scenario() -> None:
        async with showing(tmp_path, file=str(policy)) as made:
            policy.write_text('[web]\nlisten = "127.0.0.1:9111"\n')
            made.reread()

    with caplog.at_level(logging.WARNING, "oncrpc.portmap.policy"):
        run(scenario())
    assert "web.listen changed; it takes effect at the next start" in caplog.text


LATER = """
import asyncio, sys, tempfile
from pathlib import Path
from support.web_serving import fetch, showing, watching

async def main(folder):
    async with showing(Path(folder)) as made:
        before = set(sys.modules)
        for path in ("/", "/metrics", "/healthz", "/api/registrations", "/nowhere"):
            await fetch(made, path)
        await fetch(made, "/", "POST")
        await fetch(made, "/", Host="evil.example")
        async with watching(made) as viewer:
            await viewer.next("registry")
            await viewer.next("rates")
        after = set(sys.modules)
    print(sorted(after - before))

with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
"""


@pytest.mark.slow
def test_requests_import_no_further_modules() -> None:
    """The user that the daemon becomes may not be able to read what it is made of."""
    tests = str(Path(__file__).parents[1])

    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": tests},
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_option_web_logs_the_address() -> None:
    with RunningDaemon("--no-state", "--web", "[::1]:0") as daemon:
        assert any("web pages on http://[::1]:" in line for line in daemon.lines)
        assert daemon.answers()
