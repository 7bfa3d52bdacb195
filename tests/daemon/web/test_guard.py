"""Which hosts are known, and who asks."""

from __future__ import annotations

import pytest

from oncrpc.daemon.web.guard import asked_by_others, is_known


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
def test_the_address_that_was_asked_and_names_are_known(host: str, here: str) -> None:
    assert is_known(host, here=here, names=("metrics.example.org",))


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "127.0.0.2", "127.0.0.1.evil.example", "localhost.evil.example",
        "localhost:port", "127.0.0.1:", "[127.0.0.1", "a b", "localhost, evil.example",
        "2130706433", "localhost@evil.example", "metrics.example.org\u3002",
    ],
)  # fmt: skip
def test_other_hosts_are_not(host: str) -> None:
    assert not is_known(host, here="127.0.0.1", names=("metrics.example.org",))


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
def test_other_sites_pages_are_told_from_people(
    site: str, mode: str, dest: str, others: bool
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}

    assert asked_by_others(headers) is others


def test_what_is_no_browser_says_nothing_of_sites() -> None:
    assert not asked_by_others({})
