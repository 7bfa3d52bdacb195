"""One declaration of a key gives the file, the option, and their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.cli.daemon_options import Command, given, options_of
from oncrpc.daemon.config.declare import KeyOption, Table, declared, tables_of
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.source import DEFAULT, OPTION
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import ConfigError


class ClockTable(Table, frozen=True):
    interval: Annotated[
        int,
        Meta(ge=1, le=60, description="Seconds between two looks; {default} by default."),
        KeyOption("--interval", metavar="SECONDS", help="look this often, not every {default} s"),
    ] = 10


class ClockConfig(Config, frozen=True):
    clock: ClockTable = ClockTable()


SCHEMA = Schema(ClockConfig, file="/nonexistent/clockd.toml", vocabulary=Vocabulary(()))
COMMAND = Command("clockd", SCHEMA, "Looks at the clock.")


def test_a_declared_key_has_path_default_and_texts() -> None:
    key = next(each for each in declared(ClockConfig) if each.path == "clock.interval")

    assert (key.item, key.default, key.many) == (int, 10, False)
    assert key.description == "Seconds between two looks; 10 by default."


def test_a_declared_key_has_an_option() -> None:
    assert "--interval SECONDS" in options_of(COMMAND).format_usage().replace("\n", " ")
    assert "look this often, not every 10 s" in " ".join(options_of(COMMAND).format_help().split())


@pytest.mark.parametrize(
    ("arguments", "environ", "value", "source"),
    [
        ([], {}, 10, DEFAULT),
        (["--interval", "5"], {}, 5, OPTION),
        ([], {"CLOCKD_OPTIONS": "--interval 7"}, 7, "CLOCKD_OPTIONS"),
        (["--interval", "5"], {"CLOCKD_OPTIONS": "--interval 7"}, 5, OPTION),
    ],
)
def test_a_declared_key_is_read_from_each_layer(
    arguments: list[str], environ: dict[str, str], value: int, source: str
) -> None:
    found = given(COMMAND, arguments, environ).source.read()

    assert (found.config.clock.interval, found.source("clock.interval")) == (value, source)


def test_a_declared_key_is_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "clockd.toml"
    path.write_text("[clock]\ninterval = 20\n")
    path.chmod(0o644)

    found = given(COMMAND, ["--config", str(path)], {}).source.read()

    assert (found.config.clock.interval, found.source("clock.interval")) == (20, str(path))


def test_bounds_hold_in_file_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"x: clock\.interval: may be at most 60"):
        SCHEMA.parse("[clock]\ninterval = 61\n", "x")
    with pytest.raises(SystemExit):
        given(COMMAND, ["--interval", "61"], {})

    assert "argument --interval: invalid seconds 61: must be 1 to 60" in capsys.readouterr().err


def test_tables_are_found_by_their_place() -> None:
    assert tables_of(ClockConfig)["clock"] is ClockTable
    assert tables_of(ClockConfig)[""] is ClockConfig
