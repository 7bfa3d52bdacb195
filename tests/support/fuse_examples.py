"""The example file systems of pyfuse3, from its source distribution: wheels do not have them.

``.ci/run`` unpacks them below ``build/fuse-examples``.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.backends.fuse.objects import find_operations

FOLDER = Path(__file__).parents[2] / "build/fuse-examples"
CLASSES = {"tmpfs": "Operations", "hello": "TestFs", "passthroughfs": "Operations"}


def example_class(name: str, **arguments: Any) -> partial[Any]:
    """The class of an example, with its arguments, or a skipped test if it is not there."""
    found = next(iter(sorted(FOLDER.glob(f"pyfuse3-*/examples/{name}.py"))), None)
    if found is None:
        message = f"no examples of pyfuse3 in {FOLDER}"
        if os.environ.get("ONCRPC_REQUIRE_PEERS"):
            pytest.fail(message)
        pytest.skip(message)
    made = find_operations(f"{found}:{CLASSES[name]}", arguments)
    assert isinstance(made, partial)
    return made
