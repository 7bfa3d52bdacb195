"""A message as a JSON object on one line; docs/reference/rpcsnoop.md lists the fields."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import msgspec

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.fields import WireField
from oncrpc.snoop.words.outcomes import status_of
from oncrpc.snoop.words.parts import Dissection, dissected
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.text import is_text

encoded = msgspec.json.Encoder().encode
DELETE = b"\x7f"
BILLION = 1_000_000_000


def json_line(message: RpcMessage, programs: KnownPrograms) -> str:
    """The object as ASCII without control characters, so that it is safe on a terminal.

    ``msgspec`` is fast, but does not escape characters above 126, and some of those are control
    characters. Objects with such characters are encoded by ``json``.
    """
    made = object_of(message, programs)
    text = encoded(made)
    if text.isascii() and DELETE not in text:
        return text.decode("ascii")
    escaped = json.dumps(made, ensure_ascii=True, separators=(",", ":"))
    return escaped.replace("\x7f", "\\u007f")


def object_of(message: RpcMessage, programs: KnownPrograms) -> dict[str, Any]:
    """The object: where and when, the call, the credential, arguments or results."""
    made = dissected(message, programs, with_header=False)
    version = _version(message, programs)
    found: dict[str, Any] = {
        "frame": message.number,
        "time": message.time / BILLION,
        "source": _party(message.source),
        "target": _party(message.target),
        "transport": message.transport,
        "type": "call" if message.is_call else "reply",
        "xid": message.xid,
        "prog": message.prog,
        "vers": message.vers,
        "proc": message.proc,
        **({"procedure": version} if version else {}),
        "length": message.length,
    }
    found.update(_exchange(message, programs))
    if made.credential is not None:
        found["credential"] = _value(made.credential)
    found.update(_body(message, made))
    return found


def _party(party: Any) -> str:
    host = f"[{party.host}]" if ":" in party.host else party.host
    return f"{host}:{party.port}"


def _version(message: RpcMessage, programs: KnownPrograms) -> str | None:
    if message.prog is None or message.vers is None or message.proc is None:
        return None
    procedure = programs.procedure(message.prog, message.vers, message.proc)
    return procedure.name if procedure else None


def _exchange(message: RpcMessage, programs: KnownPrograms) -> dict[str, Any]:
    """What is known of call and reply together."""
    found: dict[str, Any] = {}
    if message.retransmission:
        found["retransmission"] = True
    if message.duplicate:
        found["duplicate"] = True
    if message.is_call:
        found["transfer_time"] = message.transfer_time / BILLION
    if message.call is not None:
        found["call_frame"] = message.call.number
        found["service_time"] = (message.service_time or 0) / BILLION
    if not message.is_call:
        status = status_of(message, programs)
        found["status"] = status.name if status else None
    return found


def _body(message: RpcMessage, made: Dissection) -> dict[str, Any]:
    """The arguments or the results, and why they are not whole."""
    found: dict[str, Any] = {}
    name = "arguments" if message.is_call else "result"
    if len(made.body) == 1:
        found[name] = _value(made.body[0])
    elif made.body:
        found[name] = [_value(part) for part in made.body]
    if made.encrypted:
        found["encrypted"] = True
    if message.cut:
        found["cut"] = True
    if made.problem:
        found["problem"] = made.problem
    return found


def _value(part: WireField) -> Any:
    if part.listed:
        return [_value(inner) for inner in part.parts]
    if part.compound:
        return {inner.name: _value(inner) for inner in part.parts}
    if isinstance(part.value, bytes):
        text = is_text(part.value)
        return part.value.decode() if text else {"hex": part.value.hex()}
    if isinstance(part.value, float) and not isfinite(part.value):
        return str(part.value)  # JSON has no such numbers
    return part.value
