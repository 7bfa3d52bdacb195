"""Known hosts, and requests by pages of other sites."""

from __future__ import annotations

import pytest

from oncrpc.daemon.web.guard import is_cross_site, is_known_host


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:9111", "127.0.0.1"),
        ("[::1]:9111", "::1"),
        ("[0::1]", "::1"),
        ("[fe80::1]", "fe80::1%lo"),
        ("localhost:8000", "127.0.0.1"),
        ("LOCALHOST", "::1"),
        ("metrics.example.org:80", "192.0.2.1"),
        ("Metrics.Example.org.", "192.0.2.1"),
    ],
)
def test_own_address_and_names_are_known(host: str, here: str) -> None:
    assert is_known_host(host, here=here, names=("metrics.example.org",))


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "127.0.0.2", "127.0.0.1.evil.example", "localhost.evil.example",
        "localhost:port", "127.0.0.1:", "[127.0.0.1", "a b", "localhost, evil.example",
        "2130706433", "localhost@evil.example", "metrics.example.org\u3002",
    ],
)  # fmt: skip
def test_other_hosts_are_unknown(host: str) -> None:
    assert not is_known_host(host, here="127.0.0.1", names=("metrics.example.org",))


@pytest.mark.parametrize(
    ("site", "mode", "dest", "others"),
    [
        ("same-origin", "cors", "empty", False),
        ("none", "navigate", "document", False),
        ("cross-site", "navigate", "document", False),
        ("cross-site", "navigate", "iframe", True),
        ("cross-site", "no-cors", "script", True),
        ("same-site", "cors", "empty", True),
    ],
)
def test_pages_of_other_sites_are_recognized(site: str, mode: str, dest: str, others: bool) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}

    assert is_cross_site(headers) is others


def test_requests_without_metadata_are_accepted() -> None:
    assert not is_cross_site({})
