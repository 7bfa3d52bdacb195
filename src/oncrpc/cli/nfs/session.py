"""A run of a command of ``nfs``: its servers, its output and its errors."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from oncrpc.cli.command import run
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, parse_command
from oncrpc.cli.nfs.names import url_path
from oncrpc.cli.nfs.output import SERVER_ERRORS, ErrorReport, Output, OutputError
from oncrpc.cli.nfs.progress import ProgressLine
from oncrpc.errors import CallError
from oncrpc.nfs.client.blocking import SyncRemoteFileSystem
from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.nfs.client.exports import FoundExport, ServerExports
from oncrpc.nfs.client.results import FileHandle, HandlePath
from oncrpc.nfs.client.url import NfsUrl

T = TypeVar("T")


class NfsOperand(NamedTuple):
    """A URL of the command line.

    ``text`` is the URL without its options, which are ``query``. ``path`` is absolute on the
    server; it is empty if the URL has none.
    """

    url: NfsUrl
    text: str
    query: str
    path: str

    def url_of(self, path: str) -> str:
        """The URL of another path of the server."""
        prefix = "/".join(self.text.split("/", 3)[:3])
        return prefix + url_path(path) + self.query


class RemotePlace(NamedTuple):
    """A file of an operand: its file system, a path or handle there, its path on the server.

    ``path`` is what methods of ``fs`` take. ``shown`` is for messages.
    """

    operand: NfsOperand
    fs: SyncRemoteFileSystem
    path: str | FileHandle | HandlePath
    shown: str

    def below(self, name: str, handle: FileHandle | None = None) -> RemotePlace:
        """A file in this directory; ``handle`` is its handle if that is known."""
        return self._replace(
            path=handle or self._path_below(name), shown=posixpath.join(self.shown, name)
        )

    def _path_below(self, name: str) -> str | HandlePath:
        path = self.path
        return posixpath.join(path, name) if isinstance(path, str) else path / name

    @property
    def export(self) -> str:
        """The path of the export, for a place with a path instead of a handle."""
        below = self.path if isinstance(self.path, str) else ""
        return self.shown.removesuffix(below).rstrip("/") or "/"

    @property
    def url(self) -> str:
        """The URL of the file."""
        return self.operand.url_of(self.shown)


class NfsSession:
    """What a command uses: ``place`` mounts exports, which stay mounted until the session ends."""

    def __init__(self, request: NfsRequest) -> None:
        self.request = request
        self.progress = ProgressLine(request.command.program)
        self.output = Output(self.progress)
        self.errors = ErrorReport(request.command.program, self.progress)
        self._servers: dict[NfsUrl, ServerExports] = {}
        self._connections = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.progress.erase()
        self._connections.close()

    def operand(self, text: str) -> NfsOperand:
        """An operand of the command line.

        Raises:
            UsageError: it is not a URL.
        """
        url = self.request.url(text)
        before, mark, query = text.partition("?")
        has_path = before.count("/") > 2
        path = posixpath.normpath("/" + os.fsdecode(url.path).lstrip("/")) if has_path else ""
        return NfsOperand(url, before, mark + query, path)

    def operands(self, texts: Iterable[str]) -> list[NfsOperand]:
        """The operands; a wrong one is reported before anything is done."""
        return [self.operand(text) for text in texts]

    def server(self, operand: NfsOperand) -> ServerExports:
        """The exports of the server of an operand."""
        server = operand.url._replace(path=b"/")
        exports = self._servers.get(server)
        if exports is None:
            timeout = self.request.connection.timeout
            exports = self._servers[server] = ServerExports(server, timeout=timeout)
            self._connections.callback(exports.close)
        return exports

    def place(self, operand: NfsOperand) -> RemotePlace:
        """Mount the export of a file.

        Raises:
            OSError, OncRpcError: the server cannot be reached, or refuses.
        """
        path = operand.path or "/"
        exports = self.server(operand)
        if exports.names_below(path):
            below = next(name for name in exports.names if name.startswith(path.rstrip("/") + "/"))
            raise OSError(errno.ENOENT, f"not in an export: name one, such as {below}")
        found = self.find(operand)
        return RemotePlace(operand, found.fs, found.path, path)

    def find(self, operand: NfsOperand) -> FoundExport:
        """Mount the export of a file; a refusal names the command that tells why.

        Raises:
            OSError, OncRpcError: the server cannot be reached, or refuses.
        """
        try:
            return self.server(operand).find(operand.path or "/")
        except (NfsStatusError, CallError) as error:
            number, reason = errno.EACCES, str(error)
            if isinstance(error, NfsStatusError):
                number, reason = error.errno or number, error.strerror or reason
            url = operand.text + operand.query
            hint = f"'nfs ping {url}' shows which layer fails"
            raise OSError(number, f"{reason}; {hint}") from None

    @contextmanager
    def reporting(self, operand: NfsOperand) -> Iterator[None]:
        """Report an error of an operand, also if its server is lost."""
        try:
            yield
        except SERVER_ERRORS as error:
            self.errors.add(operand.path or operand.text, error)

    def counted(self, items: Iterable[T]) -> Iterator[T]:
        """The same entries, with their number as progress."""
        for item in items:
            self.progress.step("entries")
            yield item

    def each(self, use: Callable[[RemotePlace], None]) -> None:
        """Mount and use each operand; after an error go on with the next."""
        for operand in self.operands(self.request.operands):
            with self.reporting(operand):
                use(self.place(operand))


def run_command(
    command: NfsCommand, use: Callable[[NfsSession], None], arguments: Sequence[str]
) -> int:
    """Parse the command line and run a command; returns the exit status."""

    def body() -> int:
        try:
            with NfsSession(parse_command(command, arguments)) as session:
                use(session)
                return session.errors.finish()
        except OutputError as failed:
            raise failed.error from None

    return run(command.program, body)
