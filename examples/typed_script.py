"""Say where a host serves NFS and MOUNT: a blocking script with types, for ``mypy --strict``.

    python examples/typed_script.py HOST [PORT]

PORT is the port mapper's, if it is not 111; ``ONCRPC_MAPPER`` is not read.
A type checker refuses a wrong call, such as ``mapper.PMAPPROC_GETPORT(100003)`` or
``mapper.PMAPPROC_GETADDR()``.
"""

from __future__ import annotations

import sys

from oncrpc import sync
from oncrpc.errors import CallError, CallTimeout, TransportError
from oncrpc.programs.portmap import IPPROTO_TCP, PMAP_VERS, mapping

PROGRAMS = {"nfs": (100003, 3), "mount": (100005, 3)}


def port_of(mapper: PMAP_VERS.SyncClient, name: str) -> int:
    """The TCP port of a program, 0 if it is not registered."""
    number, version = PROGRAMS[name]
    return mapper.PMAPPROC_GETPORT(mapping(number, version, IPPROTO_TCP, 0))


def main(host: str, port: int) -> int:
    """Print a line for each program."""
    try:
        with sync.connect(host, PMAP_VERS.Client, port=port) as mapper:
            for name in PROGRAMS:
                found = port_of(mapper.with_options(timeout=2.0), name)
                print(f"{name}: {f'port {found}' if found else 'not registered'}")
    except (CallError, CallTimeout, TransportError) as error:
        print(f"typed_script: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    sys.exit(main(host, int(sys.argv[2]) if len(sys.argv) > 2 else 111))
