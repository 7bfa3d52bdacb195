"""``oncrpc.nfs.nsm.learned``: addresses of watched names, looked up in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable

from oncrpc.nfs.background import NotNow
from oncrpc.nfs.nsm.learned import MAX_LOOKING_UP, LearnedNames
from support.loops import in_loop, until

ADDRESSES = {
    b"one": frozenset({"192.0.2.1", "2001:db8::1"}),
    b"two": frozenset({"192.0.2.1"}),
}


class Names:
    """A name service that counts, and can be stopped."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answers = threading.Event()
        self.answers.set()

    def look_up(self, name: bytes) -> frozenset[str]:
        self.asked.append(name)
        self.answers.wait(10)
        if name == b"later":
            raise NotNow
        return ADDRESSES.get(name, frozenset())


def has(learned: LearnedNames, host: str, *names: bytes) -> Callable[[], bool]:
    return lambda: set(learned.at(host)) == set(names)


@in_loop
async def test_names_are_known_by_address() -> None:
    learned = LearnedNames(Names().look_up)
    learned.start()

    for name in (b"one", b"two", b"none", b"later"):
        learned.learn(name)

    await until(has(learned, "192.0.2.1", b"one", b"two"))
    await until(has(learned, "2001:db8::1", b"one"))


@in_loop
async def test_names_wait_for_the_start() -> None:
    names = Names()
    learned = LearnedNames(names.look_up)
    learned.learn(b"one")
    learned.learn(b"one")
    assert names.asked == []

    learned.start()

    await until(has(learned, "192.0.2.1", b"one"))
    assert names.asked == [b"one"]


@in_loop
async def test_few_names_are_looked_up_at_once() -> None:
    names = Names()
    names.answers.clear()
    learned = LearnedNames(names.look_up)
    learned.start()
    for number in range(100):
        learned.learn(b"name-%d" % number)
    learned.learn(b"two")
    await until(lambda: len(names.asked) == MAX_LOOKING_UP)

    names.answers.set()

    await until(has(learned, "192.0.2.1", b"two"))
    assert len(names.asked) == 101


@in_loop
async def test_forgotten_name_has_no_address() -> None:
    names = Names()
    learned = LearnedNames(names.look_up)
    learned.start()
    learned.learn(b"one")
    learned.learn(b"two")
    await until(has(learned, "192.0.2.1", b"one", b"two"))

    learned.forget(b"one")
    learned.forget(b"unknown")

    assert has(learned, "192.0.2.1", b"two")()
    assert has(learned, "2001:db8::1")()


@in_loop
async def test_name_forgotten_meanwhile_is_not_learnt() -> None:
    names = Names()
    names.answers.clear()
    learned = LearnedNames(names.look_up)
    learned.start()
    learned.learn(b"one")

    learned.forget(b"one")
    names.answers.set()
    learned.learn(b"two")

    await until(has(learned, "192.0.2.1", b"two"))
    assert has(learned, "2001:db8::1")()
