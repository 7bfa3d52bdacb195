"""Where a configuration comes from: options over an environment variable over a file.

This is the one place that reads the configuration. A ``ConfigSource`` keeps the options, so that
reading the file again at SIGHUP gives what a restart would give.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import structs

from oncrpc.daemon.config.read import Schema, toml_of
from oncrpc.daemon.config.tables import MATTERS, Config
from oncrpc.daemon.config.values import ConfigError

C = TypeVar("C", bound=Config)

OPTION, DEFAULT = "option", "default"


class Layer(NamedTuple):
    """Values by key, ``daemon.port``, and where they are from: an option, a variable, a file."""

    name: str
    values: Mapping[str, Any]


class ConfigSettings(NamedTuple, Generic[C]):
    """A configuration as it was read.

    ``path`` is the file, ``sources`` says where each key is from; a missing key has its default.
    ``missing``: there is no such file.
    """

    config: C
    path: str
    sources: Mapping[str, str]
    missing: bool = False

    def source(self, key: str) -> str:
        """Where the value of a key is from."""
        return self.sources.get(key, DEFAULT)


class ConfigSource(Generic[C]):
    """The options of a daemon and of its environment, and its file; None is the default file."""

    def __init__(
        self, schema: Schema[C], layers: Sequence[Layer] = (), *, path: str | None = None
    ) -> None:
        self.schema, self.layers, self.path = schema, tuple(layers), path

    def read(self) -> ConfigSettings[C]:
        """Read the file, and put the options over it.

        Raises:
            ConfigError: the file cannot be read or is invalid.
        """
        path, text = self.schema.load_text(self.path)
        held = toml_of(text, path)
        self.schema.convert(held, path)  # mistakes of the file are reported with its name
        return self._settled(held, path)._replace(missing=not os.path.lexists(path))

    def without_file(self) -> ConfigSettings[C]:
        """The configuration of the options alone, for reporting that the file is invalid.

        Of options that contradict each other, which that report is about, it is the default.
        """
        path = self.path or self.schema.file
        try:
            return self._settled({}, path)
        except ConfigError:
            return ConfigSettings(self.schema.convert({}, path), path, {})

    def _settled(self, held: Mapping[str, Any], path: str) -> ConfigSettings[C]:
        values, sources = merged([*self.layers, Layer(path, _flat(held))])
        where = f"the options with {path}" if held else "the options"
        try:
            config = self.schema.convert(_nested(values), where)
        except ConfigError as error:
            if held:
                raise
            # The options alone have no tables.
            raise ConfigError(str(error).replace(": daemon: ", ": ", 1)) from None
        return ConfigSettings(config, path, sources)


def merged(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values in force, and the layer that each is from; the first layer is asked first."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, given in layers:
        fresh = {
            key: value for key, value in given.items() if sources.keys().isdisjoint(_matter(key))
        }
        values |= fresh
        sources |= {key: name for found in fresh for key in _matter(found)}
    return values, sources


def changed(started: Config, read: Config) -> list[str]:
    """The keys that are only read at the start and differ."""
    old, new = started.daemon, read.daemon
    found = [
        f"daemon.{name.replace('_', '-')}"
        for name in old.__struct_fields__
        if getattr(old, name) != getattr(new, name)
    ]
    return found + [
        f"{table}.{key}"
        for table, key in started.at_start
        if getattr(getattr(started, table), key) != getattr(getattr(read, table), key)
    ]


def as_started(started: C, read: C) -> C:
    """What was read, but the keys that are only read at the start have their first values."""
    kept = structs.replace(read, daemon=started.daemon)
    for table, key in started.at_start:
        value = getattr(getattr(started, table), key)
        changed_table = structs.replace(getattr(kept, table), **{key: value})
        kept = structs.replace(kept, **{table: changed_table})
    return kept


def _matter(key: str) -> tuple[str, ...]:
    return next((matter for matter in MATTERS if key in matter), (key,))


def _flat(held: Mapping[str, Any]) -> dict[str, Any]:
    """Tables as ``table.key``."""
    found: dict[str, Any] = {}
    for name, value in held.items():
        inner = value if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner.items()}
    return found


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """``table.key`` as tables."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        table, dot, key = path.partition(".")
        if dot:
            found.setdefault(table, {})[key] = value
        else:
            found[path] = value
    return found


__all__ = ["OPTION", "ConfigError", "Layer", "ConfigSettings", "ConfigSource", "changed", "merged"]
