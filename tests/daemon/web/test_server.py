"""The web pages over HTTP: what is answered, to whom, and what is bounded."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from oncrpc.daemon.web import server
from oncrpc.daemon.web.server import FILES, HEADERS, MAX_CONNECTIONS, MAX_LINE, STATIC
from oncrpc.programs.rpcb import rpcb
from support.loops import LOOPS, run
from support.running import RunningDaemon
from support.web_serving import Reply, address_of, asked, fetch, request, showing


def fetched(tmp_path: Path, path: str, method: str = "GET", **headers: str) -> Reply:
    """What a daemon answers to a request."""

    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            return await fetch(made, path, method, **headers)

    return run(scenario())


def test_a_daemon_that_is_well_says_ok(tmp_path: Path) -> None:
    reply = fetched(tmp_path, "/healthz")

    assert (reply.status, reply.body) == (200, b"ok\n")


def test_one_that_is_not_says_why(tmp_path: Path) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            made.ended.set()
            return await fetch(made, "/healthz")

    assert run(scenario())[::2] == (503, b"the daemon is ending\n")


def test_the_registrations_are_json(tmp_path: Path) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            made.registry.set(rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser"))
            return await fetch(made, "/api/registrations")

    reply = run(scenario())
    found = json.loads(reply.body)
    assert reply.headers["Content-Type"] == "application/json"
    assert found["registered"] == len(found["registrations"])
    nfs = found["registrations"][-1]
    assert (nfs["name"], nfs["version"], nfs["address"]) == ("nfs", 3, "0.0.0.0.8.1")


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_the_page_is_served_with_its_type(tmp_path: Path, path: str) -> None:
    reply = fetched(tmp_path, path)

    assert reply.status == 200
    assert (reply.body, reply.headers["Content-Type"]) == FILES[path]


def test_every_answer_ends_the_connection_and_has_the_headers(tmp_path: Path) -> None:
    for path in ("/", "/nowhere"):
        headers = fetched(tmp_path, path).headers
        assert headers.items() >= HEADERS.items()
        assert headers["Connection"] == "close"
        assert "Set-Cookie" not in headers


def test_the_policy_lets_nothing_be_loaded_from_elsewhere_nor_inline() -> None:
    policy = HEADERS["Content-Security-Policy"]

    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


class Parts(HTMLParser):
    """What a page refers to, and what of it is inline."""

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


def test_the_page_is_made_of_what_is_served_here_and_has_nothing_inline() -> None:
    parts = Parts()
    parts.feed((STATIC / "index.html").read_text())

    served = {*FILES, "/metrics", "/healthz", "/api/registrations"}
    assert {place for place in parts.places if place[0] != "#"} <= served
    assert parts.inline == []


@pytest.mark.parametrize("name", ["page.js", "chart.js"])
def test_what_comes_from_the_network_becomes_text_only(name: str) -> None:
    text = (STATIC / name).read_text()

    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in text


@pytest.mark.parametrize("path", ["/nowhere", "/../pyproject.toml", "//", "/uplot/", "/%2e%2e/"])
def test_there_is_nothing_else(tmp_path: Path, path: str) -> None:
    assert fetched(tmp_path, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"])
def test_nothing_but_reading_is_done(tmp_path: Path, method: str) -> None:
    reply = fetched(tmp_path, "/metrics", method)

    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/events"])
def test_head_has_no_body(tmp_path: Path, path: str) -> None:
    reply = fetched(tmp_path, path, "HEAD")

    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
    ],
)
def test_names_that_do_not_lead_here_and_other_sites_are_refused(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    assert fetched(tmp_path, "/api/registrations", **headers).status == status


def test_a_name_of_the_policy_is_known_once_it_is_read_again(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("")
    policy.chmod(0o600)

    async def scenario() -> tuple[int, int]:
        async with showing(tmp_path, policy=str(policy)) as made:
            before = await fetch(made, "/healthz", Host="map.example.org:9111")
            policy.write_text('[web]\nnames = ["map.example.org"]\n')
            made.reread()
            after = await fetch(made, "/healthz", Host="map.example.org:9111")
            return before.status, after.status

    assert run(scenario()) == (421, 200)


def test_another_address_in_the_policy_is_for_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = tmp_path / "policy"
    policy.write_text("")
    policy.chmod(0o600)

    async def scenario() -> None:
        async with showing(tmp_path, policy=str(policy)) as made:
            policy.write_text('[web]\nlisten = "127.0.0.1:9111"\n')
            made.reread()

    with caplog.at_level(logging.WARNING, "oncrpc.portmap.policy"):
        run(scenario())
    assert "web.listen holds when the daemon is started again" in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        b"junk\r\n\r\n",
        b"GET /" + b"x" * (MAX_LINE + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        request("/", Cookie="x" * (MAX_LINE + 1)),
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(1000)) + b"\r\n",
    ],
)
def test_what_is_no_request_or_too_long_is_refused_without_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            caplog.clear()
            return await asked(made, sent)

    with caplog.at_level(logging.INFO):
        reply = run(scenario())
    assert (reply.status, reply.body) == (400, b"bad request\n")
    assert reply.headers.items() >= HEADERS.items()
    assert [each.message for each in caplog.records if each.levelno > logging.INFO] == []


def test_a_body_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario() -> Reply:
        async with showing(tmp_path) as made:
            return await asked(made, request("/healthz", Content_Length="1000000"))

    assert run(scenario()).status == 200


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether a connection is ended, with nothing said."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_who_asks_for_nothing_is_not_waited_for_and_whoever_watches_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.02)

    async def scenario() -> None:
        async with showing(tmp_path) as made:
            watching, watcher = await asyncio.open_connection(*address_of(made))
            watcher.write(request("/api/events"))
            await watching.readuntil(b"\r\n\r\n")
            silent, writer = await asyncio.open_connection(*address_of(made))
            writer.write(b"GET / HT")
            assert await ended(silent)
            assert not watching.at_eof()
            watcher.close()
            writer.close()

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_more_connections_than_so_many_are_ended_and_then_there_is_room(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made:
            held = [
                (await asyncio.open_connection(*address_of(made)))[1]
                for _ in range(MAX_CONNECTIONS)
            ]
            reader, writer = await asyncio.open_connection(*address_of(made))
            assert await ended(reader)
            writer.close()
            for each in held:
                each.close()
                await each.wait_closed()
            while True:
                try:
                    reply = await fetch(made, "/healthz")
                    break
                except (ConnectionResetError, ValueError, IndexError):
                    await asyncio.sleep(0)
            assert reply.status == 200

    run(scenario(), on=loop)


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
def test_nothing_is_loaded_once_requests_are_answered() -> None:
    """The user that the daemon becomes may not be able to read what it is made of."""
    tests = str(Path(__file__).parents[2])

    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": tests},
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_the_option_serves_them_and_says_where() -> None:
    with RunningDaemon("--no-state", "--web", "[::1]:0") as daemon:
        assert any("web pages on http://[::1]:" in line for line in daemon.lines)
        assert daemon.answers()
