"""A disk for a guest with Python and this package, to run our daemons beside a real kernel.

guest = lan.boot("one", disks=[python_disk(folder)])
guest.run(MOUNT_PYTHON)
guest.begin(in_python("oncrpc.cli.nfsd", "-f", "--only", "status"))
"""

from __future__ import annotations

import compileall
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

import lark
import msgspec

import oncrpc
from support.guest_image import add_libraries, command

ROOT = "/python"
PACKAGES = "/packages"
LEFT_OUT = (
    "test", "tests", "site-packages", "dist-packages", "ensurepip", "idlelib", "lib2to3", "tkinter",
    "turtledemo", "pydoc_data", "unittest", "config-*", "*.opt-*", "*.a",
)  # fmt: skip
SHARED = ("proc", "sys", "dev", "run", "tmp", "etc", "var/lib")
"""Folders of the guest that are seen by Python too."""

MOUNT_PYTHON = f"mount -o ro -t ext4 /dev/vdb {ROOT} && " + " && ".join(
    f"mount --rbind /{folder} {ROOT}/{folder}" for folder in SHARED
)


def python_disk(folder: Path) -> Path:
    """The image of the disk, made in the folder unless it is there."""
    disk, root = folder / "python.ext4", folder / "python"
    if disk.exists():
        return disk
    executable = Path(os.path.realpath(sys.executable))
    standard = Path(sysconfig.get_path("stdlib"))
    copied = root / standard.relative_to("/")
    shutil.copytree(standard, copied, ignore=shutil.ignore_patterns(*LEFT_OUT))
    _packages(root / PACKAGES.lstrip("/"))
    _program(root, executable)
    for module in (*copied.glob("lib-dynload/*.so"), *root.rglob("msgspec/*.so")):
        add_libraries(root, str(module))
    for shared in SHARED:
        (root / shared).mkdir(parents=True, exist_ok=True)
    partial = folder / "python.partial"
    command("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-d", root, partial, "200M")
    shutil.rmtree(root)
    return partial.rename(disk)


def in_python(module: str, *options: str) -> str:
    """The command of a guest that runs one of our modules."""
    program = os.path.realpath(sys.executable)
    words = ["chroot", ROOT, "env", f"PYTHONPATH={PACKAGES}", program, "-m", module, *options]
    return shlex.join(words)


def _program(root: Path, executable: Path) -> None:
    target = root / executable.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(executable, target)
    add_libraries(root, str(executable))
    for tool in ("env", "sh"):
        found = shutil.which(tool)
        assert found is not None, f"no {tool}"
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy(found, root / "bin" / tool)
        add_libraries(root, found)


def _packages(target: Path) -> None:
    """This package and what it needs, compiled: to compile in the guest takes long."""
    for module in (oncrpc, lark, msgspec):
        found = Path(str(module.__file__)).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(found, target / found.name, ignore=ignored)
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(target, quiet=2, invalidation_mode=unchecked)
