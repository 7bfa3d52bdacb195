"""A back end that makes another one writable: changes go into an upper directory."""

from oncrpc.nfs.backends.overlay.filesystem import OverlayFileSystem

__all__ = ["OverlayFileSystem"]
