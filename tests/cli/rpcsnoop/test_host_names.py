"""``oncrpc.cli.rpcsnoop.host_names``: names of addresses, without waiting."""

from __future__ import annotations

import threading
from pathlib import Path
from threading import Event

import pytest

from oncrpc.cli.rpcsnoop.host_names import THREAD, HostNames, resolved

HOSTS = """
# a comment
192.0.2.1  server server.example  # another
192.0.2.1  second
2001:0db8::0001 six
not-an-address name
192.0.2.3
192.0.2.4  evil\x1b[2J
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return path


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "server"),
        ("2001:db8::1", "six"),
        ("192.0.2.3", "192.0.2.3"),
        ("192.0.2.4", "evil\\x1b[2J"),
    ],
)
def test_hosts_file_has_names_at_once(hosts: Path, address: str, name: str) -> None:
    assert HostNames(hosts=hosts, resolve=lambda _: None)(address) == name


def test_lookup_does_not_delay_a_line(tmp_path: Path) -> None:
    asked, go_on = Event(), Event()

    def resolve(_: str) -> str | None:
        asked.set()
        go_on.wait(10)
        return "found"

    names = HostNames(hosts=tmp_path / "missing", resolve=resolve)

    assert names("192.0.2.8") == "192.0.2.8"
    assert asked.wait(10)
    assert names("192.0.2.8") == "192.0.2.8"
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(10)
    assert names("192.0.2.8") == "found"


def test_only_addresses_are_looked_up() -> None:
    assert resolved("local") is None
