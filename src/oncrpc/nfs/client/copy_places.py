"""The sources and the target of a copy, by paths."""

from __future__ import annotations

import os
import posixpath
from typing import NamedTuple

from oncrpc.nfs.client.copy_tree import CopyTree

NAMELESS = (b"", b".", b"..")


class CopySource(NamedTuple):
    """A file or directory to copy, and the name of its copy in a directory.

    Without a name, its entries are copied into the directory itself. ``shown`` is its name in
    messages.
    """

    tree: CopyTree
    path: bytes
    name: bytes
    shown: str

    @classmethod
    def of(cls, tree: CopyTree, path: str | os.PathLike[str], shown: str = "") -> CopySource:
        """A source whose copy has the last name of the path."""
        encoded = os.fsencode(path)
        name = posixpath.basename(encoded.rstrip(b"/"))
        return cls(tree, encoded, b"" if name in NAMELESS else name, shown or os.fspath(path))


class CopyTarget(NamedTuple):
    """A directory to copy into, or the new name of the copy.

    ``exact``: it is the name of the copy also if it is a directory.
    """

    tree: CopyTree
    path: bytes
    shown: str
    exact: bool = False

    @classmethod
    def of(cls, tree: CopyTree, path: str | os.PathLike[str], shown: str = "") -> CopyTarget:
        """A target."""
        return cls(tree, os.fsencode(path), shown or os.fspath(path))
