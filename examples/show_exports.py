"""List what an NFS server exports, and to whom, as showmount -e does; without asyncio.

    python examples/show_exports.py HOST [PORT]

PORT is the port mapper's, if it is not 111.
"""

from __future__ import annotations

import sys

from oncrpc import sync
from oncrpc.errors import CallError, CallTimeout, NotRegistered, TransportError
from oncrpc.programs.mount import MOUNT_V3

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 111

try:
    binder = sync.Binder(sync.dial, port=port)
    with sync.connect(host, MOUNT_V3.Client, binder=binder, timeout=10.0) as mountd:
        exports = mountd.call(MOUNT_V3.MOUNTPROC3_EXPORT)
except (CallError, CallTimeout, NotRegistered, TransportError) as error:
    sys.exit(f"show_exports: {host}: {error}")

for export in exports:
    clients = b", ".join(group.gr_name for group in export.ex_groups)
    print(export.ex_dir.decode(errors="replace"), "for", clients.decode() or "everyone")
