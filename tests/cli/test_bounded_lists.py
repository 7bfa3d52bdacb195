"""Lists of a port mapper, decoded one entry at a time."""

from __future__ import annotations

import pytest

from oncrpc.cli import bounded_lists
from oncrpc.cli.bounded_lists import PMAP_DUMP, RPCB_DUMP_4
from oncrpc.errors import LimitExceeded, XdrError
from oncrpc.programs.portmap import PMAP_VERS, mapping, pmaplist
from oncrpc.programs.rpcb import RPCBVERS4, rp__list, rpcb
from support.words import words

NFS = mapping(100003, 3, 6, 2049)
NFS_WORDS = (1, 100003, 3, 6, 2049)  # TRUE: an entry follows


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_has_its_entries_in_order(count: int) -> None:
    found = [mapping(100003, vers, 6, 2049) for vers in range(count)]
    results = PMAP_VERS.PMAPPROC_DUMP.encode_result([pmaplist(entry) for entry in found])

    assert PMAP_DUMP.decode_result(b"head" + results, 4) == found


def test_registrations_lose_their_links() -> None:
    entry = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser")
    results = RPCBVERS4.RPCBPROC_DUMP.encode_result([rp__list(entry)])

    assert RPCB_DUMP_4.decode_result(results, 0) == [entry]


@pytest.mark.parametrize(
    "results",
    [
        words(*NFS_WORDS),  # no flag after the entry
        words(*NFS_WORDS, 0, 0),  # a word left over
        words(2),  # not a bool
        words(1, 100003),  # half an entry
    ],
)
def test_a_malformed_list_is_an_error(results: bytes) -> None:
    with pytest.raises(XdrError):
        PMAP_DUMP.decode_result(results, 0)


def test_decoding_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_lists, "MAX_ENTRIES", 2)

    assert PMAP_DUMP.decode_result(words(*NFS_WORDS * 2, 0), 0) == [NFS, NFS]
    with pytest.raises(LimitExceeded, match="a list of over 2 entries"):
        PMAP_DUMP.decode_result(words(*NFS_WORDS * 3), 0)
