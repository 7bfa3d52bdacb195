"""``nfsd`` exports a bucket of an S3 server (moto), which may be gone for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    CREATE3args,
    LOOKUP3args,
    MKDIR3args,
    READ3args,
    READDIR3args,
    REMOVE3args,
    RENAME3args,
    WRITE3args,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from oncrpc.rpc import auth_sys
from support.exported import sattr
from support.hosts import until
from support.nfs_host import NFS_PORT, NfsHost
from support.nfs_user import mount
from support.object_store import S3_EXPORT, S3_PATH, ObjectStore

pytestmark = pytest.mark.interop
OK = nfsstat3.NFS3_OK


class StoreUser:
    """Root of a client, in the export with the bucket."""

    def __init__(self, host: NfsHost) -> None:
        self.host, self.root = host, mount(host, S3_PATH)

    @contextmanager
    def calls(self) -> Iterator[Any]:
        """The procedures of NFS 3."""
        with sync.run(self.host.dial("tcp", "127.0.0.1", NFS_PORT)) as link:
            nfs = NFS_V3.Client(link)
            yield NFS_V3.SyncClient(nfs).with_options(auth=auth_sys(b"client", 0, 0), timeout=60.0)

    def place(self, name: str, directory: nfs_fh3 | None = None) -> diropargs3:
        """A name in a directory, by default in the root."""
        return diropargs3(directory or self.root, name.encode())

    def create(self, name: str) -> nfs_fh3:
        """Create a file."""
        how = createhow3(createmode3.GUARDED, sattr(mode=0o644))
        with self.calls() as nfs:
            found = nfs.NFSPROC3_CREATE(CREATE3args(self.place(name), how))
        assert found.status is OK, found
        handle: nfs_fh3 = found.body.obj.body
        return handle

    def lookup(self, name: str) -> nfs_fh3:
        """The file with a name in the root. A new object may take a second to be seen."""
        results: list[Any] = []

        def found() -> bool:
            with self.calls() as nfs:
                results.append(nfs.NFSPROC3_LOOKUP(LOOKUP3args(self.place(name))))
            return results[-1].status is OK

        until(found, f"{name} is found")
        handle: nfs_fh3 = results[-1].body.object
        return handle

    def write(self, file: nfs_fh3, data: bytes) -> None:
        """Write, without a need for the data to be stored."""
        with self.calls() as nfs:
            found = nfs.NFSPROC3_WRITE(WRITE3args(file, 0, len(data), stable_how.UNSTABLE, data))
        assert found.status is OK, found

    def commit(self, file: nfs_fh3) -> nfsstat3:
        """Ask for the data to be stored."""
        with self.calls() as nfs:
            status: nfsstat3 = nfs.NFSPROC3_COMMIT(COMMIT3args(file, 0, 0)).status
        return status

    def read(self, file: nfs_fh3) -> bytes | nfsstat3:
        """The data, or the refusal."""
        with self.calls() as nfs:
            found = nfs.NFSPROC3_READ(READ3args(file, 0, 1 << 16))
        status: nfsstat3 = found.status
        data: bytes = found.body.data if status is OK else b""
        return data if status is OK else status

    def names(self, directory: nfs_fh3 | None = None) -> set[bytes]:
        """The names in a directory."""
        with self.calls() as nfs:
            arg = READDIR3args(directory or self.root, 0, bytes(8), 1 << 16)
            found = nfs.NFSPROC3_READDIR(arg)
        assert found.status is OK, found
        return {each.name for each in found.body.reply.entries} - {b".", b".."}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An object store on a host with ``nfsd``."""
    with NfsHost("", config=S3_EXPORT) as host:
        store = ObjectStore(host)
        store.start()
        yield store


@pytest.fixture
def user(store: ObjectStore) -> StoreUser:
    """A user of the bucket."""
    assert isinstance(store.host, NfsHost)
    return StoreUser(store.host)


def test_object_is_read_as_a_file(store: ObjectStore, user: StoreUser) -> None:
    store.put("directory/object", b"hello from S3")

    with user.calls() as nfs:
        place = user.place("object", user.lookup("directory"))
        file = nfs.NFSPROC3_LOOKUP(LOOKUP3args(place)).body.object

    assert user.read(file) == b"hello from S3"
    assert b"directory" in user.names()


def test_committed_file_is_an_object(store: ObjectStore, user: StoreUser) -> None:
    file = user.create("written")

    user.write(file, b"data" * 10_000)

    assert user.commit(file) is OK
    assert store.get("written") == b"data" * 10_000


def test_renamed_file_is_another_object(store: ObjectStore, user: StoreUser) -> None:
    file = user.create("old")
    user.write(file, b"data")
    with user.calls() as nfs:
        made = nfs.NFSPROC3_MKDIR(MKDIR3args(user.place("new"), sattr(mode=0o755)))
        target = user.place("name", made.body.obj.body)
        assert nfs.NFSPROC3_RENAME(RENAME3args(user.place("old"), target)).status is OK

    assert (store.get("old"), store.get("new/name")) == (None, b"data")
    assert user.read(file) == b"data"
    with user.calls() as nfs:
        assert nfs.NFSPROC3_REMOVE(REMOVE3args(target)).status is OK
    assert store.get("new/name") is None


def test_directory_with_an_object_is_renamed(store: ObjectStore, user: StoreUser) -> None:
    store.put("from/object", b"data")
    user.lookup("from")

    with user.calls() as nfs:
        arg = RENAME3args(user.place("from"), user.place("to"))
        assert nfs.NFSPROC3_RENAME(arg).status is OK

    assert (store.get("from/object"), store.get("to/object")) == (None, b"data")


def test_handle_is_valid_after_a_crash(store: ObjectStore, user: StoreUser) -> None:
    file = user.create("kept")
    user.write(file, b"data")
    assert user.commit(file) is OK

    user.host.kill_nfsd()
    user.host.nfsd = user.host.start_nfsd()

    assert user.read(file) == b"data"
    assert user.lookup("kept") == file


def test_data_are_kept_while_the_store_is_gone(store: ObjectStore, user: StoreUser) -> None:
    store.put("other", b"data")
    file, other = user.create("late"), user.lookup("other")
    user.write(file, b"data")
    store.stop()

    assert user.commit(file) is nfsstat3.NFS3ERR_IO
    assert user.read(other) is nfsstat3.NFS3ERR_IO
    assert user.read(file) == b"data"

    store.start()
    assert user.commit(file) is OK
    assert store.get("late") == b"data"
