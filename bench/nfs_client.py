"""How fast does the NFS client move files, compared with nfs-rs and libnfs?

Each client writes and reads one file of ``--size`` MiB in calls of 1 MiB and in one call, reads
4 KiB at a time, asks for attributes, and lists a directory, through the same ``nfsd``. ``nfs-cp``
of libnfs copies between files in memory, with 1 MiB a call; so does our client for ``copy``, with
its connecting, but without the start of an interpreter. Every written file is new.

A round measures every client in turn. The table has the medians of the rounds, with the lowest and
highest, and *cpu*: the same for a second of processor time of client and server, which hardly
depends on the load of the machine. The ratios compare clients of the same round.

    sudo .venv/bin/python bench/nfs_client.py [--rounds 5] [--size 256]

It runs itself in namespaces of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from oncrpc import nfs
from portmap import machine

MIB = 1 << 20
CALLS = 500
SMALL = 4096
NAMES = 1000
INSIDE = "--inside"
OPTIONS = "rw,no_root_squash,insecure,async,fsid=1"
READY_TIME = 20.0


class Figure(NamedTuple):
    """GB, calls or names a second, and a second of processor time of client and server."""

    rate: float
    cpu: float


Figures = dict[str, Figure]
"""The figures of one client, by task."""

WRITE, WRITE_ALL = "write 1 MiB at a time, GB/s", "write in one call, GB/s"
READ, READ_ALL = "read 1 MiB at a time, GB/s", "read in one call, GB/s"
READ_INTO = "read into a buffer, GB/s"
COPY_TO, COPY_FROM = "copy to the server, GB/s", "copy from the server, GB/s"
READ_SMALL, STAT, LIST = "read 4 KiB, calls/s", "stat, calls/s", "list with attributes, names/s"
TASKS = [WRITE, WRITE_ALL, COPY_TO, READ, READ_ALL, READ_INTO, COPY_FROM, READ_SMALL, STAT, LIST]
OURS, AIO, RUST, LIBNFS = "ours, blocking", "ours, asyncio", "nfs-rs", "nfs-cp (libnfs)"
RATIOS = {
    "1 MiB reads": (READ, [(READ, RUST), (COPY_FROM, LIBNFS)]),
    "1 MiB writes": (WRITE, [(WRITE, RUST), (COPY_TO, LIBNFS)]),
    "copy from the server": (COPY_FROM, [(COPY_FROM, LIBNFS)]),
    "copy to the server": (COPY_TO, [(COPY_TO, LIBNFS)]),
    "read in one call": (READ_ALL, [(READ_ALL, RUST)]),
    "write in one call": (WRITE_ALL, [(WRITE_ALL, RUST)]),
    "read 4 KiB": (READ_SMALL, [(READ_SMALL, RUST)]),
    "stat": (STAT, [(STAT, RUST)]),
    "list": (LIST, [(LIST, RUST)]),
}
"""Our blocking client, and the best of the others: what is compared."""


def pieces(data: bytes) -> list[bytes]:
    """The data in pieces of 1 MiB."""
    return [data[at : at + MIB] for at in range(0, len(data), MIB)]


class Meter:
    """Measures tasks. ``server`` is the process of the server."""

    server = 0

    def __enter__(self) -> Meter:
        self._began, self._used = time.perf_counter(), self._processor_time()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._began
        self._used = self._processor_time() - self._used

    def figure(self, amount: float) -> Figure:
        """The figure of the task that has ended."""
        return Figure(amount / self._seconds, amount / self._used)

    def _processor_time(self) -> float:
        tasks = Path(f"/proc/{self.server}/task").glob("*/schedstat")
        served = sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime + served


def timed(task: Callable[[], object], amount: float) -> Figure:
    """The figure of a task."""
    with Meter() as meter:
        task()
    return meter.figure(amount)


def blocking(url: str, data: bytes, folder: Path) -> Figures:
    """Our blocking client."""
    gigabytes, parts = len(data) / 1e9, pieces(data)
    buffer = bytearray(len(data))
    with nfs.sync_connect(url) as fs:

        def write() -> None:
            with fs.open("file", "wb") as file:
                for part in parts:
                    file.write(part)

        def read() -> None:
            with fs.open("file") as file:
                while file.read(MIB):
                    pass

        def read_into() -> None:
            with fs.open("file") as file:
                assert file.preadinto(buffer, 0) == len(data)

        def read_small() -> None:
            with fs.open("file") as file:
                for number in range(CALLS):
                    file.pread(SMALL, number * SMALL)

        figures = {WRITE_ALL: timed(lambda: fs.write_bytes("file", data), gigabytes)}
        fs.unlink("file")
        return (
            figures
            | {WRITE: timed(write, gigabytes)}
            | {READ: timed(read, gigabytes)}
            | {READ_ALL: timed(lambda: fs.read_bytes("file"), gigabytes)}
            | {READ_INTO: timed(read_into, gigabytes)}
            | {READ_SMALL: timed(read_small, CALLS)}
            | {STAT: timed(lambda: [fs.stat("file") for _ in range(CALLS)], CALLS)}
            | {LIST: timed(lambda: list(fs.scandir("names")), NAMES)}
            | copies(url, data, folder)
        )


def copies(url: str, data: bytes, folder: Path) -> Figures:
    """Copy between local files and the server; the buffer is small, so that it stays cached."""
    local, back = folder / "local", folder / "back"
    local.write_bytes(data)
    buffer = memoryview(bytearray(MIB))

    def copy_to() -> None:
        with (
            nfs.sync_connect(url) as fs,
            local.open("rb") as source,
            mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            fs.write_bytes("copied", view)

    def copy_from() -> None:
        with (
            nfs.sync_connect(url) as fs,
            back.open("wb", buffering=0) as target,
            fs.open("copied") as file,
        ):
            while count := file.readinto(buffer):
                target.write(buffer[:count])

    try:
        gigabytes = len(data) / 1e9
        return {COPY_TO: timed(copy_to, gigabytes), COPY_FROM: timed(copy_from, gigabytes)}
    finally:
        assert back.read_bytes() == data


def with_asyncio(url: str, data: bytes, folder: Path) -> Figures:  # noqa: ARG001  # of every client
    """Our client over asyncio; many small calls at once."""

    async def figures() -> Figures:
        gigabytes, parts = len(data) / 1e9, pieces(data)
        async with nfs.connect(url) as fs:

            async def write() -> None:
                async with await fs.open("file", "wb") as file:
                    for part in parts:
                        await file.write(part)

            async def read() -> None:
                async with await fs.open("file") as file:
                    while await file.read(MIB):
                        pass

            async def read_small() -> None:
                async with await fs.open("file") as file:
                    offsets = range(0, CALLS * SMALL, SMALL)
                    await asyncio.gather(*(file.pread(SMALL, offset) for offset in offsets))

            async def stats() -> None:
                await asyncio.gather(*(fs.stat("file") for _ in range(CALLS)))

            async def names() -> None:
                assert len([entry async for entry in fs.scandir("names")]) == NAMES

            found = {WRITE_ALL: await awaited(fs.write_bytes("file", data), gigabytes)}
            await fs.unlink("file")
            return (
                found
                | {WRITE: await awaited(write(), gigabytes)}
                | {READ: await awaited(read(), gigabytes)}
                | {READ_ALL: await awaited(fs.read_bytes("file"), gigabytes)}
                | {READ_SMALL: await awaited(read_small(), CALLS)}
                | {STAT: await awaited(stats(), CALLS)}
                | {LIST: await awaited(names(), NAMES)}
            )

    return asyncio.run(figures())


async def awaited(task: Awaitable[object], amount: float) -> Figure:
    """The figure of a task of asyncio."""
    with Meter() as meter:
        await task
    return meter.figure(amount)


def nfs_rs(url: str, data: bytes, folder: Path) -> Figures:  # noqa: ARG001
    """nfs-rs, a client in Rust. Every write of it is stored before it returns."""
    from nfs_rs import Client

    gigabytes, parts = len(data) / 1e9, pieces(data)
    buffer = bytearray(len(data))
    client = Client.connect(f"{url}?version=3&uid=0&gid=0&noresvport=true")
    try:

        def write_all() -> None:
            with client.open("/file", "wb") as file:
                file.write(data)

        def write() -> None:
            with client.open("/file", "wb") as file:
                for part in parts:
                    file.write(part)

        def read_all() -> None:
            with client.open("/file", "rb") as file:
                assert len(file.read()) == len(data)

        def read() -> None:
            with client.open("/file", "rb") as file:
                while file.read(MIB):
                    pass

        def read_into() -> None:
            with client.open("/file", "rb") as file:
                assert file.readinto(buffer) == len(data)

        def read_small() -> None:
            with client.open("/file", "rb") as file:
                for number in range(CALLS):
                    file.read_at(number * SMALL, SMALL)

        figures = {WRITE_ALL: timed(write_all, gigabytes)}
        client.unlink("/file")
        return (
            figures
            | {WRITE: timed(write, gigabytes)}
            | {READ: timed(read, gigabytes)}
            | {READ_ALL: timed(read_all, gigabytes)}
            | {READ_INTO: timed(read_into, gigabytes)}
            | {READ_SMALL: timed(read_small, CALLS)}
            | {STAT: timed(lambda: [client.stat("/file") for _ in range(CALLS)], CALLS)}
            | {LIST: timed(lambda: list(client.scandir("/names")), NAMES)}
        )
    finally:
        client.close()


def libnfs(url: str, data: bytes, folder: Path) -> Figures:
    """nfs-cp, a process for each file, with the start of the process."""
    local, back = folder / "local", folder / "back"
    local.write_bytes(data)
    gigabytes = len(data) / 1e9

    def copy(source: object, target: object) -> None:
        subprocess.run(["nfs-cp", str(source), str(target)], check=True, capture_output=True)

    return {
        COPY_TO: timed(lambda: copy(local, f"{url}/copied"), gigabytes),
        COPY_FROM: timed(lambda: copy(f"{url}/copied", back), gigabytes),
    }


Measured = Callable[[str, bytes, Path], Figures]
CLIENTS: dict[str, Measured] = {OURS: blocking, AIO: with_asyncio, RUST: nfs_rs}


def start_server(folder: Path) -> subprocess.Popen[bytes]:
    """``nfsd`` with its own port mapper, which exports the folder."""
    exports = folder / "exports"
    exports.write_text(f"{folder}/export 127.0.0.1({OPTIONS})\n")
    (folder / "export").mkdir()
    nfsd = Path(sys.executable).parent / "nfsd"
    command = [str(nfsd), "-f", "-l", "--no-state", "--exports", str(exports)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait_for(url: str) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + READY_TIME
    while True:
        try:
            with nfs.sync_connect(url):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def clear(folder: Path) -> None:
    """Remove the files of the client before, so that each one creates its own."""
    for name in ("export/file", "export/copied", "back"):
        (folder / name).unlink(missing_ok=True)


def measure(rounds: int, size: int, folder: Path) -> None:
    """Run all rounds, and print the tables."""
    url = f"nfs://127.0.0.1{folder}/export"
    data = os.urandom(MIB) * size
    clients = dict(CLIENTS)
    if shutil.which("nfs-cp"):
        clients[LIBNFS] = libnfs
    names = folder / "export" / "names"
    names.mkdir()
    for number in range(NAMES):
        (names / f"file {number}").touch()
    found: Found = defaultdict(list)
    wait_for(url)
    for _ in range(rounds):
        for name, client in clients.items():
            clear(folder)
            for task, value in client(url, data, folder).items():
                found[task, name].append(value)
    print(", ".join(machine().values()))
    print_medians(found)
    print_ratios(found)


Found = dict[tuple[str, str], list[Figure]]
"""The figures of the rounds, by task and client."""


def spread(values: list[float], digits: int) -> str:
    """The median, and the lowest and highest."""
    median, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median:>8}   ({low} to {high})"


def print_medians(found: Found) -> None:
    """A line for each task and client."""
    for task in TASKS:
        for name in (OURS, AIO, RUST, LIBNFS):
            if (task, name) in found:
                digits = 2 if "GB" in task else 0
                rates, costs = zip(*found[task, name], strict=True)
                cpu = f"cpu {statistics.median(costs):>7,.{digits}f}"
                print(f"{task:30} {name:16} {cpu} {spread(list(rates), digits)}")


def print_ratios(found: Found) -> None:
    """Our blocking client beside the better of the others, round by round."""
    for title, (task, others) in RATIOS.items():
        rounds = list(zip(*(found[other] for other in others if other in found), strict=True))
        if not rounds:
            continue
        ours, best = found[task, OURS], [max(each) for each in rounds]
        cheapest = [max(figure.cpu for figure in each) for each in rounds]
        ratios = [one.rate / other.rate for one, other in zip(ours, best, strict=True)]
        cpu = statistics.median(one.cpu / other for one, other in zip(ours, cheapest, strict=True))
        print(f"{title:30} ours / others    cpu {cpu:>7.2f} {spread(ratios, 2)}")


def main() -> int:
    """Enter namespaces, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=256, help="MiB of the file")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        enter = 'ip link set lo up && mount -t tmpfs tmpfs /run && exec "$@"'
        command = [sys.executable, __file__, *sys.argv[1:], INSIDE]
        spaces = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child"]
        return subprocess.call([*spaces, "sh", "-c", enter, "sh", *command])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_server(folder)
        Meter.server = server.pid
        try:
            measure(options.rounds, options.size, folder)
        finally:
            server.terminate()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
