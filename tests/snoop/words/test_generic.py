"""Lines of programs that have no words of their own."""

from __future__ import annotations

from pathlib import Path

from oncrpc.programs import vxi11
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.vxi11 import DEVICE_CORE_VERSION
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import call_line, reply_line, seen_bytes
from support.words import words

INTERFACE = """
enum color { RED = 1 };
struct door { color paint; opaque key<>; string owner<>; int floors<>; bool *open; };
program DOORS { version DOORS_V1 { void PAINT(door) = 1; void NAME(string) = 2; } = 1; } = 9;
"""


def doors(folder: Path) -> KnownPrograms:
    path = folder / "doors.x"
    path.write_text(INTERFACE)
    programs = KnownPrograms()
    programs.add_interface(str(path))
    return programs


def door_call(proc: int, *arguments: int | bytes) -> RpcMessage:
    call = seen_bytes(NFS_V3.NFSPROC3_NULL, words(*arguments))
    return call._replace(prog=9, vers=1, proc=proc)


def test_fields_are_shown_by_their_names(tmp_path: Path) -> None:
    call = door_call(1, 1, 2, b"\1\2\0\0", 3, b"ann\0", 2, 7, 8, 0)

    line = line_of(call, doors(tmp_path))

    assert line == "DOORS_V1 C PAINT paint=RED key=0102 owner=ann floors=(2) open=-"


def test_cut_fields_end_the_line(tmp_path: Path) -> None:
    line = line_of(door_call(1, 1, 2, b"\1\2\0\0", 9), doors(tmp_path))

    assert line == "DOORS_V1 C PAINT paint=RED key=0102 ..."


def test_argument_without_name_is_shown_alone(tmp_path: Path) -> None:
    line = line_of(door_call(2, 4, b"tea\n"), doors(tmp_path))

    assert line == r"DOORS_V1 C NAME tea\x0a"


def test_instrument_is_shown_by_its_fields() -> None:
    link = vxi11.Create_LinkParms(1, False, 0, b"gpib0,3")

    line = call_line(DEVICE_CORE_VERSION.create_link, link)

    assert line.endswith(" C create_link clientId=1 lockDevice=false lock_timeout=0 device=gpib0,3")


def test_result_is_shown_by_its_fields() -> None:
    line = reply_line(DEVICE_CORE_VERSION.destroy_link, vxi11.Device_Error(4))

    assert line.endswith(" R destroy_link error=4")
