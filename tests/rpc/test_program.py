"""Versions, procedures, clients and services as generated modules declare them."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc import rpc, sync
from oncrpc.errors import XdrError
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4
from oncrpc.rpc import (
    AUTH_NONE,
    AnyProcedure,
    Call,
    Caller,
    Flavor,
    Procedure,
    Version,
    idempotent,
    silent,
)
from oncrpc.rpc.program import is_idempotent, is_silent
from oncrpc.testing import MemoryLink
from oncrpc.xdr import UInt
from support.service import COUNTER, COUNTER_V3, COUNTER_V5, Counter
from support.words import words


class BARE(Version, prog=COUNTER, vers=7):
    """A version without a client."""

    ONE = Procedure[None](1, UInt)


def test_a_version_knows_its_numbers_and_procedures() -> None:
    assert (COUNTER_V3.prog, COUNTER_V3.vers) == (COUNTER, 3)
    assert COUNTER_V3.procedures == {
        0: COUNTER_V3.NULL,
        1: COUNTER_V3.ADD,
        2: COUNTER_V3.READ,
        3: COUNTER_V3.NAME,
    }
    assert COUNTER_V5.procedures.keys() == {0}


def test_client_and_service_know_their_version() -> None:
    assert COUNTER_V3.Client.version is COUNTER_V3
    assert Counter.version is COUNTER_V3
    assert COUNTER_V5.Service.version is COUNTER_V5


def test_a_procedure_knows_its_version_and_name() -> None:
    assert COUNTER_V3.ADD.version is COUNTER_V3
    assert repr(PMAP_VERS.PMAPPROC_DUMP) == "PMAP_VERS.PMAPPROC_DUMP"


@pytest.mark.parametrize(
    ("procedure", "arguments", "error"),
    [
        (COUNTER_V3.ADD, ("5",), "COUNTER_V3.ADD(arg): expected unsigned int, got str"),
        (COUNTER_V3.NAME, (-1, b""), "COUNTER_V3.NAME(number): -1 is out of range"),
        (COUNTER_V3.NAME, (1, "name"), "COUNTER_V3.NAME(name): expected bytes, got str"),
        (COUNTER_V3.NAME, (1, bytes(9)), "COUNTER_V3.NAME(name): 9 bytes, limit 8"),
        (PMAP_VERS.PMAPPROC_SET, (mapping(1, 2, 6, -1),),
         "PMAP_VERS.PMAPPROC_SET(arg.port): -1 is out of range"),
        (BARE.ONE, ("5",), "BARE.ONE(arg1): expected unsigned int, got str"),
    ],
)  # fmt: skip
def test_unencodable_argument_is_named_with_its_procedure(
    procedure: AnyProcedure, arguments: tuple[Any, ...], error: str
) -> None:
    with pytest.raises(XdrError) as raised:
        procedure.encode_arguments(arguments)

    assert str(raised.value) == error


def test_error_that_does_not_recur_is_raised() -> None:
    class Moody:
        """Is a number from the second time on."""

        asked = 0

        def __index__(self) -> int:
            self.asked += 1
            if self.asked < 3:
                raise OverflowError
            return 5

    with pytest.raises(XdrError, match=r"^unsigned int: expected unsigned int, got Moody$"):
        COUNTER_V3.ADD.encode_arguments((Moody(),))


@pytest.mark.parametrize("timeout", ["5", float("nan"), 0, -1])
def test_a_timeout_of_a_client_is_a_number(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^timeout is a number of seconds"):
        COUNTER_V3.Client(MemoryLink([])).with_options(timeout=timeout)


def test_versions_of_one_program_share_no_procedure() -> None:
    assert RPCBVERS4.procedures.keys() == set(range(13))
    assert PMAP_VERS.procedures.keys() == set(range(6))


def test_service_has_overridden_procedures_and_null() -> None:
    counter = Counter()

    assert counter.handlers() == {0: counter.NULL, 1: counter.ADD, 2: counter.READ}


def test_handler_may_come_from_another_base_class() -> None:
    class Adding:
        def ADD(self, call: Call, arg: int) -> int:
            return arg

    class Mixed(Adding, COUNTER_V3.Service):
        pass

    assert Mixed().handlers().keys() == {0, 1}


def test_a_handler_of_a_base_class_counts() -> None:
    class More(Counter):
        def NAME(self, call: Call, number: int, name: bytes) -> bytes:
            return name

    assert More().handlers().keys() == {0, 1, 2, 3}


def test_empty_service_has_the_null_procedure() -> None:
    service = COUNTER_V5.Service()

    assert service.handlers() == {0: service.NULL}


def test_marks_are_seen_through_a_bound_method() -> None:
    class Marked:
        @idempotent
        @silent
        def both(self) -> None:
            """Marked twice."""

        def neither(self) -> None:
            """Not marked."""

    marked = Marked()

    assert (is_idempotent(marked.both), is_silent(marked.both)) == (True, True)
    assert (is_idempotent(marked.neither), is_silent(marked.neither)) == (False, False)


def test_arguments_are_encoded_in_sequence() -> None:
    wire = COUNTER_V3.NAME.encode_arguments((7, b"abc"))

    assert wire == words(7, 3, b"abc\0")
    assert COUNTER_V3.NAME.decode_arguments(b"head" + wire, 4) == [7, b"abc"]


def test_bytes_after_the_arguments_are_ignored() -> None:
    assert COUNTER_V3.ADD.decode_arguments(words(7, 8, 9), 0) == [7]


@pytest.mark.parametrize("arguments", [(), (1,), (1, b"", 2)])
def test_another_number_of_arguments_is_a_misuse(arguments: tuple[object, ...]) -> None:
    count = len(arguments)
    with pytest.raises(TypeError, match=f"COUNTER_V3.NAME takes 2 arguments, not {count}"):
        COUNTER_V3.NAME.encode_arguments(arguments)


def test_result_reaches_the_end_of_the_message() -> None:
    assert COUNTER_V3.ADD.encode_result(7) == words(7)
    assert COUNTER_V3.ADD.decode_result(words(0, 7), 4) == 7
    with pytest.raises(XdrError, match="ADD, byte 4: 4 bytes left over"):
        COUNTER_V3.ADD.decode_result(words(7, 8), 0)


def test_a_client_carries_its_calls_over_its_link() -> None:
    counter = Counter()
    client = COUNTER_V3.Client(MemoryLink([counter]))

    assert sync.run(client.ADD(5)) == 5
    assert sync.run(client.READ()) == 5
    assert counter.added == [5]


def test_a_procedure_without_result_returns_none() -> None:
    assert COUNTER_V3.NULL.encode_result(None) == b""
    assert COUNTER_V3.NULL.decode_result(b"head", 4) is None


def test_client_with_options_makes_the_same_calls() -> None:
    link = MemoryLink([Counter()], timeout=10.0)
    client = COUNTER_V3.Client(link)
    hurried = client.with_options(timeout=1.0)

    assert type(hurried) is COUNTER_V3.Client
    assert hurried.link is link
    assert hurried.options == {"timeout": 1.0}
    assert client.options == {}
    assert sync.run(hurried.ADD(5)) == 5


def test_options_are_added_to_those_that_there_are() -> None:
    client = COUNTER_V3.Client(MemoryLink([Counter()])).with_options(timeout=1.0)

    as_nobody = client.with_options(auth=AUTH_NONE)
    patient = as_nobody.with_options(timeout=9.0)

    assert isinstance(as_nobody.options["auth"], Flavor)
    assert patient.options == as_nobody.options | {"timeout": 9.0}


def test_network_caller_has_host_and_port() -> None:
    caller = Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.2", 111, 0))

    assert (caller.host, caller.port) == ("192.0.2.1", 700)
    assert (caller.local_host, caller.local_port) == ("192.0.2.2", 111)
    assert str(caller) == "192.0.2.1 port 700 over udp"


def test_callers_compare_equal_without_the_process() -> None:
    one, other = (Caller("local", uid=1000, pid=pid, pidfd=lambda: 3) for pid in (4242, 4243))

    assert one == other != Caller("local", uid=1001)
    assert len({one, other}) == 1
    assert "uid=1000" in repr(one)
    assert "pidfd" not in repr(one)


def test_local_caller_has_a_user() -> None:
    caller = Caller("local", uid=1000)

    assert (caller.host, caller.port, caller.local_host, caller.local_port) == ("", 0, "", 0)
    assert str(caller) == "uid 1000 over local"


def test_versions_by_hand_have_blocking_clients() -> None:
    class BY_HAND(Version, prog=COUNTER, vers=3):
        ADD = Procedure[int, int](1, UInt, result=UInt)

        class Client(rpc.Client):
            """Calls it."""

            async def ADD(self, arg: int) -> int:
                """The sum."""
                return await self.call(BY_HAND.ADD, arg)

    made: Any = BY_HAND.Client.blocking(BY_HAND.Client(MemoryLink([Counter()])))

    assert made.ADD(5) == 5
    assert (made.ADD.__doc__, made.version) == ("The sum.", BY_HAND)
