"""A back end for the objects of FUSE modules: pyfuse3, mfusepy, fusepy."""

from oncrpc.nfs.backends.fuse.paths import PathOperationsFileSystem

__all__ = ["PathOperationsFileSystem"]
