"""A back end for every file system that fsspec knows: S3, SFTP, memory, a local directory."""

from oncrpc.nfs.backends.fsspec.filesystem import FsspecFileSystem

__all__ = ["FsspecFileSystem"]
