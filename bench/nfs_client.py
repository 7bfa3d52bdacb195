"""How fast does the NFS client move files, compared with nfs-rs and libnfs?

Each client reads and writes one file of ``--size`` MiB, in memory on both sides, through the same
``nfsd``, and asks for the attributes of a file. A round measures every client in turn; the table
has the medians of the rounds, with the lowest and highest. Client and server share the processors.

    sudo .venv/bin/python bench/nfs_client.py [--rounds 5] [--size 256]

It runs itself in namespaces of its own. ``nfs-cp`` of libnfs copies from and to a file, so that it
is measured with the start of its process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

from oncrpc import nfs
from portmap import machine

MIB = 1 << 20
CALLS = 500
INSIDE = "--inside"
OPTIONS = "rw,no_root_squash,insecure,async,fsid=1"
READY_TIME = 20.0
Figures = dict[str, float]
"""By task: GB/s, or calls a second."""


def timed(task: Callable[[], object], amount: float) -> float:
    """The amount a second."""
    began = time.perf_counter()
    task()
    return amount / (time.perf_counter() - began)


def blocking(url: str, data: bytes, folder: Path) -> Figures:  # noqa: ARG001  # of every client
    """Our blocking client."""
    with nfs.sync_connect(url) as fs:
        gigabytes = len(data) / 1e9
        buffer = bytearray(len(data))

        def in_pieces() -> None:
            with fs.open("file") as file:
                while file.read(MIB):
                    pass

        def into_buffer() -> None:
            with fs.open("file") as file:
                assert file.preadinto(buffer, 0) == len(data)

        return {
            "write GB/s": timed(lambda: fs.write_bytes("file", data), gigabytes),
            "read GB/s": timed(in_pieces, gigabytes),
            "read into a buffer GB/s": timed(into_buffer, gigabytes),
            "stat/s": timed(lambda: [fs.stat("file") for _ in range(CALLS)], CALLS),
        }


def with_asyncio(url: str, data: bytes, folder: Path) -> Figures:  # noqa: ARG001
    """Our client over asyncio; many calls of ``stat`` at once."""

    async def figures() -> Figures:
        gigabytes = len(data) / 1e9
        async with nfs.connect(url) as fs:

            async def in_pieces() -> None:
                async with await fs.open("file") as file:
                    while await file.read(MIB):
                        pass

            async def stats() -> None:
                await asyncio.gather(*(fs.stat("file") for _ in range(CALLS)))

            return {
                "write GB/s": await awaited(fs.write_bytes("file", data), gigabytes),
                "read GB/s": await awaited(in_pieces(), gigabytes),
                "stat/s": await awaited(stats(), CALLS),
            }

    return asyncio.run(figures())


async def awaited(task: Awaitable[object], amount: float) -> float:
    """The amount a second."""
    began = time.perf_counter()
    await task
    return amount / (time.perf_counter() - began)


def nfs_rs(url: str, data: bytes, folder: Path) -> Figures:  # noqa: ARG001
    """nfs-rs, a client in Rust."""
    from nfs_rs import Client

    gigabytes = len(data) / 1e9
    client = Client.connect(f"{url}?version=3&uid=0&gid=0&noresvport=true")
    try:

        def write() -> None:
            with client.open("/file", "wb") as file:
                file.write(data)

        def read() -> None:
            with client.open("/file", "rb") as file:
                assert len(file.read()) == len(data)

        return {
            "write GB/s": timed(write, gigabytes),
            "read GB/s": timed(read, gigabytes),
            "stat/s": timed(lambda: [client.stat("/file") for _ in range(CALLS)], CALLS),
        }
    finally:
        client.close()


def libnfs(url: str, data: bytes, folder: Path) -> Figures:
    """nfs-cp, a process for each file."""
    local = folder / "copied"
    local.write_bytes(data)
    gigabytes = len(data) / 1e9

    back = folder / "back"
    for copied in (back, folder / "export" / "copied"):  # nfs-cp does not overwrite
        copied.unlink(missing_ok=True)

    def copy(source: object, target: object) -> None:
        subprocess.run(["nfs-cp", str(source), str(target)], check=True, capture_output=True)

    return {
        "write GB/s": timed(lambda: copy(local, f"{url}/copied"), gigabytes),
        "read GB/s": timed(lambda: copy(f"{url}/copied", back), gigabytes),
    }


Measured = Callable[[str, bytes, Path], Figures]
CLIENTS: dict[str, Measured] = {
    "ours, blocking": blocking,
    "ours, asyncio": with_asyncio,
    "nfs-rs": nfs_rs,
}


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


def measure(rounds: int, size: int, folder: Path) -> None:
    """Run all rounds, and print the table."""
    url = f"nfs://127.0.0.1{folder}/export"
    data = os.urandom(MIB) * size
    clients = dict(CLIENTS)
    if shutil.which("nfs-cp"):
        clients["libnfs (nfs-cp)"] = libnfs
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    wait_for(url)
    for _ in range(rounds):
        for name, client in clients.items():
            for task, value in client(url, data, folder).items():
                found[task, name].append(value)
    print(", ".join(machine().values()))
    for task, name in sorted(found):
        values = found[task, name]
        digits = 2 if "GB" in task else 0
        median, low, high = (
            f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))
        )
        print(f"{task:24} {name:18} {median:>8}   ({low} to {high})")


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
        try:
            measure(options.rounds, options.size, folder)
        finally:
            server.terminate()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
