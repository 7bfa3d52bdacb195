"""Call with hooks around every call: a log, and a second try after a timeout.

    python examples/call_with_hooks.py [HOST [MAPPER]]

It calls the service of serve_greeter.py. MAPPER is the port mapper to ask, such as
127.0.0.1:10111, if it is not on port 111 of HOST.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import oncrpc.importer  # makes greeter.x beside this file importable
from oncrpc import sync
from oncrpc.errors import CallTimeout, OncRpcError

import greeter  # isort: skip

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
mapper = sys.argv[2] if len(sys.argv) > 2 else None


def logged(call: oncrpc.OutgoingCall, proceed: Callable[[oncrpc.OutgoingCall], Any]) -> Any:
    """Log every call with its outcome and duration."""
    began, outcome = time.monotonic(), "failed"
    try:
        result = proceed(call)
        outcome = "done"
        return result
    except OncRpcError as error:
        outcome = str(error)
        raise
    finally:
        took = 1000 * (time.monotonic() - began)
        logging.info("%r to %s: %s, %.1f ms", call.procedure, call.host, outcome, took)


def retried(call: oncrpc.OutgoingCall, proceed: Callable[[oncrpc.OutgoingCall], Any]) -> Any:
    """Make a call again after a timeout: GREET may run twice without harm."""
    try:
        return proceed(call)
    except CallTimeout:
        return proceed(call)


logging.basicConfig(level=logging.INFO, format="%(message)s")
try:
    client = greeter.GREETER_V1.Client
    with sync.connect(host, client, mapper=mapper, hooks=[logged, retried]) as greets:
        print(greets.GREET(b"hooks").decode())
except OncRpcError as error:
    sys.exit(f"call_with_hooks: {error}")
