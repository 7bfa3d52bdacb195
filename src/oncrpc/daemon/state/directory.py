"""The directory in which a daemon keeps its state, and the files in it.

Only the daemon's user may read or write it, and it is locked: a second daemon cannot write there.
The lock ends with the process, and with ``execve``: a daemon that restarts in place finds the
directory unlocked.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from oncrpc.daemon.config.tables import DaemonTable
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.state.folders import (
    LASTING,
    RUN,
    Folders,
    base_of,
    lasting_base_of,
    name_for,
)
from oncrpc.host.files import OPEN_UNTRUSTED, FileFault, fault_of, replace_file, write_whole

log = logging.getLogger("oncrpc.daemon")

BOOT_ID = "/proc/sys/kernel/random/boot_id"
MAX_FILE = 128 << 20
"""Bytes of a state file: more than is ever written, so every file can be read again."""

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_TO_READ = OPEN_UNTRUSTED | os.O_NOFOLLOW
ADVICE = "name another directory with --state-dir, or use --no-state"

Write = Callable[[int, bytes], int]


class Owner(NamedTuple):
    """The daemon that owns a directory: its name, its usual port, and the user that it becomes.

    ``lasting``: the state outlives the boot. ``lost`` is the text for the log if nothing is kept.
    """

    name: str
    port: int
    user: pwd.struct_passwd | None
    lasting: bool = False
    lost: str = "the state is not kept"

    def base(self, environ: Mapping[str, str], *, run: str = RUN) -> str | None:
        """The directory above the default one; None if the environment names none."""
        if os.geteuid() == 0:
            return LASTING if self.lasting else run
        return lasting_base_of(environ) if self.lasting else base_of(environ)

    @property
    def variables(self) -> str:
        """The environment variables that name that directory."""
        if self.lasting:
            return "neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME is set"
        return "neither $RUNTIME_DIRECTORY nor $XDG_RUNTIME_DIR is set"


def prepared(
    owner: Owner,
    table: DaemonTable,
    environ: Mapping[str, str] = os.environ,
    *,
    run: str = RUN,
) -> Folders:
    """The directories of a daemon; they are made if they are missing.

    Root makes them for the user of ``owner``; None is the current user. The default directory is
    optional: if it cannot be made, a line in the log says so. A daemon that keeps nothing has its
    control socket there.

    Raises:
        StartError: a directory that the configuration names cannot be made, or the default one has
            lasting state of another user.
    """
    if table.state and table.state_dir is not None:
        try:
            _make(table.state_dir, owner.user)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise StartError(f"cannot make {table.state_dir}: {reason}; {ADVICE}") from None
        return Folders(str(table.state_dir), str(table.state_dir))
    found = _default(owner, table, environ, run=run)
    return Folders(found if table.state else None, found)


def _default(
    owner: Owner, table: DaemonTable, environ: Mapping[str, str], *, run: str
) -> str | None:
    if table.port == 0 and owner.port != 0:
        return None  # the next start gets another port, and would not find the directory
    base = owner.base(environ, run=run)
    if base is None:
        _warn(owner, table, owner.variables)
        return None
    path = os.path.join(base, name_for(owner.name, table.port, owner.port))
    try:
        if owner.lasting:
            os.makedirs(base, 0o700, exist_ok=True)
        elif table.state:
            boot_id()
        _make(path, owner.user)
        if owner.user is not None:
            _give(path, owner.user, keeps=owner.lasting)
    except OSError as error:
        _warn(owner, table, f"{error.filename}: {error.strerror}")
        return None
    return path


def _warn(owner: Owner, table: DaemonTable, reason: str) -> None:
    """Warn only if a directory for the state is configured."""
    if table.state:
        log.warning("%s: %s; %s", owner.lost, reason, ADVICE)
    else:
        log.debug("no control socket: %s", reason)


def boot_id(path: str = BOOT_ID) -> bytes:
    """The kernel's id of this boot.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return file.read().strip()


def _make(path: str, user: pwd.struct_passwd | None) -> None:
    """Make it for the user. An existing one is not changed; ``Directory`` checks it.

    The user may own a directory above and put another directory of root there meanwhile. So only
    a directory that is as we made it is given away.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    if user is None or user.pw_uid == 0:
        return
    made = os.open(path, OPEN_DIRECTORY)
    try:
        if os.fstat(made).st_uid != os.geteuid() or os.listdir(made):
            raise FileExistsError(errno.EEXIST, "was replaced while it was made", path)
        os.fchown(made, user.pw_uid, user.pw_gid)
    except OSError as error:
        error.filename = path  # fchown(2) has only the descriptor
        raise
    finally:
        os.close(made)


def _give(path: str, user: pwd.struct_passwd, *, keeps: bool) -> None:
    """Give the default directory to the user: an earlier daemon may have run as another.

    This is safe from races: only root can replace an entry of the parent directory. Files that are
    to last would be lost to both users: ``keeps`` refuses a directory with files of another user.

    Raises:
        StartError: it has such files.
    """
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if keeps and status.st_uid != user.pw_uid and os.listdir(path):
        raise StartError(
            f"{path} has the state of uid {status.st_uid}; to use it as uid {user.pw_uid}, run"
            f" 'chown -R {user.pw_uid} {path}'; or name another directory with --state-dir"
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        os.chmod(path, 0o700)
    if status.st_uid != user.pw_uid:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


class Directory:
    """The directory, opened and locked.

    Raises:
        StartError: it is missing, others may use it, or another daemon has locked it.
    """

    def __init__(self, path: str, *, write: Write = os.write) -> None:
        self.path, self.write = path, write
        try:
            self._descriptor = os.open(path, OPEN_DIRECTORY)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise StartError(f"cannot open {path}: {reason}; create it, or {ADVICE}") from None
        try:
            self._check()
            self._lock()
        except StartError:
            self.close()
            raise

    def _check(self) -> None:
        status = os.fstat(self._descriptor)
        if status.st_uid != os.geteuid():
            raise StartError(
                f"{self.path} belongs to uid {status.st_uid}, and the daemon is uid"
                f" {os.geteuid()}; run 'chown -R {os.geteuid()} {self.path}', or {ADVICE}"
            )
        if status.st_mode & 0o077:
            raise StartError(f"{self.path} is open to others; chmod it to 700, or {ADVICE}")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(
                f"another daemon keeps its state in {self.path}; stop it first, or {ADVICE}"
            ) from None

    def close(self) -> None:
        """Close it; the lock is released."""
        os.close(self._descriptor)

    def fileno(self) -> int:
        """The descriptor of the directory."""
        return self._descriptor

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if it is missing.

        Raises:
            OSError: it cannot be read, or others could have written it.
        """
        try:
            descriptor = os.open(name, OPEN_TO_READ, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            fault = _fault(os.fstat(descriptor))
            if fault:
                raise PermissionError(errno.EPERM, fault, name)
            return file.read()

    def modified(self, name: str) -> float:
        """When an existing file was written."""
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mtime

    def replace(self, name: str, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Replace a file in one step: write a new one, then rename it.

        Returns the descriptor, for appending, and the size; the caller closes the descriptor.

        Raises:
            OSError: it failed, and the old file is unchanged.
        """
        size = 0

        def write(descriptor: int) -> None:
            nonlocal size
            size = sum(write_whole(descriptor, piece, write=self.write) for piece in pieces)

        return replace_file(name, write, folder=self._descriptor), size

    def set_aside(self, name: str, *, keep: bool) -> str:
        """Rename a file to ``NAME.corrupt``; returns a text that says whether that worked.

        With ``keep`` the file keeps its old name too, until it is replaced: a crash before that
        does not lose the intact part.
        """
        aside, place = name + ".corrupt", self._descriptor
        try:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=place)
            if not (keep and self._linked(name, aside)):
                os.rename(name, aside, src_dir_fd=place, dst_dir_fd=place)
        except OSError as error:
            return f"it cannot be set aside: {error.strerror}"
        return f"set aside as {aside}"

    def _linked(self, name: str, aside: str) -> bool:
        place = self._descriptor
        try:
            os.link(name, aside, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        except OSError:
            return False
        return True


def _fault(status: os.stat_result) -> str:
    match fault_of(status, owners=(os.geteuid(),), forbidden=0o077):
        case FileFault.NOT_REGULAR:
            return "it is not a regular file"
        case FileFault.FOREIGN:
            return f"it belongs to uid {status.st_uid}"
        case FileFault.OPEN:
            return "it is open to others"
    if status.st_size > MAX_FILE:
        return f"it is longer than {MAX_FILE} bytes"
    return ""
