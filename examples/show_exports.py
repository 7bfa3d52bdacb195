"""List the exports of an NFS server and their clients, as showmount -e does; without asyncio.

    python examples/show_exports.py [HOST [MAPPER]]

MAPPER is the port mapper to ask, such as 127.0.0.1:10111, if it is not on port 111 of HOST.
"""

from __future__ import annotations

import sys

from oncrpc import sync
from oncrpc.errors import CallError, CallTimeout, NotRegistered, TransportError
from oncrpc.programs.mount import MOUNT_V3

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
mapper = sys.argv[2] if len(sys.argv) > 2 else None

try:
    with sync.connect(host, MOUNT_V3.Client, mapper=mapper, timeout=10.0) as mountd:
        exports = mountd.MOUNTPROC3_EXPORT()
except (CallError, CallTimeout, NotRegistered, TransportError) as error:
    sys.exit(f"show_exports: {host}: {error}")

for export in exports:
    clients = b", ".join(group.gr_name for group in export.ex_groups)
    print(export.ex_dir.decode(errors="replace"), "for", clients.decode() or "everyone")
