"""``oncrpc.nfs.server.access``: the bits of ACCESS."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE
from oncrpc.nfs.server.access import access_bits
from oncrpc.programs.nfs3 import (
    ACCESS3_DELETE,
    ACCESS3_EXECUTE,
    ACCESS3_EXTEND,
    ACCESS3_LOOKUP,
    ACCESS3_MODIFY,
    ACCESS3_READ,
    ftype3,
)

ALL = MAY_READ | MAY_WRITE | MAY_EXECUTE
DIR, REG = ftype3.NF3DIR, ftype3.NF3REG


@pytest.mark.parametrize(
    ("allowed", "bits"),
    [
        (0, 0),
        (MAY_READ, ACCESS3_READ),
        (MAY_WRITE, ACCESS3_MODIFY | ACCESS3_EXTEND),
        (MAY_EXECUTE, ACCESS3_EXECUTE),
        (ALL, ACCESS3_READ | ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_EXECUTE),
    ],
)
def test_file_has_no_lookup_and_no_delete(allowed: int, bits: int) -> None:
    """§3.3.4: the bit mask returned will have the ACCESS3_DELETE bit set to 0."""
    assert access_bits(REG, allowed, read_only=False) == bits


@pytest.mark.parametrize(
    ("allowed", "bits"),
    [
        (0, 0),
        (MAY_READ, ACCESS3_READ),
        (MAY_EXECUTE, ACCESS3_LOOKUP),
        (MAY_WRITE, 0),
        (
            MAY_WRITE | MAY_EXECUTE,
            ACCESS3_LOOKUP | ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE,
        ),
    ],
)
def test_directory_has_no_execute(allowed: int, bits: int) -> None:
    """§3.3.4: ACCESS3_EXECUTE has no meaning for a directory. Changes need a search, too."""
    assert access_bits(DIR, allowed, read_only=False) == bits


@pytest.mark.parametrize(
    ("kind", "bits"), [(REG, ACCESS3_READ | ACCESS3_EXECUTE), (DIR, ACCESS3_READ | ACCESS3_LOOKUP)]
)
def test_read_only_export_permits_no_change(kind: ftype3, bits: int) -> None:
    assert access_bits(kind, ALL, read_only=True) == bits


@pytest.mark.parametrize("kind", set(ftype3) - {REG, DIR})
def test_device_on_read_only_export_is_writable(kind: ftype3) -> None:
    assert access_bits(kind, ALL, read_only=True) & ACCESS3_MODIFY
