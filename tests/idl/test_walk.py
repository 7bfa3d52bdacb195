"""Walking nodes that use one another."""

from __future__ import annotations

import pytest

from oncrpc.idl.walk import postorder

Parts = dict[str, list[str]]


def order(parts: Parts, *roots: str) -> str:
    return "".join(postorder(roots or list(parts), lambda name: parts[name]))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"a": [], "b": []}, "ab"),
        ({"a": ["b"], "b": []}, "ba"),
        ({"a": ["b", "c"], "b": ["c"], "c": []}, "cba"),
        ({"a": ["b"], "b": ["a"]}, "ba"),
        ({"a": ["a"]}, "a"),
        ({"a": ["c"], "b": ["c"], "c": []}, "cab"),
    ],
)
def test_parts_come_before_the_nodes_with_them(parts: Parts, expected: str) -> None:
    assert order(parts) == expected


def test_only_nodes_below_the_roots_are_walked() -> None:
    assert order({"a": ["b"], "b": [], "c": []}, "a") == "ba"


def test_a_circle_is_reported_with_its_path() -> None:
    parts = {"a": ["b"], "b": ["c"], "c": ["b"]}
    found: list[list[str]] = []

    list(postorder(["a"], lambda name: parts[name], circle=found.append))

    assert found == [["b", "c", "b"]]


def test_a_long_chain_is_walked_without_recursion() -> None:
    nodes = [[number] for number in range(10_000)]

    walked = list(postorder(nodes[:1], lambda node: nodes[node[0] + 1 : node[0] + 2]))

    assert walked == nodes[::-1]
