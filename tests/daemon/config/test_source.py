"""Layers of a configuration: options over a variable over a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.daemon.config.source import DEFAULT, OPTION, ConfigSource, Layer, changed, merged
from oncrpc.daemon.config.values import Address, ConfigError
from oncrpc.portmap.config import SCHEMA, PortmapConfig, PortmapDaemonTable

TOP = "option"


def test_first_layer_with_a_key_decides() -> None:
    found, sources = merged(
        [Layer(TOP, {"daemon.port": 1}), Layer("file", {"daemon.port": 2, "daemon.local": False})]
    )

    assert found == {"daemon.port": 1, "daemon.local": False}
    assert sources == {"daemon.port": TOP, "daemon.local": "file"}


def test_layer_hides_all_related_keys_below() -> None:
    above = Layer(TOP, {"daemon.bind": ("192.0.2.1",), "daemon.state": False})
    below = Layer("file", {"daemon.loopback": True, "daemon.state-dir": "/state"})

    found, sources = merged([above, below])

    assert found == above.values
    assert (sources["daemon.loopback"], sources["daemon.state-dir"]) == (TOP, TOP)


def written(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def test_options_hold_when_the_file_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "toml", "[rate]\nreplies = 5\n[liveness]\ninterval = 30\n")
    source = ConfigSource(SCHEMA, [Layer(OPTION, {"liveness.interval": 7})], path=path)
    assert source.read().config.liveness.interval == 7

    written(tmp_path / "toml", "[rate]\nreplies = 6\n[liveness]\ninterval = 40\n")
    again = source.read()

    assert (again.config.rate.replies, again.config.liveness.interval) == (6, 7)
    assert again.source("rate.replies") == path
    assert again.source("liveness.interval") == OPTION
    assert again.source("rate.burst") == DEFAULT


def test_a_hidden_mistake_of_the_file_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "toml", "[daemon]\nport = 65536\n")

    with pytest.raises(ConfigError, match=r"toml: daemon\.port: may be at most 65535"):
        ConfigSource(SCHEMA, [Layer(OPTION, {"daemon.port": 1})], path=path).read()


def test_options_hold_where_the_file_is_wrong(tmp_path: Path) -> None:
    source = ConfigSource(SCHEMA, [Layer(OPTION, {"daemon.port": 1})], path=str(tmp_path / "none"))

    assert source.without_file().config.daemon.port == 1


def test_contradicting_options_are_reported_as_options(tmp_path: Path) -> None:
    layer = Layer(OPTION, {"daemon.bind": ("192.0.2.1",), "daemon.loopback": True})
    path = written(tmp_path / "toml", "[daemon]\nport = 1\n")
    source = ConfigSource(SCHEMA, [layer], path=path)

    with pytest.raises(ConfigError, match=f"^the options with {path}: daemon: bind and loopback"):
        source.read()
    assert source.without_file().config.daemon.port == 111


def test_contradicting_options_have_no_table(tmp_path: Path) -> None:
    layer = Layer(OPTION, {"daemon.bind": ("192.0.2.1",), "daemon.loopback": True})
    source = ConfigSource(SCHEMA, [layer], path=written(tmp_path / "toml", ""))

    with pytest.raises(ConfigError, match=r"^the options: bind and loopback"):
        source.read()


def test_loopback_means_both_loopback_addresses() -> None:
    assert PortmapDaemonTable(loopback=True).hosts == ("127.0.0.1", "::1")
    assert PortmapDaemonTable(bind=(Address("192.0.2.1"),)).hosts == ("192.0.2.1",)
    assert PortmapDaemonTable().hosts == ()


def test_changed_keys_of_the_daemon_table_are_named() -> None:
    before = PortmapConfig(daemon=PortmapDaemonTable(port=1))
    after = PortmapConfig(daemon=PortmapDaemonTable(port=1, local=False, remote_calls=True))

    assert changed(before, after) == ["daemon.local", "daemon.remote-calls"]
