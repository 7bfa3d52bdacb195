"""Messages between processes, with descriptors."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.nfs.workers.channel import WorkerChannel
from support.loops import run, until


class Ends:
    """Both ends of a channel in one process, and what has arrived at the second one."""

    def __init__(self) -> None:
        one, two = socket.socketpair()
        self.messages: list[tuple[bytes, int | None]] = []
        self.lost: list[str] = []
        self.one = WorkerChannel(one, self._unexpected, lambda: self.lost.append("one"))
        self.two = WorkerChannel(two, self._received, lambda: self.lost.append("two"))

    def _received(self, message: bytes, descriptor: int | None) -> None:
        self.messages.append((message, descriptor))

    def _unexpected(self, message: bytes, descriptor: int | None) -> None:
        raise AssertionError(message)


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    yield made
    made.one.close()
    made.two.close()
    for _, descriptor in made.messages:
        if descriptor is not None:
            os.close(descriptor)


def test_messages_arrive_whole_and_in_order() -> None:
    async def scenario() -> None:
        async with ends() as made:
            sent = [bytes([number]) * (number << 14) for number in range(40)]
            for message in sent:
                made.one.send(message)

            await until(lambda: len(made.messages) == len(sent))

            assert [message for message, _ in made.messages] == sent

    run(scenario())


def test_each_descriptor_arrives_with_its_message() -> None:
    async def scenario() -> None:
        async with ends() as made:
            for number in range(50):
                reading, writing = os.pipe()
                os.write(writing, bytes([number]))
                os.close(writing)
                made.one.send(bytes([number]) * 20_000, reading)
                made.one.send(b"plain")

            await until(lambda: len(made.messages) == 100)

            for number, (message, descriptor) in enumerate(made.messages[::2]):
                assert descriptor is not None
                assert os.read(descriptor, 2) == message[:1] == bytes([number])
            assert {descriptor for _, descriptor in made.messages[1::2]} == {None}

    run(scenario())


def test_sent_descriptor_is_closed_here() -> None:
    async def scenario() -> None:
        async with ends() as made:
            reading, writing = os.pipe()
            made.one.send(b"", writing)
            await until(lambda: bool(made.messages))
            [(_, copy)] = made.messages
            assert copy is not None

            os.close(copy)
            made.messages.clear()

            assert os.read(reading, 1) == b"", "no writer is left"
            os.close(reading)

    run(scenario())


def test_end_of_the_peer_is_reported_once() -> None:
    async def scenario() -> None:
        async with ends() as made:
            made.one.close()

            await until(lambda: bool(made.lost))
            made.two.send(b"too late")
            await asyncio.sleep(0)

            assert made.lost == ["two"]

    run(scenario())
