"""What a daemon starts with: which layer decides."""

from __future__ import annotations

import pytest

from oncrpc.daemon.config.layers import (
    Address,
    FilePath,
    Startup,
    changed,
    deciding,
    file_path_of,
    settled,
)

TOP, BELOW = "option", "file"


def test_the_topmost_layer_that_says_something_decides() -> None:
    layers = {TOP: Startup(port=1), BELOW: Startup(port=2, local=False)}

    assert settled(layers) == Startup(port=1, local=False)
    assert [deciding(name, layers) for name in ("port", "local", "user")] == [TOP, BELOW, None]


def test_a_layer_decides_a_matter_as_a_whole() -> None:
    below = Startup(loopback=True, state_dir=FilePath("/state"))
    layers = {TOP: Startup(bind=(Address("192.0.2.1"),), state=False), BELOW: below}

    assert settled(layers) == Startup(bind=(Address("192.0.2.1"),), state=False)
    assert (deciding("loopback", layers), deciding("state_dir", layers)) == (TOP, TOP)


def test_the_loopback_addresses_are_those_of_both_families() -> None:
    assert Startup(loopback=True).hosts == ("127.0.0.1", "::1")
    assert Startup(bind=(Address("192.0.2.1"),)).hosts == ("192.0.2.1",)
    assert Startup().hosts == ()


def test_what_a_file_says_differently_is_named_by_its_keys() -> None:
    before, after = Startup(port=1, local=True), Startup(port=1, remote_calls=True)

    assert changed(before, after) == ["daemon.local", "daemon.remote-calls"]


@pytest.mark.parametrize("value", [5, "", "relative", "/a\0b", "/\ud800"])
def test_a_path_is_whole_and_can_be_asked_for(value: object) -> None:
    with pytest.raises(ValueError, match="is no whole path; write one that begins with /"):
        file_path_of(value)
