"""python-vxi11 and pyvisa-py find instruments through our port mapper and control them.

The clients run in this process; the port mapper and the instruments in a namespace.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import pyvisa
from pyvisa.constants import StatusCode
from pyvisa.resources import MessageBasedResource

from oncrpc.programs import vxi11
from oncrpc.rpc import AnyProcedure
from support.hosts import Host, portmap, until
from support.instrument import (
    CHR,
    END,
    END_FLAG,
    IDENTITY,
    LOCKED,
    MAX_RECV_SIZE,
    MESSAGE_AVAILABLE,
    REQCNT,
    TERMCHRSET,
    WAITLOCK,
)
from support.namespace import PYTHON

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # xdrlib is deprecated
    from vxi11 import Instrument, list_devices  # type: ignore[import-untyped]  # it has no types
    from vxi11.vxi11 import Packer, Vxi11Exception  # type: ignore[import-untyped]  # likewise

pytestmark = pytest.mark.interop

ADDRESS = "10.9.0.1"
BROADCAST = "10.9.0.255"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "vxi11_instrument.py"
SHORT, LONG = 0.05, 10.0
"""Timeouts in seconds: one that expires in a test, and one that must not."""

Opener = Callable[[], Any]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with our port mapper and the instrument of the tests."""
    with Host() as made:
        made.start(portmap())
        started = made.popen([PYTHON, "-m", "support.instrument"])
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield made


@pytest.fixture
def opened(host: Host) -> Iterator[Opener]:
    """Opens links of python-vxi11, each on a connection of its own."""
    links: list[Any] = []

    def open_link() -> Any:
        link = Instrument(ADDRESS)
        link.timeout = link.lock_timeout = LONG
        with host.network():
            link.open()
        links.append(link)
        return link

    yield open_link
    for link in links:
        link.close()
        if link.abort_client is not None:
            link.abort_client.close()


@pytest.fixture
def visa(host: Host) -> Iterator[Callable[[], MessageBasedResource]]:
    """Opens resources of pyvisa-py."""
    manager = pyvisa.ResourceManager("@py")

    def open_resource() -> MessageBasedResource:
        with host.network():
            resource = manager.open_resource(
                f"TCPIP::{ADDRESS}::INSTR", read_termination="\n", write_termination="\n"
            )
        resource.timeout = LONG * 1000
        return cast(MessageBasedResource, resource)

    yield open_resource
    manager.close()


def error_of(failing: Callable[..., object], *arguments: object) -> int:
    """The VXI-11 error number that python-vxi11 raises."""
    with pytest.raises(Vxi11Exception) as caught:
        failing(*arguments)
    number: int = caught.value.err
    return number


# Through python-vxi11


def test_python_vxi11_reads_the_identity(opened: Opener) -> None:
    assert opened().ask("*IDN?") == IDENTITY.decode().strip()


def test_a_long_message_goes_and_comes_in_pieces(opened: Opener) -> None:
    link, text = opened(), "x" * (3 * MAX_RECV_SIZE)

    assert link.max_recv_size == MAX_RECV_SIZE
    assert link.ask(f"ECHO {text}") == text


def test_a_write_beyond_maxRecvSize_is_a_parameter_error(opened: Opener) -> None:
    link = opened()

    assert link.client.device_write(link.link, 0, 0, END_FLAG, bytes(MAX_RECV_SIZE + 1)) == (5, 0)


def test_a_read_says_every_reason_why_it_ends(opened: Opener) -> None:
    link = opened()
    link.write("ECHO a,b")

    def read(size: int, flags: int = 0, char: str = "\0") -> object:
        return link.client.device_read(link.link, size, 1000, 0, flags, ord(char))

    assert read(0) == (0, REQCNT, b"")
    assert read(9, TERMCHRSET, ",") == (0, CHR, b"a,")
    assert read(1) == (0, REQCNT, b"b")
    assert read(1, TERMCHRSET, "\n") == (0, REQCNT | CHR | END, b"\n")


def test_short_read_leaves_the_rest(opened: Opener) -> None:
    link = opened()
    link.write("ECHO abcdef")

    assert link.read_raw(4) == b"abcd"
    assert link.read_raw() == b"ef\n"


def test_a_read_of_nothing_times_out(opened: Opener) -> None:
    link, began = opened(), time.monotonic()
    link.timeout = SHORT

    assert error_of(link.read) == 15
    assert time.monotonic() - began >= SHORT


def test_clear_discards_unread_data(opened: Opener) -> None:
    link = opened()
    link.write("ECHO stale")

    link.clear()

    link.timeout = SHORT
    assert error_of(link.read) == 15
    assert link.ask("ECHO fresh") == "fresh"


def test_status_byte_reports_an_available_message(opened: Opener) -> None:
    link = opened()

    def poll() -> object:
        return link.client.device_read_stb(link.link, 0, 0, 1000)

    assert poll() == (0, 0)
    link.write("*IDN?")
    assert poll() == (0, MESSAGE_AVAILABLE)
    link.read()
    assert poll() == (0, 0)


def test_a_trigger_is_counted(opened: Opener) -> None:
    link = opened()
    before = int(link.ask("COUNT?"))

    link.trigger()

    assert int(link.ask("COUNT?")) == before + 1


def test_lock_keeps_other_links_out(opened: Opener) -> None:
    holder, other = opened(), opened()

    holder.lock()
    assert error_of(other.write, "*IDN?") == LOCKED
    assert error_of(other.lock) == LOCKED
    assert error_of(holder.lock) == LOCKED
    assert holder.ask("ECHO mine") == "mine"
    holder.unlock()

    assert other.ask("ECHO ours") == "ours"
    assert error_of(holder.unlock) == 12


def test_closing_a_link_gives_its_lock_back(opened: Opener) -> None:
    holder, other = opened(), opened()
    holder.lock()

    holder.close()

    other.lock()


def test_waiting_for_a_lock_may_time_out(opened: Opener) -> None:
    holder, other = opened(), opened()
    holder.lock()

    def wait(milliseconds: int) -> int:
        error: int = other.client.device_lock(other.link, WAITLOCK, milliseconds)
        return error

    began = time.monotonic()
    assert wait(50) == LOCKED
    assert time.monotonic() - began >= SHORT
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait, 10_000)
        holder.unlock()
        assert waiting.result(LONG) == 0


def test_links_of_one_connection_are_separate(opened: Opener) -> None:
    link = opened()
    client, first = link.client, link.link
    error, second, abort_port, _ = client.create_link(1, False, 0, b"inst0")
    assert (error, abort_port) == (0, link.abort_port)

    for lid, text in ((first, b"ECHO one"), (second, b"ECHO two")):
        assert client.device_write(lid, 1000, 0, END_FLAG, text) == (0, len(text))

    assert client.device_read(second, 99, 1000, 0, 0, 0) == (0, END, b"two\n")
    assert client.device_read(first, 99, 1000, 0, 0, 0) == (0, END, b"one\n")
    assert client.destroy_link(second) == 0
    assert client.destroy_link(second) == 4
    assert client.device_read(second, 99, 1000, 0, 0, 0) == (4, 0, b"")


def test_a_link_to_no_such_device_is_refused(opened: Opener) -> None:
    assert opened().client.create_link(1, False, 0, b"gpib0")[0] == 3


def test_the_abort_channel_ends_a_read_that_waits(host: Host, opened: Opener) -> None:
    link = opened()
    with host.network():
        link.abort()  # nothing is under way: it does nothing

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(error_of, link.read)
        until(lambda: link.abort() or reading.done(), "the read is aborted")

    assert reading.result() == 23


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_python_vxi11_finds_the_instrument_by_broadcast(host: Host) -> None:
    with host.network():
        assert set(list_devices([BROADCAST], timeout=0.3)) == {ADDRESS}


# Through pyvisa-py

Visa = Callable[[], MessageBasedResource]


def test_pyvisa_reads_the_identity(visa: Visa) -> None:
    assert visa().query("*IDN?") == IDENTITY.decode().strip()


def test_pyvisa_splits_long_data(visa: Visa) -> None:
    text = "y" * (3 * MAX_RECV_SIZE)

    assert visa().query(f"ECHO {text}") == text


def test_pyvisa_read_times_out(visa: Visa) -> None:
    resource = visa()
    resource.timeout = SHORT * 1000

    with pytest.raises(pyvisa.VisaIOError) as caught:
        resource.read()

    assert caught.value.error_code == StatusCode.error_timeout


def test_pyvisa_polls_clears_and_triggers(visa: Visa) -> None:
    resource = visa()
    before = int(resource.query("COUNT?"))

    resource.write("*IDN?")
    assert resource.read_stb() == MESSAGE_AVAILABLE
    resource.clear()
    assert resource.read_stb() == 0
    resource.assert_trigger()

    assert int(resource.query("COUNT?")) == before + 1


def test_pyvisa_locks_and_unlocks(visa: Visa) -> None:
    holder, other = visa(), visa()

    holder.lock_excl()
    with pytest.raises(pyvisa.VisaIOError) as caught:
        other.lock_excl()
    assert caught.value.error_code == StatusCode.error_resource_locked
    holder.unlock()

    other.lock_excl()
    other.unlock()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:TCPIP..hislip")  # that discovery is not what this is about
def test_pyvisa_lists_the_instrument(host: Host) -> None:
    with closing(pyvisa.ResourceManager("@py")) as manager, host.network():
        assert f"TCPIP::{ADDRESS}::INSTR" in manager.list_resources()


# The example


@pytest.fixture(scope="module")
def example() -> Iterator[Host]:
    """A host with our port mapper and the instrument among the examples."""
    with Host() as made:
        made.start(portmap())
        made.popen([PYTHON, str(EXAMPLE)])
        until(lambda: made.registered(vxi11.DEVICE_CORE) != [], "it registers")
        yield made


def test_the_example_answers_python_vxi11(example: Host) -> None:
    with example.network(), closing(Instrument("127.0.0.1")) as link:
        assert link.ask("*idn?") == "Example,Simulated instrument,0,1.0"
        link.write("*IDN?")
        link.term_char = ","
        assert link.read_raw() == b"Example,"
        assert link.read_raw(3) == b"Sim"


def test_the_example_answers_pyvisa_and_times_out(example: Host) -> None:
    with closing(pyvisa.ResourceManager("@py")) as manager, example.network():
        found = manager.open_resource("TCPIP::127.0.0.1::INSTR", read_termination="\n")
        resource = cast(MessageBasedResource, found)
        assert resource.query("*IDN?") == "Example,Simulated instrument,0,1.0"
        resource.timeout = SHORT * 1000
        with pytest.raises(pyvisa.VisaIOError) as caught:
            resource.query("BEEP")

    assert caught.value.error_code == StatusCode.error_timeout


# Bytes

CORE = vxi11.DEVICE_CORE_VERSION
ARGUMENTS: dict[str, tuple[AnyProcedure, Any]] = {
    "create_link_parms": (CORE.create_link, vxi11.Create_LinkParms(7, True, 99, b"inst0")),
    "device_write_parms": (CORE.device_write, vxi11.Device_WriteParms(1, 2, 3, 8, b"*IDN?")),
    "device_read_parms": (CORE.device_read, vxi11.Device_ReadParms(1, 1024, 2, 3, 128, 10)),
    "device_generic_parms": (CORE.device_clear, vxi11.Device_GenericParms(1, 1, 2, 3)),
    "device_lock_parms": (CORE.device_lock, vxi11.Device_LockParms(1, 1, 0xFFFFFFFF)),
    "device_enable_srq_parms": (
        CORE.device_enable_srq, vxi11.Device_EnableSrqParms(1, True, b"handle")
    ),
    "device_docmd_parms": (
        CORE.device_docmd, vxi11.Device_DocmdParms(1, 1, 2, 3, 0x20000, True, 1, b"\x14")
    ),
    "device_remote_func_parms": (
        CORE.create_intr_chan,
        vxi11.Device_RemoteFunc(
            0x0A090001, 65535, vxi11.DEVICE_INTR, 1, vxi11.Device_AddrFamily.DEVICE_UDP
        ),
    ),
}  # fmt: skip
"""For each routine of python-vxi11, the procedure and the argument that it encodes."""


@pytest.mark.parametrize("routine", ARGUMENTS)
def test_python_vxi11_bytes_match_our_declaration(routine: str) -> None:
    procedure, argument = ARGUMENTS[routine]
    packer = Packer()
    fields = [getattr(argument, name) for name in type(argument).__annotations__]

    getattr(packer, f"pack_{routine}")(fields)

    assert packer.get_buf() == procedure.encode_arguments((argument,))
