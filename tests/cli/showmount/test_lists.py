"""``oncrpc.cli.showmount.lists``: bounded lists from a server that may be hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.cli.bounded_lists import MAX_ENTRIES
from oncrpc.cli.showmount.lists import EXPORTS, MOUNTS, ListedExport, ShownMount
from oncrpc.errors import LimitExceeded, XdrError
from oncrpc.programs.mount import exportnode, exports, groupnode, mountbody, mountlist
from oncrpc.xdr import encode
from support.words import words

PATHS, NAMES = st.binary(max_size=30), st.binary(max_size=20)
NO_MORE = words(0)


@given(st.lists(st.tuples(PATHS, st.lists(NAMES, max_size=4)), max_size=5))
def test_exports_are_decoded_as_they_are_declared(listed: list[tuple[bytes, list[bytes]]]) -> None:
    nodes = [exportnode(path, [*map(groupnode, names)]) for path, names in listed]

    found = EXPORTS[0].decode_result(b"head" + encode(exports, nodes), 4)

    assert found == [ListedExport(path, names) for path, names in listed]


@given(st.lists(st.tuples(NAMES, PATHS), max_size=5))
def test_mounts_are_decoded_as_they_are_declared(listed: list[tuple[bytes, bytes]]) -> None:
    nodes = [mountbody(host, path) for host, path in listed]

    found = MOUNTS[0].decode_result(encode(mountlist, nodes), 0)

    assert found == [ShownMount(host, path) for host, path in listed]


@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_an_error(data: bytes) -> None:
    for procedure in (EXPORTS[0], MOUNTS[0]):
        try:
            found = procedure.decode_result(data, 0)
        except XdrError:
            continue
        assert isinstance(found, list)


def test_bytes_after_a_list_are_an_error() -> None:
    for procedure in (EXPORTS[0], MOUNTS[0]):
        with pytest.raises(XdrError, match="4 bytes left over"):
            procedure.decode_result(NO_MORE + NO_MORE, 0)


@pytest.mark.slow
def test_very_long_lists_are_refused() -> None:
    empty_mount = words(1, 0, 0)
    with pytest.raises(LimitExceeded, match=f"a list of over {MAX_ENTRIES} entries"):
        MOUNTS[0].decode_result(empty_mount * (MAX_ENTRIES + 1) + NO_MORE, 0)

    empty_group = words(1, 0)
    with pytest.raises(LimitExceeded, match=f"a list of over {MAX_ENTRIES} entries"):
        EXPORTS[0].decode_result(words(1, 0) + empty_group * MAX_ENTRIES + NO_MORE * 2, 0)


def test_procedures_are_called_from_the_newest_version() -> None:
    for procedures in (EXPORTS, MOUNTS):
        assert [procedure.version.vers for procedure in procedures] == [3, 2, 1]
