"""A back end for an archive (zip or tar): read-only, indexed once when it is opened."""

from oncrpc.nfs.backends.archive.filesystem import ArchiveFileSystem
from oncrpc.nfs.backends.archive.members import ArchiveError

__all__ = ["ArchiveError", "ArchiveFileSystem"]
