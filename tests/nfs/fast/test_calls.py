"""Calls that are answered at once: the same replies as those of the generic path."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfs.fast.conftest import fill
from oncrpc.nfs.options import ExportOptions
from oncrpc.programs.nfs3 import (
    NFS_V3,
    ACCESS3args,
    GETATTR3args,
    LOOKUP3args,
    READ3args,
    diropargs3,
    nfs_fh3,
)
from support.two_paths import ANN, BOB, BOSS, INSECURE, NOBODY, TwoPaths, without_atime

NAMES = (
    "", "file", "small", "secret", "program", "closed", "closed/inner", "open", "open/inner",
    "link", "pipe",
)  # fmt: skip
OPTIONS = {
    "usual": INSECURE,
    "read-only": INSECURE._replace(ro=True),
    "squashed": INSECURE._replace(root_squash=True),
    "all squashed": INSECURE._replace(all_squash=True),
    "without a flavor": INSECURE._replace(sec=("none",)),
}


@pytest.fixture(scope="module", params=OPTIONS)
def exports(request: pytest.FixtureRequest) -> Iterator[tuple[TwoPaths, dict[str, nfs_fh3]]]:
    """Both paths, and the handles of all files."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles and to take identities")
    options: ExportOptions = OPTIONS[request.param]
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        path = Path(folder)
        path.chmod(0o777)
        fill(path)
        found = TwoPaths(path, runner)
        handles = {name: found.handle(name) for name in NAMES}
        found.exported.rules.options = options
        yield found, handles
        found.close()


def bytes_of(reply: bytes | None) -> bytes | None:
    """The whole reply."""
    return reply


def call(procedure: Any, arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Calls of a procedure."""
    return st.tuples(st.just(procedure), arguments)


def some_call(handle: nfs_fh3) -> st.SearchStrategy[tuple[Any, Any]]:
    """Procedures and arguments for a file."""
    strange = [b".", b"..", b"a/b", b"none", b"x" * 300]
    names = st.sampled_from([*(name.encode() for name in NAMES), *strange])
    offsets = st.sampled_from([0, 1, 4095, 200_000, 262_144, 1 << 40, (1 << 64) - 1])
    counts = st.sampled_from([0, 1, 3, 4096, 32_768, 65_537, 1 << 20, (1 << 32) - 1])
    return st.one_of(
        st.just((NFS_V3.NFSPROC3_GETATTR, GETATTR3args(handle))),
        call(NFS_V3.NFSPROC3_ACCESS, st.builds(ACCESS3args, st.just(handle), st.integers(0, 127))),
        call(NFS_V3.NFSPROC3_LOOKUP, names.map(lambda name: LOOKUP3args(diropargs3(handle, name)))),
        call(NFS_V3.NFSPROC3_READ, st.builds(READ3args, st.just(handle), offsets, counts)),
    )


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_paths_give_the_same_reply(exports: Any, data: st.DataObject) -> None:
    both, handles = exports
    name = data.draw(st.sampled_from(NAMES))
    procedure, arguments = data.draw(some_call(handles[name]))
    cred = data.draw(st.sampled_from([ANN, BOB, BOSS, NOBODY]))
    both.now += data.draw(st.sampled_from([0, 0.1, 2]))
    message = both.message(procedure, arguments, cred=cred)

    seen = without_atime if procedure is NFS_V3.NFSPROC3_READ else bytes_of
    expected = seen(both.generic(message))

    found = {seen(both.quick(message)) for _ in range(2)}
    assert found <= {None, expected}


def test_closed_file_is_opened_again(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle("file")))
    expected = both.quick(message)
    (use,) = both.connection.uses.values()

    both.files.cached.forget(use.kept)

    assert both.quick(message) is None
    assert both.quick(message) == expected
