"""Where a port mapper listens, as text."""

from __future__ import annotations

import pytest

from oncrpc.client.mapper_address import MapperAddress, mapper_from_environment
from oncrpc.errors import AddressError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("files.example", "files.example", 111),
        ("files.example:10111", "files.example", 10111),
        ("192.0.2.1:10111", "192.0.2.1", 10111),
        ("2001:db8::1", "2001:db8::1", 111),
        ("[2001:db8::1]", "2001:db8::1", 111),
        ("[2001:db8::1]:10111", "2001:db8::1", 10111),
        ("[fe80::1%eth0]:10111", "fe80::1%eth0", 10111),
        ("/run/mapper.sock", "/run/mapper.sock", 0),
        ("@/run/mapper.sock", "@/run/mapper.sock", 0),
    ],
)
def test_every_form_is_parsed(text: str, host: str, port: int) -> None:
    assert MapperAddress.parse(text) == (host, port)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "invalid address '': the host is missing"),
        (":10111", "invalid address ':10111': the host is missing"),
        ("host:", "invalid port '': must be 0 to 65535"),
        ("host:http", "invalid port 'http': must be 0 to 65535"),
        ("host:70000", "invalid port '70000': must be 0 to 65535"),
        ("host:0", "invalid port 0: must be 1 to 65535"),
        ("127.0.0.1 10111", "write HOST:PORT, [::1]:10111 for IPv6, or a path"),
        ("tcp://127.0.0.1:10111", "write HOST:PORT, [::1]:10111 for IPv6, or a path"),
        ("::1:10111", "write HOST:PORT, [::1]:10111 for IPv6, or a path"),
        ("run/mapper.sock", "write HOST:PORT, [::1]:10111 for IPv6, or a path"),
        ("[::1", "invalid address '[::1': write [IPv6 address]:port"),
        ("[::1]10111", "invalid address '[::1]10111': write [IPv6 address]:port"),
        ("[host]:10111", "invalid address '[host]:10111': write [IPv6 address]:port"),
    ],
)
def test_invalid_address_says_why(text: str, why: str) -> None:
    with pytest.raises(AddressError) as raised:
        MapperAddress.parse(text)

    assert str(raised.value) == f"invalid port mapper {text!r}: {why}"


def test_empty_environment_names_no_port_mapper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "")

    assert mapper_from_environment() is None
