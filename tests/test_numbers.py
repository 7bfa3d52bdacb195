"""Program numbers: names (rpc(5)), and the ranges of RFC 5531 §8.3."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.numbers import (
    BUNDLED,
    TRANSIENT,
    Range,
    getrpcbyname,
    getrpcbynumber,
    program_name,
    program_number,
    range_of,
)
from oncrpc.programs.portmap import PMAP_PROG

RPC = """\
# a comment
portmapper\t100000\tportmap sunrpc rpcbind   # the port mapper
nfs 100003 nfsprog
mine 536870913
again 536870913 mine2

broken
hex 0x20000001
arabic ١٢٣
nfs 7
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "rpc"
    file.write_text(RPC)
    return str(file)


@pytest.mark.parametrize(
    ("number", "name"),
    [(100000, "portmapper"), (100003, "nfs"), (536870913, "mine"), (100005, None)],
)
def test_program_has_the_first_name_in_file(path: str, number: int, name: str | None) -> None:
    assert getrpcbynumber(number, path=path) == name


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("portmapper", 100000),
        ("rpcbind", 100000),
        ("nfsprog", 100003),
        ("mine2", 536870913),
        ("nfs", 100003),
        ("#", None),
        ("the", None),
        ("broken", None),
        ("hex", None),
        ("arabic", None),
    ],
)
def test_a_program_is_found_by_name_or_alias(path: str, name: str, number: int | None) -> None:
    assert getrpcbyname(name, path=path) == number


def test_missing_file_is_replaced_by_bundled_table(tmp_path: Path) -> None:
    path = str(tmp_path / "none")

    assert getrpcbynumber(100003, path=path) == "nfs"
    assert getrpcbyname("showmount", path=path) == 100005


def test_bundled_names_complete_the_file(path: str) -> None:
    assert program_name(100005, path=path) == "mountd"
    assert program_number("mountd", path=path) == 100005
    assert program_name(300000, path=path) is None
    assert program_number("nobody's", path=path) is None


def test_the_file_comes_first(path: str) -> None:
    assert program_name(536870913, path=path) == "mine"
    assert program_number("nfs", path=path) == 100003
    assert program_name(7, path=path) == "nfs"


def test_every_bundled_name_is_that_of_one_program() -> None:
    lines = [line.split() for line in Path(BUNDLED).read_text().splitlines() if line[0] != "#"]
    names = [name for line in lines for name in (line[0], *line[2:])]
    numbers = [int(line[1]) for line in lines]

    assert len(set(names)) == len(names)
    assert sorted(set(numbers)) == numbers
    assert program_number("rpcbind", path=BUNDLED) == PMAP_PROG
    assert program_name(395183, path=BUNDLED) == "vxi11_core"


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        (0x00000000, 0x00000000, Range.RESERVED),
        (0x00000001, 0x1FFFFFFF, Range.DEFINED),
        (0x20000000, 0x3FFFFFFF, Range.USER),
        (0x40000000, 0x5FFFFFFF, Range.TRANSIENT),
        (0x60000000, 0x7EFFFFFF, Range.RESERVED),
        (0x7F000000, 0x7FFFFFFF, Range.OUTSTANDING),
        (0x80000000, 0xFFFFFFFF, Range.RESERVED),
    ],
)
def test_the_ranges_are_those_of_the_chart(first: int, last: int, kind: Range) -> None:
    assert range_of(first) is range_of(last) is kind


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_number_over_32_bits_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="invalid program number"):
        range_of(number)


def test_transient_numbers_are_those_of_their_range() -> None:
    assert {range_of(TRANSIENT[0]), range_of(TRANSIENT[-1])} == {Range.TRANSIENT}


def test_invalid_bytes_in_the_file_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rpc"
    path.write_bytes(b"caf\xe9 5\nplain 6\n")

    assert getrpcbynumber(6, path=str(path)) == "plain"
