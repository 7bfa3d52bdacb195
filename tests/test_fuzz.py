"""The fuzzers find planted errors, and earlier finds stay fixed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "tests" / "corpus"
NAMES = (
    "datagrams", "records", "state_files", "hosts_files", "policy_files", "interfaces", "mounts",
    "nfs_calls", "exports_files", "acl_calls", "quota_calls", "status_calls", "lock_calls",
    "captures", "message_words", "explanations",
)  # fmt: skip
SEED, INPUTS = 1833, 30


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes the package of fuzzers, beside the tests, importable."""
    monkeypatch.syspath_prepend(ROOT)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fuzz"]:
        del sys.modules[name]


def driver() -> Any:
    return importlib.import_module("fuzz.driver")


def target(name: str) -> Any:
    return importlib.import_module(f"fuzz.{name}").TARGET


def target_of(run: Callable[[bytes], None]) -> Any:
    """A target whose input is any bytes."""
    return driver().Target("example", lambda source: source.randbytes(source.randrange(60)), run)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_some_made_up_input_does_nothing_undeclared(name: str) -> None:
    found = driver().search(target(name), SEED, seconds=60, inputs=INPUTS)

    assert found == INPUTS


@pytest.mark.parametrize("name", NAMES)
def test_earlier_finds_stay_fixed(name: str) -> None:
    found = [driver().attempt(target(name), path.read_bytes()) for path in driver().kept(name)]

    assert [each for each in found if each is not None] == []


def test_every_find_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.glob("*/")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_is_made_twice_alike(name: str) -> None:
    made = [driver().made(target(name), SEED, number) for number in range(10)]

    assert [driver().made(target(name), SEED, number) for number in range(10)] == made
    assert len(set(made)) > 5


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_an_input(name: str) -> None:
    source = Random(SEED)

    for size in (0, 1, 7, 40, 300):
        assert driver().attempt(target(name), source.randbytes(size)) is None


def test_find_is_reduced_while_it_still_fails(tmp_path: Path) -> None:
    def breaks(data: bytes) -> None:
        if b"\x07" in data:
            raise ZeroDivisionError

    found = driver().search(target_of(breaks), SEED, seconds=60)

    assert found.data == b"\x07"
    path = driver().keep(found, tmp_path)
    assert driver().kept("example", tmp_path) == [path]
    assert path.read_bytes() == b"\x07"


def test_logged_exception_is_a_find() -> None:
    def logs(_: bytes) -> None:
        import logging

        try:
            raise KeyError("bug")
        except KeyError as error:
            logging.getLogger("oncrpc.rpc").error("failed", exc_info=error)

    found = driver().attempt(target_of(logs), b"")

    assert "bug" in str(found.error)


def test_endless_input_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def circles(_: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr(driver(), "LONGEST", 0.05)

    assert isinstance(driver().attempt(target_of(circles), b"").error, driver().TooSlow)
