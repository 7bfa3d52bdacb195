"""The protocol ``nfs`` of fsspec: ``pandas.read_csv("nfs://files.example/export/x.csv")``.

fsspec finds the class by an entry point of this package. A path is absolute on the server: the
export that contains it is mounted. The options of the connection are ``storage_options``.
"""

from __future__ import annotations

import io
import os
import threading
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from oncrpc.nfs.client.blocking import SyncRemoteFile
from oncrpc.nfs.client.exports import ServerExports
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT
from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.client.url import NfsUrl

try:
    from fsspec import AbstractFileSystem
except ModuleNotFoundError:  # then nothing uses this class
    AbstractFileSystem = object

PREFIX = "nfs://"
BUFFER = 1 << 20
"""Bytes of the buffer of an open file."""

FSSPEC_OPTIONS = {
    *("use_listings_cache", "listings_expiry_time", "max_paths"),
    *("asynchronous", "loop", "batch_size"),
}
"""Options that fsspec passes to every class; they have no effect here."""

COPIED = 8 << 20
"""Bytes that ``cp_file`` copies at a time."""


class RawRemoteFile(io.RawIOBase):
    """An open file for Python's ``io``. ``lock`` lets one thread at a time use the server."""

    def __init__(self, file: SyncRemoteFile, lock: threading.RLock) -> None:
        self.file, self.lock = file, lock

    def readable(self) -> bool:
        """Whether the mode allows reading."""
        return self.file.mode[0] == "r" or "+" in self.file.mode

    def writable(self) -> bool:
        """Whether the mode allows writing."""
        return self.file.mode[0] != "r" or "+" in self.file.mode

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the position; 0 at the end of the file."""
        with self.lock:
            return self.file.readinto(buffer)

    def readall(self) -> bytes:
        """The rest of the file."""
        with self.lock:
            return self.file.read()

    def write(self, data: Any) -> int:
        """Write at the position."""
        with self.lock:
            return self.file.write(bytes(data))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position."""
        with self.lock:
            return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file."""
        with self.lock:
            return self.file.truncate(size)

    def close(self) -> None:
        """Store what was written, and close."""
        if not self.closed:
            try:
                with self.lock:
                    self.file.close()
            finally:
                super().close()


def buffered(raw: RawRemoteFile) -> io.BufferedIOBase:
    """Wrap the file in the buffered class for its mode."""
    if raw.readable() and raw.writable():
        return io.BufferedRandom(raw, BUFFER)
    return io.BufferedReader(raw, BUFFER) if raw.readable() else io.BufferedWriter(raw, BUFFER)


class NfsProtocol(AbstractFileSystem):
    """All exports of an NFS server.

    ``host`` and ``port`` come from the URL, the rest are storage options: ``mountport``,
    ``version``, ``uid``, ``gid``, ``timeout`` in seconds, ``mapper``, and ``auto_mkdir``, which
    creates the directories above a file that is written.
    """

    protocol = "nfs"
    root_marker = "/"

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        mountport: int | None = None,
        version: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        timeout: float = DEFAULT_CALL_TIMEOUT,
        mapper: str | None = None,
        auto_mkdir: bool = False,
        **options: Any,
    ) -> None:
        unknown = options.keys() - FSSPEC_OPTIONS
        if unknown:
            raise TypeError(f"unknown storage option for {PREFIX}: {', '.join(sorted(unknown))}")
        super().__init__(**options)
        self.host, self.auto_mkdir = host, auto_mkdir
        server = NfsUrl(host, b"/", port, mountport, version, uid, gid)
        self.exports = ServerExports(server, timeout=timeout, mapper=mapper)
        self.lock = threading.RLock()
        weakref.finalize(self, self.exports.connections.close)

    def close(self) -> None:
        """Close the connections. The next call opens them again."""
        with self.lock:
            self.exports.close()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = os.fspath(path)
        if text.startswith(PREFIX):
            text = text[len(PREFIX) :].partition("/")[2]
        return "/" + text.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        if not path.startswith(PREFIX):
            return {}
        parts = urlsplit(PREFIX + path[len(PREFIX) :].partition("/")[0])
        return {"host": parts.hostname or ""} | ({"port": parts.port} if parts.port else {})

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path."""
        return f"{PREFIX}{self.host}{self._strip_protocol(name)}"

    def _use(self, path: str, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of ``SyncRemoteFileSystem`` with the path below its export."""
        with self.lock:
            found = self.exports.find(self._strip_protocol(path))
            return getattr(found.fs, method)(found.path, *arguments, **options)

    def _names_below(self, path: str) -> list[str]:
        with self.lock:
            return self.exports.names_below(self._strip_protocol(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """The attributes of a file, or of the target of a link that is not broken."""
        path = self._strip_protocol(path)
        if self._names_below(path):
            return {"name": path, "size": 0, "type": "directory"}
        found = self._use(path, "lstat")
        return self._described(path, found)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """The entries of a directory, or the file itself."""
        path = self._strip_protocol(path)
        infos = [self.info(self._joined(path, name)) for name in self._names_below(path)]
        if not infos:
            found = self.info(path)
            infos = self._listed(path) if found["type"] == "directory" else [found]
        return infos if detail else sorted(info["name"] for info in infos)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        with self.lock:
            found = self.exports.find(path)
            entries = list(found.fs.scandir(found.path))
        return [self._described(self._joined(path, each.name), each.stat) for each in entries]

    def _described(self, path: str, stat: FileStat) -> dict[str, Any]:
        link = stat.is_symlink()
        if link:
            with suppress(OSError):  # a broken link
                stat = self._use(path, "stat")
        kind = "file" if stat.is_file() else "directory" if stat.is_dir() else "other"
        numbers = {"mode": stat.mode, "uid": stat.uid, "gid": stat.gid, "nlink": stat.nlink}
        times = {"mtime": stat.mtime, "ino": stat.fileid}
        return {"name": path, "size": stat.size, "type": kind, "islink": link, **numbers, **times}

    @staticmethod
    def _joined(path: str, name: str) -> str:
        return f"{path.rstrip('/')}/{name}"

    def modified(self, path: str) -> datetime:
        """The time of the last change."""
        return datetime.fromtimestamp(self.info(path)["mtime"], tz=UTC)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Create a directory."""
        self._use(path, "mkdir", parents=create_parents)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a directory and its missing parents."""
        self._use(path, "mkdir", parents=True, exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._use(path, "rmdir")

    def rm_file(self, path: str) -> None:
        """Remove a file, a link or an empty directory."""
        directory = self._use(path, "lstat").is_dir()
        self._use(path, "rmdir" if directory else "unlink")

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file; for a directory, create an empty one."""
        if self.isdir(path1):
            self.makedirs(path2, exist_ok=True)
            return
        with self.open(path1, "rb") as source, self.open(path2, "wb") as target:
            while data := source.read(COPIED):
                target.write(data)

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        """Rename a file or directory; between two exports copy it."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.isdir(target):
            target = self._joined(target, os.path.basename(source))
        with self.lock:
            found, into = self.exports.find(source), self.exports.find(target)
            if found.fs is into.fs:
                found.fs.rename(found.path, into.path)
                return
        super().mv(source, target, **({"recursive": True} | options))

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        """Create an empty file, or truncate it; without ``truncate`` set its times."""
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")
        else:
            self._use(path, "utime")

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedIOBase:
        if self.auto_mkdir and mode[0] != "r":
            self.makedirs(self._parent(path), exist_ok=True)
        return buffered(RawRemoteFile(self._use(path, "open", mode), self.lock))
