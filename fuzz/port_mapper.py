"""Does anything but a declared error come out of the port mapper, whatever bytes go in?

    python fuzz/port_mapper.py [SECONDS [SEED]]

Calls of every procedure are cut, lengthened and changed at random, and given to the dispatcher as
datagrams and, cut into pieces, as a stream. A find prints its seed and bytes and ends with 1.
"""

from __future__ import annotations

import inspect
import logging
import random
import sys
import time

from oncrpc import sync
from oncrpc.errors import ProtocolError
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.service import Mapper
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4
from oncrpc.rpc import Caller
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record

CALLERS = (
    Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.2", 111, 0), datagram=True),
    Caller("tcp6", ("::1", 700, 0), ("::1", 111, 0), loopback=True),
    Caller("local", uid=1000),
)
ARGUMENTS = bytes.fromhex("000186a5 00000003 00000003 75647000 00000001 41000000 00000000")


def seeds() -> list[bytes]:
    """A call of every procedure, with arguments that may fit."""
    versions = (PMAP_VERS, RPCBVERS, RPCBVERS4)
    called = [(v.prog, v.vers, proc) for v in versions for proc in v.procedures]
    return [call_header(1, place, cred=AUTH_NONE) + ARGUMENTS for place in called]


def mangled(message: bytes, source: random.Random) -> bytes:
    """The message with some of its bytes changed, gone, or more of them."""
    changed = bytearray(message)
    for _ in range(source.randrange(6)):
        at = source.randrange(len(changed) + 1)
        piece = source.choice((b"", b"\0", b"\xff\xff\xff\xff", source.randbytes(4)))
        changed[at : at + source.randrange(8)] = piece
    return bytes(changed)


def feed(dispatcher: Dispatcher, message: bytes, source: random.Random) -> None:
    """Hand the bytes in; a call that is to be forwarded is refused, since forwarding is off."""
    caller = source.choice(CALLERS)
    records = [message]
    if not caller.datagram:
        reader = RecordReader(max_record=9000)
        reader.feed(mangled(encode_record(message), source))
        records = list(reader.records())
    for record in records:
        reply = dispatcher.handle(record, caller)
        if inspect.iscoroutine(reply):
            sync.run(reply)


def main(seconds: float, seed: int) -> int:
    """Run for so long; the exit status."""
    logging.disable()
    source, messages = random.Random(seed), seeds()
    mapper = Mapper(Registry())
    dispatcher = Dispatcher(mapper.services(), clock=time.monotonic, before=mapper.before)
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        count += 1
        message = mangled(source.choice(messages), source)
        try:
            feed(dispatcher, message, source)
        except ProtocolError:
            pass
        except Exception as error:
            print(f"seed {seed}, message {count}: {message.hex()}: {error!r}")
            return 1
    print(f"{count} messages, seed {seed}: nothing but declared errors")
    return 0


if __name__ == "__main__":
    options = [float(word) for word in sys.argv[1:3]]
    sys.exit(main(options[0] if options else 10.0, int(options[1]) if len(options) > 1 else 5531))
