"""The places of web pages, and the names of hosts."""

from __future__ import annotations

import pytest

from oncrpc.daemon.config.values import (
    file_path_of,
    file_path_or_url_of,
    host_name_of,
    is_url,
    web_address_of,
    without_passwords,
)


@pytest.mark.parametrize(
    ("text", "shown", "port"),
    [
        ("127.0.0.1:9111", "127.0.0.1:9111", 9111),
        ("[::1]:80", "[::1]:80", 80),
        ("[0:0::1]:0080", "[::1]:80", 80),
        ("0.0.0.0:0", "0.0.0.0:0", 0),
    ],
)
def test_a_place_has_one_form(text: str, shown: str, port: int) -> None:
    place = web_address_of(text)

    assert (place, place.port) == (shown, port)


@pytest.mark.parametrize(
    "value",
    [
        "", "9111", ":9111", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
        "127.0.0.1:-1", "localhost:9111", "::1:9111", "[127.0.0.1]:9111", "[::1]", "[fe80::1%lo]:1",
        "127.0.0.1:\u0661", 9111, True, None,
    ],
)  # fmt: skip
def test_invalid_web_address_error_shows_the_form(value: object) -> None:
    with pytest.raises(ValueError, match=r"not an address with a port; write ADDRESS:PORT"):
        web_address_of(value)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Metrics.Example.org.", "metrics.example.org"), ("host-1", "host-1")],
)
def test_a_name_is_in_small_letters(text: str, name: str) -> None:
    assert host_name_of(text) == name


@pytest.mark.parametrize("value", ["", "a..b", "a:80", "a b", "http://a", "b\u00fccher", "-", 1])
def test_invalid_host_name_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        host_name_of(value)


@pytest.mark.parametrize("value", [5, "", "relative", "/a\0b", "/\ud800"])
def test_a_path_is_absolute_and_usable(value: object) -> None:
    with pytest.raises(ValueError, match="is not an absolute path; write one that begins with /"):
        file_path_of(value)


@pytest.mark.parametrize("text", ["/srv", "s3://bucket", "a::b+c://", "file:///srv"])
def test_a_path_or_url_is_kept(text: str) -> None:
    assert file_path_or_url_of(text) == text
    assert is_url(text) is ("://" in text)


@pytest.mark.parametrize("text", ["srv", "", "://x", "3s://x"])
def test_relative_path_or_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an absolute path"):
        file_path_or_url_of(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:hush@host:80/a", "http://host:80/a"),
        ("cannot open 'sftp://u:hu@sh@host'.", "cannot open 'sftp://host'."),
        ("KEY:hush@bucket/a", "bucket/a"),
        ("https://host:443/a@b", "https://host:443/a@b"),
    ],
)
def test_passwords_of_urls_are_left_out(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
