"""Copying trees of files: local to a server, back, and between servers.

One walk goes through the source. It starts a task for each file, of which a limited number run at
once. A directory gets its attributes when all its entries are done. Each file is written under a
temporary name, gets the time of its source, and is renamed last. So a file with its own name is
complete, however the copy ended.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat as modes
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext, suppress
from typing import NamedTuple

from oncrpc.errors import OncRpcError, ProtocolError
from oncrpc.nfs.client.copy_places import CopySource, CopyTarget
from oncrpc.nfs.client.copy_report import (
    CopyFailure,
    CopyOptions,
    CopyReport,
    failing_at,
    is_complete,
    joined,
)
from oncrpc.nfs.client.copy_tree import (
    CopyEntry,
    CopyOperand,
    CopyTree,
    Directory,
    Identity,
    PartialCopy,
    certain,
    partial_name,
)
from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.filesystem import NewAttributes

MAX_DEPTH = 256
"""Directories within each other that a copy follows."""

BIG = 8 << 20
"""Bytes of a file of which only a few are copied at once."""

BIG_FILES = 2
"""Big files that are copied at once: each may hold 64 MiB until the server has stored them."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of the target after which all other files would fail too."""

DEVICES = (modes.S_IFCHR, modes.S_IFBLK)
PERMISSIONS, PLAIN = 0o7777, 0o777


async def copy_trees(
    sources: Sequence[CopySource], target: CopyTarget, options: CopyOptions, report: CopyReport
) -> None:
    """Copy files and directories, as cp(1) does. Errors of single files are in the report.

    A target that is a directory receives the copies under their own names; else it is the new name
    of the only source. More than one job needs an event loop of asyncio.

    Raises:
        CopyFailure: the target cannot be used, it is full, or a server cannot be reached.
    """
    tree = target.tree
    with failing_at(target.shown):
        found = await tree.directory(target.path)
        into = found is not None and not target.exact
        if found is not None:
            directory, name = found.directory, b""
        elif len(sources) > 1 or (target.path.endswith(b"/") and not options.recursive):
            raise OSError(errno.ENOTDIR, "it is not a directory")
        else:
            directory, name = await tree.parent(target.path)
    report.renamed = not into
    copier = _Copier(tree, options, report)
    try:
        for source in sources:
            shown = joined(target.shown, source.name) if into else target.shown
            named = source if into else source._replace(name=name)
            await copier.copy(named, directory, shown)
    finally:
        await copier.end()
        tree.leave(directory)


class _CopyLevel:
    """A directory in progress: ``source`` and ``target`` are open.

    ``pending`` counts its entries in progress, and the walk while it lists them. At 0 it gets its
    attributes and is closed. ``made`` is the mode with which this copy created the target; None if
    the target existed. ``around`` identifies the directories around it, and their copies.
    """

    def __init__(self, tree: CopyTree, source: CopyOperand, target: Directory) -> None:
        self.tree, self.source, self.stat = tree, source.directory, source.entry.stat
        self.target = target
        self.entries = tree.entries(self.source)
        self.pending = 1
        self.made: int | None = None
        self.around = frozenset[Identity]()
        self.shown = self.target_shown = ""


class _CopyJob(NamedTuple):
    """An entry to copy, the name of its copy, and the names of both for messages."""

    level: _CopyLevel
    entry: CopyEntry
    name: bytes
    shown: str
    target_shown: str


class _Copier:
    """Copies sources into one tree.

    ``_tasks`` has the files in progress. With one job there are no tasks, and no event loop is
    needed. ``_fatal`` is an error that ends the copy.
    """

    def __init__(self, target: CopyTree, options: CopyOptions, report: CopyReport) -> None:
        self.target, self.options, self.report = target, options, report
        self.umask = _umask()
        self._tasks = set[asyncio.Task[None]]()
        self._fatal: BaseException | None = None
        self._free = self._big = None if options.jobs == 1 else asyncio.Semaphore(BIG_FILES)
        if options.jobs > 1:
            self._free = asyncio.Semaphore(options.jobs)

    async def copy(self, source: CopySource, directory: Directory, shown: str) -> None:
        """Copy a source into an open directory, and wait until it is done."""
        try:
            with failing_at(source.shown):
                follow = not self.options.recursive
                operand = await source.tree.operand(source.path, follow=follow)
                if not source.name and not operand.entry.stat.is_dir():
                    source.tree.leave(operand.directory)
                    raise OSError(errno.EISDIR, f"{shown} is a directory")
        except CopyFailure as failure:
            return self._failed(failure)
        above = _CopyLevel(
            source.tree, operand, directory
        )  # never done: its directories are not ours
        try:
            job = _CopyJob(above, operand.entry, source.name, source.shown, shown)
            await self._walk(job)
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._check()
        finally:
            await self.end()
            await above.entries.aclose()
            source.tree.leave(operand.directory)
        return None

    async def end(self) -> None:
        """Stop the tasks that are still running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _walk(self, first: _CopyJob) -> None:
        """Copy an entry, and all that is below it."""
        stack = list[_CopyLevel]()
        job: _CopyJob | None = first
        try:
            while job is not None or stack:
                if job is None:
                    await self._release(stack.pop())
                elif job.entry.stat.is_dir():
                    stack.extend(await self._entered(job, len(stack)))
                else:
                    await self._start(job)
                self._check()
                job = await self._next(stack[-1]) if stack else None
        finally:
            for level in stack:
                await level.entries.aclose()
                self._drop(level)

    async def _next(self, level: _CopyLevel) -> _CopyJob | None:
        """The next entry of a directory; None at its end."""
        try:
            with failing_at(level.shown):
                entry = await anext(level.entries, None)
        except CopyFailure as failure:
            self._failed(failure)
            return None
        if entry is None:
            return None
        shown, target = (joined(above, entry.name) for above in (level.shown, level.target_shown))
        return _CopyJob(level, entry, entry.name, shown, target)

    async def _entered(self, job: _CopyJob, depth: int) -> list[_CopyLevel]:
        """Open a directory and its copy; an empty list if that fails."""
        above, tree = job.level, job.level.tree
        try:
            with failing_at(job.shown):
                self._check_directory(job, depth)
                source = await tree.enter(above.source, job.entry)
        except CopyFailure as failure:
            self._failed(failure)
            return []
        try:
            with failing_at(job.target_shown):
                target, made = await self._target_directory(job)
        except CopyFailure as failure:
            tree.leave(source)
            self._failed(failure)
            return []
        except BaseException:
            tree.leave(source)
            raise
        level = _CopyLevel(tree, CopyOperand(source, job.entry), target.directory)
        found = tree.identity(job.entry.stat), self.target.identity(target.entry.stat)
        level.made, level.around = made, above.around.union(found)
        level.shown, level.target_shown = job.shown, job.target_shown
        return [level]

    def _check_directory(self, job: _CopyJob, depth: int) -> None:
        """Refuse a directory that is not to be copied, or whose copy would have no end."""
        if not self.options.recursive:
            raise OSError(errno.EISDIR, "it is a directory; -r copies directories")
        if depth >= MAX_DEPTH:
            raise OSError(errno.ELOOP, f"it is within more than {MAX_DEPTH} directories")
        if job.level.tree.identity(job.entry.stat) in job.level.around:
            raise OSError(errno.ELOOP, "it contains itself or its copy")

    async def _target_directory(self, job: _CopyJob) -> tuple[CopyOperand, int | None]:
        """Open the copy of a directory; create it if it does not exist. Returns its mode then."""
        above = job.level
        if not job.name:
            return await self.target.itself(above.target), None
        found = await self._existing(job)
        if found is not None:
            return CopyOperand(await self.target.enter(above.target, found), found), None
        mode = job.entry.stat.mode & PLAIN & ~self.umask | modes.S_IRWXU
        return await self.target.make_directory(above.target, job.name, mode), mode

    async def _existing(self, job: _CopyJob) -> CopyEntry | None:
        """What has the name of the copy; a directory that this copy created is empty."""
        if job.level.made is not None:
            return None
        return await self.target.find(job.level.target, job.name)

    async def _start(self, job: _CopyJob) -> None:
        """Copy an entry that is not a directory: as a task, if one is free."""
        job.level.pending += 1
        if self._free is None:
            return await self._run(job)
        try:
            await self._free.acquire()
        except BaseException:
            self._drop(job.level)
            raise
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        assert self._free is not None, "there are tasks only with this limit"
        self._free.release()
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fatal = task.exception()

    async def _run(self, job: _CopyJob) -> None:
        try:
            await self._entry(job)
        except CopyFailure as failure:
            self._failed(failure)
        except BaseException:
            self._drop(job.level)
            raise
        await self._release(job.level)

    async def _release(self, level: _CopyLevel) -> None:
        """An entry of the directory is done, or the walk through it."""
        if level.pending > 1:
            level.pending -= 1
            return
        try:
            with failing_at(level.target_shown):
                await self._finish(level)
        except CopyFailure as failure:
            self._failed(failure)
        finally:
            self._drop(level)

    def _drop(self, level: _CopyLevel) -> None:
        """Close the directory if nothing of it is in progress."""
        level.pending -= 1
        if not level.pending:
            level.tree.leave(level.source)
            self.target.leave(level.target)

    async def _finish(self, level: _CopyLevel) -> None:
        """Set the attributes of a directory whose entries are done."""
        stat = level.stat
        if self.options.preserve:
            await self.target.set(level.target, b"", _preserved(stat))
        elif level.made is not None:
            mode = stat.mode & PLAIN & ~self.umask
            if mode != level.made:
                await self.target.set(level.target, b"", [NewAttributes(mode=mode)])

    async def _entry(self, job: _CopyJob) -> None:
        """Copy an entry that is not a directory, unless its copy exists."""
        stat, tree = job.entry.stat, job.level.tree
        with failing_at(job.target_shown):
            found = await self._existing(job)
            if found is not None and found.stat.is_dir():
                raise OSError(errno.EISDIR, "it is a directory, and is not replaced by a file")
            if found is not None and stat.is_file() and _is_special(found.stat):
                raise OSError(errno.EEXIST, "it is a device, named pipe or socket; not replaced")
        if found is not None:
            if tree.identity(stat) == self.target.identity(found.stat):
                raise CopyFailure(job.shown, OSError(errno.EINVAL, "it would replace itself"))
            complete = self.options.resume and is_complete(stat, found.stat)
            if complete or self.options.no_clobber:
                self.report.skipped += 1
                return
        if stat.is_file():
            await self._file(job, found)
        else:
            await self._other(job, found)
        self.report.files += 1
        self.report.on_copied(job.shown, job.target_shown)

    async def _file(self, job: _CopyJob, found: CopyEntry | None) -> None:
        """Copy a regular file by a temporary name, which remains if the copy is interrupted."""
        stat, target = job.entry.stat, job.level.target
        async with self._big if self._big and stat.size > BIG else nullcontext():
            temporary = partial_name(job.entry, job.name)
            size = stat.size if self.options.resume and certain(stat.size) else None
            mode = stat.mode & modes.S_IXUSR | modes.S_IRUSR | modes.S_IWUSR
            with failing_at(job.target_shown):
                partial = await self.target.begin(target, temporary, mode=mode, size=size)
            try:
                await self._content(job, partial)
                with failing_at(job.target_shown):
                    await partial.put(job.name, self._attributes(stat, found))
            except CopyFailure as failure:
                if not _ends_all(failure):
                    await self._removed(target, temporary)
                raise
            finally:
                partial.close()

    async def _content(self, job: _CopyJob, partial: PartialCopy) -> None:
        entry, at = job.entry, partial.start
        pieces = job.level.tree.read(job.level.source, entry, at)
        size = entry.stat.size
        with self.report.copying(job.shown, size, at) as moved, failing_at(job.shown):
            async with aclosing(pieces):
                async for piece in pieces:
                    with failing_at(job.target_shown):
                        await partial.write(at, piece)
                    at += len(piece)
                    moved(len(piece))
            if at < size:
                raise OSError(errno.EIO, f"it ended after {at} of {size} bytes")

    async def _removed(self, directory: Directory, name: bytes) -> None:
        with suppress(OSError, OncRpcError):
            await self.target.remove(directory, name)

    def _attributes(self, stat: FileStat, found: CopyEntry | None) -> list[NewAttributes]:
        """The attributes of a copy. One that replaces a file has the permissions of that file."""
        if self.options.preserve:
            return _preserved(stat)
        mode = stat.mode & PLAIN & ~self.umask
        if found is not None and found.stat.is_file():
            mode = found.stat.mode & PLAIN
        return [NewAttributes(mode=mode, mtime=stat.mtime_ns)]

    async def _other(self, job: _CopyJob, found: CopyEntry | None) -> None:
        """Copy a link or a special file: at once by its name, unless it replaces a file."""
        target, name = job.level.target, job.name
        if found is not None:
            name = partial_name(job.entry, job.name)
        with failing_at(job.shown):
            make = await self._maker(job)
        try:
            with failing_at(job.target_shown):
                await make(target, name)
                if self.options.preserve:
                    await self.target.set(target, name, _preserved(job.entry.stat))
                if name != job.name:
                    await self.target.rename(target, name, job.name)
        except CopyFailure:
            if name != job.name:
                await self._removed(target, name)
            raise

    async def _maker(self, job: _CopyJob) -> Callable[[Directory, bytes], Awaitable[None]]:
        """How to make the copy of a link or a special file."""
        stat = job.entry.stat
        if stat.is_symlink():
            text = await job.level.tree.read_link(job.level.source, job.entry)
            if b"\0" in text:
                raise ProtocolError("the server sent a symbolic link with a NUL")
            return lambda directory, name: self.target.make_link(directory, name, text)
        if not self.options.preserve:
            raise OSError(errno.EINVAL, "it is a special file; -r -p copies special files")
        if modes.S_IFMT(stat.mode) in DEVICES and os.geteuid() != 0:
            raise OSError(errno.EPERM, "it is a device; only root copies devices")
        return lambda directory, name: self.target.make_node(directory, name, stat)

    def _failed(self, failure: CopyFailure) -> None:
        """Report an error. One that all other files would have too ends the copy."""
        if not _ends_all(failure):
            self.report.fail(failure)
        elif self._fatal is None:
            self._fatal = failure

    def _check(self) -> None:
        if self._fatal is not None:
            raise self._fatal


def _is_special(stat: FileStat) -> bool:
    """Whether it is a device, a named pipe or a socket."""
    return not (stat.is_file() or stat.is_dir() or stat.is_symlink())


def _ends_all(failure: CopyFailure) -> bool:
    return failure.lost or failure.errno in FULL


def _preserved(stat: FileStat) -> list[NewAttributes]:
    """All attributes of a file; without the owner, and then without the group, if not permitted.

    A copy with another owner does not have the set-id bits.
    """
    new = NewAttributes(
        mode=stat.mode & PERMISSIONS,
        uid=stat.uid,
        gid=stat.gid,
        atime=stat.atime_ns,
        mtime=stat.mtime_ns,
    )
    mode = stat.mode & PERMISSIONS & ~(modes.S_ISUID | modes.S_ISGID)
    return [new, new._replace(mode=mode, uid=None), new._replace(mode=mode, uid=None, gid=None)]


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


async def copied(
    source: CopySource, target: CopyTarget, options: CopyOptions, report: CopyReport | None
) -> CopyReport:
    """Copy a file or directory, and return the report.

    Raises:
        CopyFailure: the first error, if the caller has no report to see it.
    """
    made, failures = report or CopyReport(), list[CopyFailure]()
    if report is None:
        made.on_failure = failures.append
    await copy_trees([source], target, options, made)
    if failures:
        raise failures[0]
    return made
