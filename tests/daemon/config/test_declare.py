"""One declaration of a key gives the file, the option, and their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.cli.daemon_options import Command, given, options_of
from oncrpc.daemon.config.declare import HIDDEN, KeyOption, Table, declared, tables_of
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.source import DEFAULT, OPTION
from oncrpc.daemon.config.tables import Config, DaemonTable
from oncrpc.daemon.config.values import ConfigError, FilePath


class ClockTable(Table, frozen=True):
    interval: Annotated[
        int,
        Meta(ge=1, le=60, description="Seconds between two looks; {default} by default."),
        KeyOption("--interval", metavar="SECONDS", help="look this often, not every {default} s"),
    ] = 10


class Colour(str):
    """A colour of the clock."""


def colour_of(value: object) -> Colour:
    if value not in ("red", "blue"):
        raise ValueError(f"{value!r} is not a colour; write red or blue")
    return Colour(value)


class ClockDaemonTable(DaemonTable, frozen=True):
    local: Annotated[bool, HIDDEN] = False
    colours: Annotated[
        tuple[Colour, ...],
        Meta(description="Colours."),
        KeyOption("--colours", metavar="COLOURS", split=True, help="with commas"),
    ] = ()
    clocks: Annotated[
        tuple[FilePath, ...],
        Meta(description="Clocks."),
        KeyOption("clocks", metavar="CLOCK", help="look at this clock"),
    ] = ()


class ClockConfig(Config, frozen=True):
    daemon: ClockDaemonTable = ClockDaemonTable()
    clock: ClockTable = ClockTable()


SCHEMA = Schema(
    ClockConfig,
    file="/nonexistent/clockd.toml",
    vocabulary=Vocabulary(()),
    hooks={Colour: colour_of},
)
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


def test_hidden_key_is_neither_listed_nor_an_option() -> None:
    assert "daemon.local" not in {each.path for each in declared(ClockConfig)}
    assert "--local" not in options_of(COMMAND).format_help()
    with pytest.raises(ConfigError) as raised:
        SCHEMA.parse("[daemon]\nlocale = true", "file")
    assert ", local," not in str(raised.value)


def test_operands_and_split_options_are_lists() -> None:
    arguments = ["--colours", "red,blue", "/a", "b", "--colours", "red"]

    found = given(COMMAND, arguments, {}).source.read().config.daemon

    assert found.colours == ("red", "blue", "red")
    assert found.clocks == ("/a", f"{Path.cwd()}/b")
    assert given(COMMAND, [], {}).source.read().config.daemon.clocks == ()
    assert "CLOCK" not in options_of(COMMAND, operands=False).format_help()


def test_kinds_of_an_application_are_checked_everywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError, match=r"daemon\.colours\[0\]: 'green' is not a colour"):
        SCHEMA.parse('[daemon]\ncolours = ["green"]', "file")
    with pytest.raises(SystemExit):
        given(COMMAND, ["--colours", "red,green"], {})
    assert "'green' is not a colour" in capsys.readouterr().err
