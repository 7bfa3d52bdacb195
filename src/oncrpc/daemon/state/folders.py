"""Where a daemon has its directory: by its port, in that of the host or of who has started it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from oncrpc.programs.portmap import PMAP_PORT

RUN = "/run"
NAME = "portmap"


def name_for(port: int) -> str:
    """What the directory of the daemon on a port is called."""
    return NAME if port == PMAP_PORT else f"{NAME}-{port}"


def base_of(environ: Mapping[str, str]) -> str | None:
    """Where one who is not root keeps it: the first of systemd's directories, else the user's."""
    candidates = (
        environ.get("RUNTIME_DIRECTORY", "").split(":")[0],
        environ.get("XDG_RUNTIME_DIR"),
    )
    return next((path for path in candidates if path and os.path.isabs(path)), None)
