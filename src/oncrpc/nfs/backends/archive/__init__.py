"""A read-only back end for a zip or tar archive, indexed once when it is opened."""

from oncrpc.nfs.backends.archive.filesystem import ArchiveFileSystem
from oncrpc.nfs.backends.archive.members import ArchiveError

__all__ = ["ArchiveError", "ArchiveFileSystem"]
