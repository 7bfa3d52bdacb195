"""Where a daemon has its directory: by its name and port, below the host's or the user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

RUN = "/run"
LASTING = "/var/lib"
"""Where root's daemons keep what outlives the boot (FHS 3.0 §5.8)."""


class Folders(NamedTuple):
    """The directories of the state and of the control socket; None if there is no directory."""

    state: str | None = None
    control: str | None = None


def name_for(name: str, port: int, usual: int) -> str:
    """The name of the directory of the daemon on a port; ``usual`` is that of its kind."""
    return name if port == usual else f"{name}-{port}"


def base_of(environ: Mapping[str, str]) -> str | None:
    """The parent directory without root: the first of systemd's directories, or the user's."""
    return _first(
        environ.get("RUNTIME_DIRECTORY", "").split(":")[0], environ.get("XDG_RUNTIME_DIR")
    )


def lasting_base_of(environ: Mapping[str, str]) -> str | None:
    """The same for state that outlives the boot (XDG Base Directory Specification)."""
    home = environ.get("HOME", "")
    return _first(
        environ.get("STATE_DIRECTORY", "").split(":")[0],
        environ.get("XDG_STATE_HOME"),
        os.path.join(home, ".local/state") if home else None,
    )


def _first(*candidates: str | None) -> str | None:
    return next((path for path in candidates if path and os.path.isabs(path)), None)
