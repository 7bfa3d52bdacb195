"""All mistakes of a configuration file, not only the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from oncrpc.access.rules import ALLOW
from oncrpc.daemon.config.read import Schema, toml_of
from oncrpc.daemon.config.values import ConfigError

RULE = "rule"


def faults(schema: Schema[Any], text: str, path: str) -> list[str]:
    """A line for each invalid key, table or rule; empty if the text is valid."""
    try:
        held = toml_of(text, path)
    except ConfigError as error:
        return [str(error)]
    return _Trials(schema, path).faults(held)


class _Trials:
    """Converts parts of a file, each as if it were the only one."""

    def __init__(self, schema: Schema[Any], path: str) -> None:
        self.schema, self.path = schema, path

    def faults(self, held: dict[str, Any]) -> list[str]:
        """The faults of the parts; if there are none, the fault of the whole."""
        whole = self._fault(held)
        return list(self._parts(held)) or ([whole] if whole else [])

    def _fault(self, held: Mapping[str, Any]) -> str:
        try:
            self.schema.convert(held, self.path)
        except ConfigError as error:
            return str(error)
        return ""

    def _parts(self, held: dict[str, Any]) -> Iterator[str]:
        for key, value in held.items():
            if key == RULE and isinstance(value, list):
                yield from self._rules(value)
            elif isinstance(value, dict):
                yield from self._keys(key, value)
            elif fault := self._fault({key: value}):
                yield fault

    def _keys(self, name: str, table: dict[str, Any]) -> Iterator[str]:
        """The faults of the keys; if there are none, that of the table."""
        found = [self._fault({name: {key: value}}) for key, value in table.items()]
        wrong = list(dict.fromkeys(filter(None, found)))
        yield from wrong or filter(None, [self._fault({name: table})])

    def _rules(self, rules: list[Any]) -> Iterator[str]:
        """Each rule alone; its number in the message is the one in the file."""
        for number, rule in enumerate(rules):
            for fault in self._of_rule(rule):
                place = f"{self.path}: {RULE}"
                yield fault.replace(f"{place}[0]", f"{place}[{number}]", 1)

    def _of_rule(self, rule: Any) -> Iterator[str]:
        pieces = [{"then": ALLOW, key: value} for key, value in _items(rule)]
        wrong = [fault for piece in pieces if (fault := self._fault({RULE: [piece]}))]
        if isinstance(rule, dict) and "then" not in rule:
            wrong += filter(None, [self._fault({RULE: [{}]})])
        yield from wrong or filter(None, [self._fault({RULE: [rule]})])


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
