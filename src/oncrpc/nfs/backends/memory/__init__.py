"""A file system in the memory of the server, with POSIX's rules: for tests and scratch data."""

from __future__ import annotations

from oncrpc.nfs.backends.memory.filesystem import MemoryFileSystem as MemoryFileSystem
