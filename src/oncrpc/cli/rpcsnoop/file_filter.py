"""Choose messages by the names of files (``--file``)."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.file_names import FileNames
from oncrpc.snoop.words.programs import KnownPrograms


class FileFilter:
    """Chooses calls about files with one of these names, and their replies.

    A name is a shell pattern for the last part of a path, or with ``/`` for the whole path.
    ``files`` must learn from all messages, including those that are not shown.
    """

    def __init__(self, values: Sequence[str]) -> None:
        if not all(values):
            raise ValueError("missing name")
        self._patterns = values
        self.files = FileNames()

    def __call__(self, message: RpcMessage, _: KnownPrograms) -> bool:
        """True if the message is shown."""
        return any(map(self._fits, self.files.files_of(message)))

    def _fits(self, path: str) -> bool:
        last = path.rstrip("/").rpartition("/")[2]
        return any(
            fnmatchcase(path if "/" in pattern else last, pattern) for pattern in self._patterns
        )
