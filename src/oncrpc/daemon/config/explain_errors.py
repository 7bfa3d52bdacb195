"""All that is wrong with a policy file, not only what is found first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oncrpc.access.rules import ALLOW
from oncrpc.daemon.config.read import PolicyError, policy_of, toml_of

RULE = "rule"


def faults(text: str, path: str) -> list[str]:
    """A line for each key, table or rule that is wrong; none if the text is a policy."""
    try:
        held = toml_of(text, path)
    except PolicyError as error:
        return [str(error)]
    whole = _fault(held, path)
    return list(_parts(held, path)) or ([whole] if whole else [])


def _fault(held: dict[str, Any], path: str) -> str:
    try:
        policy_of(held, path)
    except PolicyError as error:
        return str(error)
    return ""


def _parts(held: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in held.items():
        if key == RULE and isinstance(value, list):
            yield from _rules(value, path)
        elif isinstance(value, dict):
            yield from _keys(key, value, path)
        elif fault := _fault({key: value}, path):
            yield fault


def _keys(name: str, table: dict[str, Any], path: str) -> Iterator[str]:
    """What is wrong with each key; if nothing is, with the table as a whole."""
    found = [_fault({name: {key: value}}, path) for key, value in table.items()]
    wrong = list(dict.fromkeys(filter(None, found)))
    whole = "" if wrong else _fault({name: table}, path)
    yield from wrong or filter(None, [whole])


def _rules(rules: list[Any], path: str) -> Iterator[str]:
    """Each rule is looked at as if it were the only one, and is told by its number."""
    for number, rule in enumerate(rules):
        for fault in _of_rule(rule, path):
            yield fault.replace(f"{path}: {RULE}[0]", f"{path}: {RULE}[{number}]", 1)


def _of_rule(rule: Any, path: str) -> Iterator[str]:
    pieces = [{"then": ALLOW, key: value} for key, value in rule.items()] if _is_table(rule) else []
    wrong = [fault for piece in pieces if (fault := _fault({RULE: [piece]}, path))]
    if _is_table(rule) and "then" not in rule:
        wrong += filter(None, [_fault({RULE: [{}]}, path)])
    yield from wrong or filter(None, [_fault({RULE: [rule]}, path)])


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)
