"""The web server: responses, refusals and limits."""

from __future__ import annotations

import logging

import pytest

from oncrpc.daemon.web.server import HEADERS, MAX_HEADER_LINE
from support.loops import run
from support.web_serving import Reply, SomeContent, asked, fetch, request, served


def fetched(path: str, method: str = "GET", **headers: str) -> Reply:
    """The response of a server with some content."""

    async def scenario() -> Reply:
        async with served() as place:
            return await fetch(place, path, method, **headers)

    return run(scenario())


def test_healthy_daemon_is_ok() -> None:
    reply = fetched("/healthz")

    assert (reply.status, reply.body) == (200, b"ok\n")


def test_faults_are_listed() -> None:
    async def scenario() -> Reply:
        async with served(SomeContent(wrong=["no disk", "no time"])) as place:
            return await fetch(place, "/healthz")

    assert run(scenario())[::2] == (503, b"no disk; no time\n")


def test_routes_are_json() -> None:
    reply = fetched("/api/nothing")

    assert (reply.body, reply.headers["Content-Type"]) == (b"{}", "application/json")


def test_without_events_the_stream_is_missing() -> None:
    async def scenario() -> Reply:
        async with served(SomeContent(events=None)) as place:
            return await fetch(place, "/api/events")

    assert run(scenario()).status == 404


def test_host_names_may_change() -> None:
    content = SomeContent()

    async def scenario() -> tuple[int, int]:
        async with served(content) as place:
            before = await fetch(place, "/healthz", Host="map.example.org:9111")
            content.names.append("map.example.org")
            after = await fetch(place, "/healthz", Host="map.example.org:9111")
            return before.status, after.status

    assert run(scenario()) == (421, 200)


def test_responses_close_the_connection_and_have_security_headers() -> None:
    for path in ("/", "/nowhere"):
        headers = fetched(path).headers
        assert headers.items() >= HEADERS.items()
        assert headers["Connection"] == "close"
        assert "Set-Cookie" not in headers


def test_security_policy_allows_nothing_inline_or_foreign() -> None:
    policy = HEADERS["Content-Security-Policy"]

    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/nowhere", "/../pyproject.toml", "//", "/uplot/", "/%2e%2e/"])
def test_unknown_paths_are_not_found(path: str) -> None:
    assert fetched(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"])
def test_methods_that_write_are_rejected(method: str) -> None:
    reply = fetched("/metrics", method)

    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/events"])
def test_head_has_no_body(path: str) -> None:
    reply = fetched(path, "HEAD")

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
def test_other_hosts_and_sites_are_refused(headers: dict[str, str], status: int) -> None:
    assert fetched("/api/nothing", **headers).status == status


@pytest.mark.parametrize(
    "sent",
    [
        b"junk\r\n\r\n",
        b"GET /" + b"x" * (MAX_HEADER_LINE + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        request("/", Cookie="x" * (MAX_HEADER_LINE + 1)),
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(1000)) + b"\r\n",
    ],
)
def test_invalid_requests_are_rejected_and_not_logged(
    caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    async def scenario() -> Reply:
        async with served() as place:
            caplog.clear()
            return await asked(place, sent)

    with caplog.at_level(logging.INFO):
        reply = run(scenario())
    assert (reply.status, reply.body) == (400, b"bad request\n")
    assert reply.headers.items() >= HEADERS.items()
    assert [each.message for each in caplog.records if each.levelno > logging.INFO] == []


def test_request_with_a_body_is_refused() -> None:
    async def scenario() -> Reply:
        async with served() as place:
            return await asked(place, request("/healthz", Content_Length="1000000"))

    assert run(scenario()).status == 400
