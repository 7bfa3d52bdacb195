"""The socket of the web server, and the errors if it cannot be opened."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys

import pytest

from oncrpc.daemon.config.values import StartError, web_address_of
from oncrpc.daemon.web import open as place
from oncrpc.daemon.web.open import load, opened

ANY = web_address_of("127.0.0.1:0")


def test_without_an_address_nothing_is_opened() -> None:
    assert opened(None) is None


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:0"])
def test_socket_listens_at_the_address(text: str) -> None:
    made = opened(web_address_of(text))

    assert made is not None
    with made, socket.create_connection(made.getsockname()[:2]):
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        there = web_address_of(f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StartError, match=r"cannot serve web pages on \S+: in use; choose"):
            opened(there)


def test_foreign_address_is_one_line() -> None:
    with pytest.raises(StartError, match="this host has no such address"):
        opened(web_address_of("192.0.2.1:0"))


def test_missing_package_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="aiohttp.web")

    monkeypatch.setattr(place, "import_module", missing)

    with pytest.raises(StartError, match=r"need aiohttp.web, .* pip install 'oncrpc\[web\]'"):
        opened(ANY)


def test_missing_module_of_ours_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(place, "import_module", missing)

    with pytest.raises(ModuleNotFoundError):
        load()


def test_socket_of_an_earlier_image_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        port = former.getsockname()[1]
        kept = opened(web_address_of(f"127.0.0.1:{port}"), former.detach())

    assert kept is not None
    with kept:
        assert kept.getsockname()[1] == port


def test_unwanted_socket_of_an_earlier_image_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        there = former.getsockname()
        assert opened(None, former.detach()) is None

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(there)


def test_address_open_to_others_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oncrpc.daemon.web"):
        made = opened(web_address_of("0.0.0.0:0"))

    assert made is not None
    made.close()
    assert "can be read by everybody who can reach that address" in caplog.text


LOADED = """
import sys
from oncrpc.cli import portmap
assert not {"aiohttp", "prometheus_client"} & set(sys.modules)
"""


@pytest.mark.slow
def test_without_web_no_web_package_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], stderr=subprocess.PIPE, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
