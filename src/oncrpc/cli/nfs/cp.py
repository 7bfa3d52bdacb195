"""``nfs cp``: copies files to a server, from it, or between servers."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from oncrpc.cli.command import Failure, Option, complain, run
from oncrpc.cli.nfs.command_line import NfsCommand, is_url, parse_command
from oncrpc.cli.nfs.cp_progress import CopyProgress
from oncrpc.cli.nfs.listing import human_size
from oncrpc.cli.nfs.names import plain, quoted
from oncrpc.cli.nfs.output import SERVER_ERRORS, OutputError, error_text
from oncrpc.cli.nfs.progress import INTERVAL
from oncrpc.cli.nfs.session import NfsSession
from oncrpc.nfs.client.connect import connect
from oncrpc.nfs.client.copy_local import LocalTree
from oncrpc.nfs.client.copy_places import CopySource, CopyTarget
from oncrpc.nfs.client.copy_report import DEFAULT_JOBS, CopyFailure, CopyOptions, CopyReport
from oncrpc.nfs.client.copy_tree import CopyTree
from oncrpc.nfs.client.copying import copy_trees
from oncrpc.nfs.client.url import NfsUrl

MAX_JOBS = 256
"""Files that ``nfs cp`` copies at once at most."""

COMMAND = NfsCommand(
    "cp",
    "FILE|URL... TARGET",
    "copy files to a server, from it, or between servers",
    (
        Option("recursive", "r", "", "copy directories, and symbolic links as links"),
        Option("preserve", "p", "", "keep modes, all times, and owners where permitted"),
        Option("no-clobber", "n", "", "do not replace existing files"),
        Option("resume", "", "", "skip complete files, and continue partial ones"),
        Option("no-target-directory", "T", "", "TARGET is the name of the copy"),
        Option("jobs", "j", "NUMBER", f"files copied at once; {DEFAULT_JOBS} by default"),
        Option("quiet", "q", "", "show no progress"),
        Option("verbose", "v", "", "print each file that is copied"),
    ),
    least=2,
)


class CopyPlace(NamedTuple):
    """An operand: a local path if ``url`` is None, else a path below that export."""

    url: NfsUrl | None
    path: str
    name: bytes
    shown: str


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""

    def body() -> int:
        try:
            with NfsSession(parse_command(COMMAND, arguments)) as session:
                return CopyCommand(session, arguments).run()
        except OutputError as failed:
            raise failed.error from None

    return run(COMMAND.program, body)


class CopyCommand:
    """A command line of ``nfs cp``, and what it has copied so far."""

    def __init__(self, session: NfsSession, arguments: Sequence[str]) -> None:
        self.session, self.arguments = session, arguments
        request = session.request
        self.options = CopyOptions(
            recursive=request.has("recursive"),
            preserve=request.has("preserve"),
            no_clobber=request.has("no-clobber"),
            resume=request.has("resume"),
            jobs=request.number("jobs", range(1, MAX_JOBS + 1)) or DEFAULT_JOBS,
        )
        self.report = CopyReport()
        self.report.on_failure = self._failed
        if request.has("verbose"):
            self.report.on_copied = self._copied
        self.progress = CopyProgress(COMMAND.program, self.report)
        self.progress.enabled &= not request.has("quiet")
        session.progress = session.errors.progress = session.output.progress = self.progress

    def run(self) -> int:
        """Copy; returns the exit status.

        Raises:
            KeyboardInterrupt: after a line with the command that resumes the copy.
        """
        *sources, last = self.session.request.operands
        if not any(map(is_url, (*sources, last))):
            raise self.session.request.wrong("no operand is a URL: cp(1) copies local files")
        if len(sources) > 1 and self.session.request.has("no-target-directory"):
            raise self.session.request.wrong("-T has only one source")
        if not is_url(last) and _is_special(last):
            hint = "'nfs cat' writes to devices and pipes"
            raise Failure(f"{COMMAND.program}: {plain(last)}: it is not a regular file; {hint}")
        try:
            places = list(self._places([last, *sources]))
            if len(places) > len(sources):  # all could be mounted
                asyncio.run(self._copy(places[1:], places[0]))
        except KeyboardInterrupt:
            self._end("interrupted")
            raise
        except CopyFailure as failure:
            self._failed(failure)
            if self.report.files or self.report.skipped or self.report.bytes:
                self._end("stopped")
            return 1
        finally:
            self.progress.erase()
        return self._finish()

    def _places(self, operands: Sequence[str]) -> Iterator[CopyPlace]:
        """The operands; one that cannot be mounted is reported, and missing here."""
        for text in operands:
            if not is_url(text):
                source = CopySource.of(LocalTree(), text)
                yield CopyPlace(None, text, source.name, text)
                continue
            operand = self.session.operand(text)
            if not operand.path:
                raise self.session.request.wrong(f"{plain(text)} names no export")
            with self.session.reporting(operand):
                found = self.session.find(operand)
                inner = operand.text.endswith("/.")
                name = b"" if inner else os.fsencode(posixpath.basename(operand.path))
                slash = "/" * operand.text.endswith("/")
                url = found.fs.fs.tree.paths.target.url
                yield CopyPlace(url, found.path + slash, name, operand.text.removesuffix("/."))

    async def _copy(self, sources: Sequence[CopyPlace], target: CopyPlace) -> None:
        async with AsyncExitStack() as stack, self._showing():
            servers = _CopyServers(stack, self.session.request.connection.timeout)
            try:
                to = await servers.tree(target)
                trees = [await servers.tree(source) for source in sources]
            except SERVER_ERRORS as error:
                raise CopyFailure(target.shown, error) from error
            exact = self.session.request.has("no-target-directory")
            path = os.fsencode(target.path)
            await copy_trees(
                [
                    CopySource(tree, os.fsencode(each.path), each.name, each.shown)
                    for tree, each in zip(trees, sources, strict=True)
                ],
                CopyTarget(to, path, target.shown, exact),
                self.options,
                self.report,
            )

    @asynccontextmanager
    async def _showing(self) -> AsyncIterator[None]:
        """Show progress while the context lasts."""

        async def refresh() -> None:
            while True:
                await asyncio.sleep(INTERVAL)
                self.progress.refresh()

        if not self.progress.enabled:
            yield
            return
        task = asyncio.create_task(refresh())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _copied(self, source: str, target: str) -> None:
        terminal = self.session.output.terminal
        names = (quoted(name, terminal=terminal) for name in (source, target))
        self.session.output.line(" -> ".join(names))

    def _failed(self, failure: CopyFailure) -> None:
        self.session.errors.line(error_text(str(failure.filename), failure))

    def _finish(self) -> int:
        failed, done = self.report.failed, self.report.files + self.report.skipped
        if failed and failed + done > 1:
            complain(f"{COMMAND.program}: {failed:,} of {failed + done:,} files were not copied")
        return 1 if self.session.errors.count else 0

    def _end(self, how: str) -> None:
        """Print the command that resumes a copy that has not completed."""
        self.progress.erase()
        done = f"{self.report.files:,} files, {human_size(self.report.bytes)}B"
        complain(f"{COMMAND.program}: {how} after {done}; go on with: {self._again()}")

    def _again(self) -> str:
        """The command that resumes this copy."""
        added = ["--resume"] * (not self.options.resume)
        exact = self.session.request.has("no-target-directory")
        if self.report.renamed and not exact:
            added.append("-T")
        return plain(shlex.join(["nfs", "cp", *added, *self.arguments]))


def _is_special(target: str) -> bool:
    """Whether a local target is a device, a pipe or a socket, or a link to one."""
    try:
        mode = os.stat(target).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class _CopyServers:
    """Connects to each export once."""

    def __init__(self, stack: AsyncExitStack, timeout: float) -> None:
        self.stack, self.timeout = stack, timeout
        self._trees: dict[NfsUrl, CopyTree] = {}

    async def tree(self, place: CopyPlace) -> CopyTree:
        """The tree of an operand."""
        if place.url is None:
            return LocalTree()
        if place.url not in self._trees:
            fs = await self.stack.enter_async_context(connect(place.url, timeout=self.timeout))
            self._trees[place.url] = fs.tree
        return self._trees[place.url]
