"""``oncrpc.nfs.daemon.local_roots``: which directories can be exported."""

from __future__ import annotations

import errno

import pytest

from oncrpc.nfs.daemon.local_roots import LocalRoots, RootOptions


@pytest.mark.parametrize("path", [b"/proc", b"/proc/self", b"/sys"])
def test_files_of_the_kernel_are_refused(path: bytes) -> None:
    """Those of /proc are the memory of the server, too, and the key that is in it."""
    with pytest.raises(OSError, match="of the kernel") as caught:
        LocalRoots(None)(path, RootOptions())

    assert caught.value.errno == errno.EOPNOTSUPP
