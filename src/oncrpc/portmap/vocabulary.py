"""The names of program 100000's procedures, in rules, log lines and counts."""

from __future__ import annotations

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4

VOCABULARY = Vocabulary(
    (PMAP_VERS, RPCBVERS, RPCBVERS4),
    with_program=(
        "SET", "UNSET", "GETPORT", "GETADDR", "GETVERSADDR", "GETADDRLIST",
        "CALLIT", "BCAST", "INDIRECT",
    ),
    logged_as={"GETPORT": "getport/addr", "GETADDR": "getport/addr", "BCAST": "callit"},
)  # fmt: skip
"""``logged_as`` has the names of the C daemon's log where they differ from the procedure's own."""
