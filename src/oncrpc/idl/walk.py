"""Walking declarations that use one another: without recursion, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

N = TypeVar("N")


def postorder(
    roots: Iterable[N],
    parts: Callable[[N], Iterable[N]],
    *,
    circle: Callable[[list[N]], None] | None = None,
) -> Iterator[N]:
    """Each node after its parts, except for a part that it is itself within.

    ``circle`` is given the path of such a part, which begins and ends with it.
    """
    done: set[int] = set()
    for root in roots:
        open_nodes: dict[int, N] = {id(root): root} if id(root) not in done else {}
        waiting = [(root, iter(parts(root)))] if open_nodes else []
        while waiting:
            node, rest = waiting[-1]
            part = next((each for each in rest if id(each) not in done), None)
            if part is None:
                waiting.pop()
                del open_nodes[id(node)]
                done.add(id(node))
                yield node
            elif id(part) not in open_nodes:
                open_nodes[id(part)] = part
                waiting.append((part, iter(parts(part))))
            elif circle is not None:
                path = list(open_nodes.values())
                circle([*path[list(open_nodes).index(id(part)) :], part])
