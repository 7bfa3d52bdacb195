"""The table of handles without privilege: an ordinary user, a user namespace, overlayfs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.namespace import need

TESTS = Path(__file__).parents[1]
NOBODY = 65534

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become others and to mount"),
]

HOST_PYTHON = "/usr/bin/python3"
"""A Python that every user may execute."""

LIFE = (HOST_PYTHON, "-m", "support.table_life")
AS_USER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
IN_NAMESPACE = (*AS_USER, "unshare", "--user", "--map-user=1000", "--map-group=1000")
ON_OVERLAY = """
set -e
cd "$1"
mkdir -m 700 lower upper work merged state lower/old
echo lower > lower/old/file
echo lower > lower/unchanged
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
"""
COPY_UP = """
$LIFE look merged state/table old old/file unchanged > ids
stat -c %i merged/old merged/old/file merged/unchanged > inodes
echo upper >> merged/old/file
chmod 711 merged/old
$LIFE look merged state/table old old/file unchanged > again
mv merged/old/file merged/old/moved
$LIFE check merged state/table < ids > found
"""
SUITE = (
    "test_local.py",
    "test_marks.py",
    "test_table.py",
    "test_table_repair.py",
    "test_table_properties.py",
)
"""Tests that pass on any file system. Names of pytest's directory for them begin with tmp."""


def run(command: Sequence[str], *, stdin: str = "") -> str:
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path, "LIFE": shlex.join(LIFE)},
        timeout=120,
        text=True,
        input=stdin,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def on_overlay(folder: Path, script: str, *arguments: str) -> str:
    """Run a script in ``folder``, where an overlay is mounted at ``merged``."""
    command = ["unshare", "-m", "sh", "-c", ON_OVERLAY + script, "sh", str(folder), *arguments]
    return run(command)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of an ordinary user, with ``top`` to export and ``state`` for the table."""
    folder = Path(tempfile.mkdtemp(prefix="oncrpc-table-", dir="/tmp"))
    for path in (folder, folder / "top", folder / "state"):
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("prefix", [AS_USER, IN_NAMESPACE], ids=["user", "namespace"])
def test_ids_survive_without_any_capability(folder: Path, prefix: Sequence[str]) -> None:
    need(HOST_PYTHON, "setpriv", "unshare")
    top, life = folder / "top", [*prefix, *LIFE]
    paths = [str(top), str(folder / "state" / "table")]

    begun = run([*life, "begin", *paths])
    (top / "moved").rename(top / "away")  # not by the server
    found = json.loads(run([*life, "check", *paths], stdin=begun))

    assert "the server has no CAP_DAC_READ_SEARCH" in json.loads(begun)["reason"]
    assert found == {
        ".": top.stat().st_ino,
        "moved": (top / "away").stat().st_ino,
        "moved/renamed": (top / "away/renamed").stat().st_ino,
    }


def test_overlay_keeps_ids_over_copy_up(tmp_path: Path) -> None:
    need(HOST_PYTHON, "unshare")
    on_overlay(tmp_path, COPY_UP)

    first, again, found = (
        json.loads((tmp_path / name).read_text()) for name in ("ids", "again", "found")
    )
    inodes = (tmp_path / "inodes").read_text().split()
    assert "the file system gives no handles" in first["reason"]
    if "does not tell when a file was created" in first["reason"]:
        pytest.skip("needs Linux 6.6")
    assert again == first
    assert found == dict(zip(first["ids"], map(int, inodes), strict=True))


def test_all_rules_hold_on_overlay(tmp_path: Path) -> None:
    tests = [str(TESTS / "nfs/backends/local" / name) for name in SUITE]
    options = ["--basetemp=merged/tests", "--rootdir", str(TESTS.parent), "-p", "no:cacheprovider"]
    options += ["-c", str(TESTS.parent / "pyproject.toml")]
    chosen = ["-k", "not tmpfs and not TestLocalFileSystem"]
    script = 'shift; export TMPDIR=$PWD/merged; exec "$@"'

    said = on_overlay(
        tmp_path, script, sys.executable, "-m", "pytest", "-q", *options, *chosen, *tests
    )

    assert " passed" in said.splitlines()[-1]
    assert "skipped" not in said.splitlines()[-1]
