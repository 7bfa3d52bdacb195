"""``oncrpc.cli.rpcsnoop.groups``: figures by client, server or file."""

from __future__ import annotations

import pytest

from oncrpc.cli.rpcsnoop.groups import (
    MAX_GROUPS,
    MAX_LABELS,
    FileLabels,
    GroupedStatistics,
    group_lines,
    label_of,
)
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.cursor import handle_hash
from oncrpc.snoop.words.file_names import FileNames
from support.wire_messages import seen_bytes, seen_reply
from support.words import words

LOOKUP = seen_bytes(NFS_V3.NFSPROC3_LOOKUP, words(4, b"root", 4, b"file"), number=1)
FOUND = seen_reply(LOOKUP, 0, 0, 0, 0, 0, 4, b"hand", number=3)
READ = seen_bytes(NFS_V3.NFSPROC3_READ, words(4, b"hand", 0, 0, 0), number=2)
FAILED = seen_reply(READ, 0, 0, 0, 0, 5, number=4)


HAND = f"FH={handle_hash(b'hand'):04X}"


def outcome(reply: RpcMessage) -> str:
    return "SUCCESS" if reply is FOUND else "NFS3ERR_IO"


def of_client(host: str, number: int = 9) -> RpcMessage:
    return READ._replace(source=Party(host, 1), number=number)


@pytest.mark.parametrize(("by", "name"), [("client", "client"), ("server", "server")])
def test_hosts_are_groups(by: str, name: str) -> None:
    statistics = GroupedStatistics(label_of(by, None), outcome=outcome)
    for message in (LOOKUP, READ, FOUND, FAILED):
        statistics.add(message)

    heading, row, *rest = group_lines(by, statistics)

    assert heading.split()[:4] == [by, "calls", "replies", "errors"]
    assert row.split()[:4] == [name, "2", "2", "1"]
    assert rest[3].split() == [name, "NFS3ERR_IO", "1"]


def test_call_and_reply_count_for_one_file() -> None:
    files = FileNames()
    statistics = GroupedStatistics(label_of("file", files), outcome=outcome)
    for message in (LOOKUP, READ, FOUND, FAILED):
        files.learn(message)
        statistics.add(message)

    found = {names[0]: (each.calls, each.replies) for names, each in statistics.rows()}
    assert found == {f"FH={handle_hash(b'root'):04X}/file": (1, 1), HAND: (1, 1)}
    assert files.files_of(READ) != (HAND,)


def test_groups_with_most_calls_come_first() -> None:
    statistics = GroupedStatistics(label_of("client", None), outcome=outcome)
    for host in ("b", "a", "c", "c"):
        statistics.add(of_client(host))

    assert [names[0] for names, _ in statistics.rows()] == ["c", "a", "b"]


def test_groups_beyond_the_limit_share_the_last_line() -> None:
    statistics = GroupedStatistics(label_of("client", None), outcome=outcome)
    for number in range(MAX_GROUPS + 3):
        statistics.add(of_client(str(number)))

    *_, (names, figures) = statistics.rows()

    assert (names, figures.calls) == (("other",), 3)


@pytest.mark.slow
def test_number_of_remembered_files_is_bounded() -> None:
    files = FileNames()
    labels = FileLabels(files)
    first = labels(of_client("a", 1))
    for number in range(2, MAX_LABELS + 2):
        labels(of_client("a", number))
    files.learn(FOUND)

    assert first.startswith("FH=")
    assert labels(of_client("a", 1)) != first
    assert labels(of_client("a", 3)) == first


def test_call_without_a_file_has_a_group() -> None:
    null = seen_bytes(NFS_V3.NFSPROC3_NULL, b"")

    assert label_of("file", FileNames())(null) == "-"
