"""Messages as JSON."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, mountres3, mountres3_ok, mountstat3
from oncrpc.rpc import auth_sys
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import answered, cut_message, seen_bytes, seen_call, seen_reply
from support.words import words

MNT = MOUNT_V3.MOUNTPROC3_MNT
CALL = seen_call(MNT, b"/home", cred=auth_sys(b"client", 1000, 100, [4]))


def loaded(message: RpcMessage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_line(message, KnownPrograms()))
    return found


def test_call_is_one_object() -> None:
    assert loaded(CALL) == {
        "frame": 1,
        "time": 2.0,
        "source": "client:700",
        "target": "server:2049",
        "transport": "udp",
        "type": "call",
        "xid": 7,
        "prog": 100005,
        "vers": 3,
        "proc": 1,
        "procedure": "MOUNTPROC3_MNT",
        "length": 84,
        "transfer_time": 0.0,
        "credential": {
            "stamp": 0, "machinename": "client", "uid": 1000, "gid": 100, "gids": [4],
        },
        "arguments": "/home",
    }  # fmt: skip


def test_reply_has_results_and_times() -> None:
    result = mountres3(mountstat3.MNT3_OK, mountres3_ok(b"\x90\0\0\0", [1]))

    found = loaded(answered(CALL, MNT, result))

    assert found["status"] == "OK"
    assert found["call_frame"] == 1
    assert found["service_time"] == 0.5
    assert found["result"] == {
        "fhs_status": "MNT3_OK",
        "body": {"fhandle": {"hex": "90000000"}, "auth_flavors": [1]},
    }


def test_refused_reply_has_its_reason() -> None:
    found = loaded(seen_reply(CALL, 1, 1, 5))

    assert found["status"] == "AUTH_TOOWEAK"
    assert "result" not in found


def test_cut_message_says_so() -> None:
    found = loaded(cut_message(CALL, CALL.length - 4))

    assert (found["cut"], found["problem"]) == (True, "cut")


def test_encrypted_message_says_so() -> None:
    credential = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 0, 1, 3, 0))

    assert loaded(seen_bytes(MNT, words(4, b"abcd"), cred=credential))["encrypted"] is True


def test_marks_of_the_exchange_are_shown() -> None:
    assert loaded(seen_call(MNT, b"/", retransmission=True))["retransmission"] is True


def test_text_is_escaped_not_changed() -> None:
    name = "/\x7f\x9b\u202eü"
    line = json_line(seen_call(MNT, name.encode()), KnownPrograms())

    assert line.isascii()
    assert "\x7f" not in line
    assert bytes.fromhex(json.loads(line)["arguments"]["hex"]).decode() == name


def test_numbers_that_json_has_not_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "gauge.x"
    path.write_text("program GAUGE { version V { void SET(double) = 1; } = 1; } = 100005;")
    programs = KnownPrograms()
    programs.add_interface(str(path))

    call = seen_bytes(MOUNTVERS.MOUNTPROC_MNT, struct.pack(">d", float("nan")))

    assert json.loads(json_line(call, programs))["arguments"] == "nan"


DOCUMENTED = Path(__file__).parents[3] / "docs" / "reference" / "rpcsnoop.md"


def test_all_fields_are_documented() -> None:
    encrypted = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 0, 1, 3, 0))
    result = mountres3(mountstat3.MNT3_OK, mountres3_ok(b"\x90\0\0\0", [1]))
    again = seen_call(MNT, b"/home", retransmission=True)
    messages = [
        cut_message(CALL, CALL.length - 4),
        again,
        answered(CALL, MNT, result, duplicate=True),
        seen_bytes(MNT, words(4, b"abcd"), cred=encrypted),
    ]

    found = {key for message in messages for key in loaded(message)}

    section = DOCUMENTED.read_text().partition("## JSON")[2].partition("\n## ")[0]
    assert set(re.findall(r"^`(\w+)`$", section, re.MULTILINE)) == found
