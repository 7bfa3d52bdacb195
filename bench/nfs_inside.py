"""Measure one NFS server in the namespaces that ``nfs.py`` has made, and print JSON."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from nfs_cases import (
    BEFORE,
    BUSY,
    BUSY_RATE,
    CASES,
    CREDENTIAL,
    FILE_SIZE,
    FLOOR,
    GANESHA,
    IDLE,
    UNFS3,
    NfsCase,
    call,
    plan,
)
from portmap_inside import DEADLINE, LOAD, LOOP, SERVER, processor_time

from oncrpc import sync
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3, LOOKUP3args, diropargs3, nfs_fh3, nfsstat3

NFS, MOUNT = 2049, 20048
LARGEST_UNFS3 = 512 << 10
"""Bytes of a READ or WRITE that unfs3 takes."""

GANESHA_CONFIG = """
NFS_CORE_PARAM {{ Protocols = 3; NFS_Port = {nfs}; MNT_Port = {mount}; Enable_UDP = false;
  RPC_Max_Connections = 4000;
  Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = false; }}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; }}
EXPORT {{ Export_Id = 1; Path = {path}; Pseudo = /export; Protocols = 3; Transports = TCP;
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys; PrivilegedPort = false;
  MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576; PrefWrite = 1048576;
  FSAL {{ Name = VFS; }} }}
"""


class Site(NamedTuple):
    """A server and its export; the folder of the programs; the checkouts of other versions."""

    server: str
    export: str
    programs: str
    unfs3: str
    before: str
    options: str
    fio: str = ""


def command_of(site: Site) -> list[str]:
    """The command of the server; its files are written into the programs' folder."""
    folder = Path(site.programs)
    if site.server == FLOOR:
        return [
            sys.executable,
            str(Path(__file__).with_name("nfs_floor.py")),
            site.export,
            str(NFS),
        ]
    if site.server == GANESHA:
        settings = folder / "ganesha.conf"
        settings.write_text(GANESHA_CONFIG.format(path=site.export, nfs=NFS, mount=MOUNT))
        return ["ganesha.nfsd", "-F", "-f", str(settings), "-L", "/dev/null", "-p", "/run/g.pid"]
    exports = folder / f"exports.{site.server}"
    options = {UNFS3: "rw,no_root_squash,insecure"}.get(site.server, site.options)
    exports.write_text(f"{site.export} 127.0.0.1({options})\n")
    if site.server == UNFS3:
        return [site.unfs3, "-d", "-u", "-p", "-t", "-n", str(NFS), "-m", str(NFS),
                "-e", str(exports)]  # fmt: skip
    config = folder / "nfsd.toml"
    config.touch()
    scripts = (
        Path(site.before, ".venv", "bin") if site.server == BEFORE else Path(sys.executable).parent
    )
    return [str(scripts / "nfsd"), "-f", "-p", str(NFS), "--no-state", "--port-mapper", "none",
            "--exports", str(exports), "--config", str(config)]  # fmt: skip


def start(site: Site) -> tuple[subprocess.Popen[bytes], float]:
    """Start the server on its core; the process, and milliseconds until it answered."""
    message = call(NFS_V3.NFSPROC3_NULL)
    record = (0x80000000 | len(message)).to_bytes(4, "big") + message
    command = command_of(site)
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("NFS_BENCH_LOG") else subprocess.DEVNULL,
        env={"NFSD_LOOP": LOOP, **os.environ},
        preexec_fn=lambda: os.sched_setaffinity(0, SERVER),
    )
    while time.monotonic() < began + DEADLINE:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", NFS), 1) as sock:
            sock.sendall(record)
            sock.settimeout(1)
            if sock.recv(100):
                return process, (time.monotonic() - began) * 1e3
        time.sleep(0.001)
    raise TimeoutError(f"{command[0]} did not answer")


def handles_of(site: Site) -> dict[str, bytes]:
    """The handles of the files that the cases use."""
    names = ("read", "write", "few", "many", "new")
    if site.server == FLOOR:
        return {name: name.encode().ljust(8, b"\0") for name in (".", *names)}
    port = MOUNT if site.server == GANESHA else NFS
    with sync.connect("127.0.0.1", MOUNT_V3.Client, transport="tcp", port=port) as mount:
        root = mount.MOUNTPROC3_MNT(site.export.encode()).body.fhandle
    found = {".": root}
    with sync.connect(
        "127.0.0.1", NFS_V3.Client, transport="tcp", port=NFS, auth=CREDENTIAL
    ) as nfs:
        for name in names:
            where = diropargs3(nfs_fh3(root), name.encode())
            result = nfs.NFSPROC3_LOOKUP(LOOKUP3args(where))
            assert result.status == nfsstat3.NFS3_OK, (name, result)
            found[name] = result.body.object.data
    return found


def loaded(
    case: NfsCase, site: Site, pid: int, handles: dict[str, bytes], seconds: float
) -> list[float]:
    """The value of the load generator, and for rates the same a second of processor time."""
    size = min(case.size, LARGEST_UNFS3) if site.server == UNFS3 else case.size
    calls = Path(site.programs, "calls")
    calls.write_bytes(plan(case, handles, size))
    before = processor_time(pid)
    with crowd(case, site, handles, seconds) if case.measure == "p99 busy" else nullcontext():
        command = [f"{site.programs}/nfs_load", "127.0.0.1", str(NFS), str(calls), str(seconds)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, LOAD),
        )  # fmt: skip
    found = json.loads(done.stdout)
    taken = max(processor_time(pid) - before, 0.001)
    if found["wrong"] or found["changed"] > 4 * case.outstanding * 16:
        raise ValueError(f"{site.server}, {case.name}: wrong replies: {found}")
    if case.unit == "us":
        value = found[case.measure.split()[0]]
        return [value, value]
    amount = found["calls"] * size / 1e6 if case.unit == "MB/s" else found["calls"]
    return [amount / found["seconds"], amount / taken]


@contextmanager
def crowd(case: NfsCase, site: Site, handles: dict[str, bytes], seconds: float) -> Iterator[None]:
    """Keep many other connections, some of them busy, while the block runs."""
    calls = Path(site.programs, "crowd")
    calls.write_bytes(plan(case._replace(outstanding=BUSY, connections=BUSY), handles, 0))
    command = [
        f"{site.programs}/nfs_load", "127.0.0.1", str(NFS), str(calls), str(seconds + 0.5),
        str(BUSY_RATE), str(IDLE),
    ]  # fmt: skip
    # It comes second on the core of the honest client, whose time is measured.
    others = subprocess.Popen(
        command, stdout=subprocess.PIPE,
        preexec_fn=lambda: (os.sched_setaffinity(0, LOAD), os.nice(10)),
    )  # fmt: skip
    assert others.stdout is not None
    assert others.stdout.readline() == b"ready\n"
    yield
    found = json.loads(others.communicate()[0])
    if found["wrong"] or found["calls"] < seconds * BUSY * BUSY_RATE / 2:
        raise ValueError(f"{site.server}: the busy connections were not answered: {found}")


def by_fio(case: NfsCase, site: Site, pid: int, seconds: float) -> list[float]:
    """The value of a job of fio with its engine nfs; none without such a fio, or if it hangs."""
    if not site.fio:
        return []
    job, before = case.measure.split()[1], processor_time(pid)
    command = [
        site.fio, "--name=job", "--ioengine=nfs", f"--nfs_url={url_of(site, '')}", f"--rw={job}",
        f"--filename={'write' if 'write' in job else 'read'}", f"--bs={case.size}",
        f"--iodepth={case.outstanding}", f"--size={FILE_SIZE}", "--time_based", "--thread",
        f"--runtime={max(round(seconds * 1000), 1)}ms", "--randrepeat=1", "--output-format=json",
    ]  # fmt: skip
    # At its end this engine leaves calls outstanding. Then it says that they failed, or waits.
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=site.programs,
            timeout=seconds + 5, preexec_fn=lambda: os.sched_setaffinity(0, LOAD),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return []
    taken = max(processor_time(pid) - before, 0.001)
    (result,) = json.loads(done.stdout[done.stdout.index(b"{") :])["jobs"]
    found = result["write" if "write" in job else "read"]
    if found["total_ios"] <= case.outstanding:
        raise ValueError(f"{site.server}, {case.name}: {found['total_ios']} calls were answered")
    amount = found["io_bytes"] / 1e6 if case.unit == "MB/s" else found["total_ios"]
    return [amount / (found["runtime"] / 1e3), amount / taken]


def url_of(site: Site, path: str) -> str:
    """The URL of a path below the export, for libnfs."""
    port = MOUNT if site.server == GANESHA else NFS
    options = f"version=3&nfsport={NFS}&mountport={port}&uid=1000&gid=1000"
    return f"nfs://127.0.0.1{site.export}{path}?{options}"


def listed(site: Site, pid: int) -> list[list[float]]:
    """Seconds to list the large directory with nfs-ls, and those of the server's processor.

    The first time and the second.
    """
    if not shutil.which("nfs-ls"):
        return []
    url = url_of(site, "/many")
    found = list[list[float]]()
    for _ in range(2):
        began, before = time.monotonic(), processor_time(pid)
        done = subprocess.run(["nfs-ls", url], stdout=subprocess.PIPE, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, LOAD))  # fmt: skip
        found.append([time.monotonic() - began, processor_time(pid) - before])
        assert done.stdout.count(b"\n") >= 20_000, done.stdout[:200]
    return found


def memory(pid: int) -> float:
    """MiB of memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def main() -> None:
    """Measure, and print the values by case."""
    given, names, seconds = json.loads(sys.argv[1])
    site = Site(*given)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    if site.server == GANESHA:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib/nfs"], check=True)
        for path in ("/run/ganesha", "/var/lib/nfs/ganesha"):
            os.makedirs(path)
        subprocess.Popen([str(Path(sys.executable).parent / "portmap"), "-f"],
                         stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(0.5)
    process, milliseconds = start(site)
    time.sleep(0.2)
    special: dict[str, Any] = {"start": [milliseconds], "memory": [memory(process.pid)]}
    cases = [case for case in CASES if case.name in names]
    if any(case.measure.startswith("list") for case in cases) and site.server != FLOOR:
        both = listed(site, process.pid)
        special |= dict(zip(("list cold", "list warm"), both, strict=False))
    handles = handles_of(site)
    found: dict[str, Any] = {}
    for case in cases:
        if case.measure.startswith("fio"):
            if site.server not in case.without:
                found[case.name] = by_fio(case, site, process.pid, seconds)
        elif case.make is None:
            found[case.name] = special.get(case.measure, [])
        elif site.server not in case.without:
            found[case.name] = loaded(case, site, process.pid, handles, seconds)
    process.kill()
    process.wait()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
