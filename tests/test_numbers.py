"""Program numbers and names (rpc(5))."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.numbers import program_name, program_number

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
def test_a_program_has_the_first_name_of_the_file(path: str, number: int, name: str | None) -> None:
    assert program_name(number, path=path) == name


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
    assert program_number(name, path=path) == number


def test_without_the_file_the_programs_of_this_project_have_names(tmp_path: Path) -> None:
    path = str(tmp_path / "none")

    assert program_name(100003, path=path) == "nfs"
    assert program_number("showmount", path=path) == 100005


def test_a_file_that_is_not_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "rpc"
    path.write_bytes(b"caf\xe9 5\nplain 6\n")

    assert program_name(6, path=str(path)) == "plain"
