"""The handover from one image to the next: written, and read by the right process only."""

from __future__ import annotations

import os
from contextlib import ExitStack

import msgspec
import pytest

from oncrpc.daemon import handover
from oncrpc.daemon.activation import Passed
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.handover import VARIABLE, Handover, KeptConnection, received


def left(made: Handover) -> dict[str, str]:
    """The environment of an image that receives this handover."""
    return {VARIABLE: str(handover.write(made)), "HOME": "/"}


def test_everything_arrives_and_is_asked_for_once() -> None:
    with ExitStack() as opened:
        one, two, three, four = (opened.enter_context(open(os.devnull, "rb")) for _ in range(4))
        for each in (one, three, four):
            os.set_inheritable(each.fileno(), True)
        made = Handover(
            pid=os.getpid(),
            image=3,
            events=7,
            folder="/srv",
            locks=[one.fileno()],
            sockets=[Passed(two.fileno(), foreign=True)],
            connections=[KeptConnection(three.fileno(), "tcp", b"\0\xff", b"\x80" * 5, 1.5, 2.5)],
            left=msgspec.Raw(b'{"registrations":[[100003,3]]}'),
            state="/run/portmap",
            web=three.fileno(),
            kept=[four.fileno()],
        )
        environ = left(made)

        assert received(environ) == made

        assert environ == {"HOME": "/"}
        assert not os.get_inheritable(one.fileno())
        assert not os.get_inheritable(three.fileno())
        assert not os.get_inheritable(four.fileno())


def test_handover_for_another_process_is_ignored() -> None:
    assert received(left(Handover(pid=1))) is None


def test_without_the_variable_nothing_is_received() -> None:
    assert received({}) is None
    assert received({VARIABLE: "check"}) is None


def test_unknown_fields_are_ignored_missing_get_defaults() -> None:
    memory = os.memfd_create("test")
    os.write(memory, msgspec.json.encode({"pid": os.getpid(), "colour": "green"}))

    assert received({VARIABLE: str(memory)}) == Handover(pid=os.getpid())


@pytest.mark.parametrize("text", [b"", b"junk", b'{"pid": "many"}'])
def test_unreadable_handover_is_one_line(text: bytes) -> None:
    memory = os.memfd_create("test")
    os.write(memory, text)

    with pytest.raises(StartError, match="cannot read what the former image left: "):
        received({VARIABLE: str(memory)})


def test_closed_descriptor_is_one_line() -> None:
    with pytest.raises(StartError, match=r"cannot read .*: .*Bad file descriptor"):
        received({VARIABLE: "987654"})


def test_unused_descriptors_are_closed() -> None:
    used, unused = os.pipe()

    handover.close_unused(Handover(os.getpid(), kept=[used, unused]), [used])

    os.close(used)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(unused)
