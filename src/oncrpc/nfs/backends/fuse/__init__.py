"""A back end for the objects of FUSE modules: pyfuse3, mfusepy, fusepy."""

from typing import TYPE_CHECKING, Any

from oncrpc.nfs.backends.fuse.paths import PathOperationsFileSystem

if TYPE_CHECKING:
    from oncrpc.nfs.backends.fuse.inodes import InodeOperationsFileSystem

__all__ = ["InodeOperationsFileSystem", "PathOperationsFileSystem"]


def __getattr__(name: str) -> Any:
    """Import what needs pyfuse3 only when it is used."""
    if name == "InodeOperationsFileSystem":
        from oncrpc.nfs.backends.fuse.inodes import InodeOperationsFileSystem

        return InodeOperationsFileSystem
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
