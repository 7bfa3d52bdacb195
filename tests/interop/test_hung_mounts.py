"""A file system that never answers is mounted below an export: it stops nobody.

It is FUSE without a program that serves it, as a local user may leave one. A call that asked it for
anything would never return.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.disks import Disks
from support.namespace import Namespace

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORT = """
import asyncio, ctypes, os, signal
from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local.chosen import kernel_objects, table_objects
from oncrpc.nfs.backends.local.kernel_handles import NoKernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import NOW, Identity, NewAttributes
from oncrpc.programs.nfs3 import stable_how

signal.alarm(10)
ROOT = "/mnt/export"
os.makedirs(ROOT + "/hung")
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
mounted = ctypes.CDLL(None).mount(b"hung", os.fsencode(ROOT) + b"/hung", b"fuse", 0, options)
assert mounted == 0

def no_handles():
    return table_objects(ROOT, None, why=NoKernelHandles(95, "for a test")).objects

def all_mounts():
    return kernel_objects(ROOT, crosses=lambda _: True)

async def refused(files, call):
    try:
        await settled(call(Identity(0, 0)))
    except OSError as error:
        return type(error).__name__, error.errno
    raise AssertionError("it is not refused")

async def use(objects):
    files = LocalFileSystem(ROOT, objects=objects)
    root, new = files.root, NewAttributes(mode=0o600, mtime=NOW)
    written = await settled(files.create(Identity(0, 0), root, b"file", NewAttributes()))
    await settled(files.write(Identity(0, 0), written, 0, b"x", stable=stable_how.UNSTABLE))
    print(
        len(files.readdir(Identity(0, 0), root, 0, 100, plus=True).entries),
        *[
            (await refused(files, call))[1]
            for call in (
                lambda who: files.lookup(who, root, b"hung"),
                lambda who: files.create(who, root, b"hung", new),
                lambda who: files.remove(who, root, b"hung"),
                lambda who: files.rmdir(who, root, b"hung"),
                lambda who: files.rename(who, root, b"file", root, b"hung"),
                lambda who: files.rename(who, root, b"hung", root, b"new"),
            )
        ],
    )
    files.close()

"""


@pytest.fixture
def disks() -> Iterator[Disks]:
    with Namespace() as namespace:
        yield Disks(namespace)


@pytest.mark.parametrize("objects", ["kernel_objects(ROOT)", "all_mounts()", "no_handles()"])
def test_hung_mount_point_is_refused_at_once(disks: Disks, objects: str) -> None:
    printed = disks.python(f"{EXPORT}asyncio.run(use({objects}))")

    assert printed == "4 13 17 21 16 21 16\n"
