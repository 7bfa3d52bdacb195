"""The examples run as their first lines say, and are short.

``vxi11_instrument.py`` is run by ``interop/test_vxi11.py``, with the clients that it is for.
"""

from __future__ import annotations

import ast
import asyncio
import random
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc import auth_sys, serve, sync
from oncrpc.addr import split_uaddr
from oncrpc.errors import AuthError
from oncrpc.programs.mount import MOUNT_V3, exportnode, groupnode
from oncrpc.programs.nfs3 import (
    NFS_V3,
    MKDIR3args,
    RENAME3args,
    RMDIR3args,
    diropargs3,
    nfs_fh3,
    nfsstat3,
)
from oncrpc.rpc import Call, Procedure, Version
from oncrpc.xdr import String
from support.daemon_process import RunningDaemon
from support.exported import sattr
from support.hosts import Host, portmap, until
from support.loops import run
from support.namespace import PYTHON, need

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MOST_LINES = 60
LONGER = {"memory_backend.py": 120}
"""Lines of code of examples that do more."""

DEADLINE = 20.0
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


class Greeter(Version, prog=0x20000099, vers=1):
    """The module of greeter.x."""

    GREET = Procedure[bytes, bytes](1, String, result=String)


class Mountd(MOUNT_V3.Service):
    """Exports one directory to two hosts, and another to all hosts."""

    def MOUNTPROC3_EXPORT(self, call: Call) -> list[exportnode]:
        hosts = [groupnode(b"build.example"), groupnode(b"192.0.2.0/24")]
        return [exportnode(b"/srv/home", hosts), exportnode(b"/srv/public", [])]


def place(mapper: RunningDaemon) -> str:
    """The address of a port mapper, as clients name it."""
    return f"127.0.0.1:{mapper.port}"


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / script), *map(str, arguments)]


def ran(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(
        command(script, *arguments), capture_output=True, text=True, timeout=DEADLINE, check=False
    )


@contextmanager
def served_files() -> Iterator[Callable[[str], str]]:
    """The served file system of the example; yields what makes the URL of a file in it."""
    with subprocess.Popen(
        command("memory_backend.py"), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            mounting, url = server.stdout.readline(), server.stdout.readline().strip()
            assert mounting.endswith(" 127.0.0.1:/ /mnt\n")
            yield lambda name: url.replace("/?", f"//{name}?") if name else url
        finally:
            server.terminate()
    assert server.returncode == 0


@contextmanager
def served(script: str, *arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A running example server and its TCP address; ended with the context."""
    pipe = subprocess.PIPE
    started = command(script, *arguments)
    with subprocess.Popen(started, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        words = server.stdout.readline().split()
        try:
            assert words[:2] == ["serving", "at"]
            yield words[2], server
        finally:
            server.terminate()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    most = LONGER.get(path.name)

    lines = code_lines(path) if most else len(path.read_text().splitlines())
    assert lines < (most or MOST_LINES)


def code_lines(path: Path) -> int:
    """The lines that are not empty, comments or docstrings."""
    text = path.read_text()
    lines = {n for n, line in enumerate(text.splitlines(), 1) if line.strip(" ")[:1] not in "#"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


def test_the_readme_lists_every_example() -> None:
    text = (EXAMPLES / "README.md").read_text()

    assert [path.name for path in SCRIPTS if f"[{path.name}]({path.name})" not in text] == []


@pytest.mark.slow
def test_the_greeter_is_served_registered_found_and_called() -> None:
    with RunningDaemon("-4") as mapper, served("serve_greeter.py", place(mapper)) as (_, server):
        called = ran("call_greeter.py", "127.0.0.1", place(mapper))

    greeted = [line.split(" at ")[0] for line in called.stdout.splitlines()]
    assert (called.stderr, greeted) == ("", ["hello sync", "hello one", "hello two", "hello three"])
    assert server.returncode == 0


@pytest.mark.slow
def test_hooks_of_a_client_log_calls() -> None:
    with RunningDaemon("-4") as mapper, served("serve_greeter.py", place(mapper)):
        called = ran("call_with_hooks.py", "127.0.0.1", place(mapper))

    assert called.stdout.startswith("hello hooks at 127.0.0.1 port ")
    assert called.stderr.startswith("GREETER_V1.GREET to 127.0.0.1: done, ")


@pytest.mark.slow
def test_client_without_a_server_prints_one_line() -> None:
    with RunningDaemon("-4") as mapper:
        called = ran("call_greeter.py", "127.0.0.1", place(mapper))

    assert called.returncode == 1
    assert called.stderr == (
        "call_greeter: program 536871065 version 1 is not registered for tcp"
        f" with the port mapper at 127.0.0.1 port {mapper.port}\n"
    )


@pytest.mark.slow
def test_the_programs_of_a_port_mapper_are_listed() -> None:
    with RunningDaemon("-4") as mapper:
        found = ran("find_programs.py", place(mapper))

    where = f"tcp {mapper.addresses['tcp']}, udp {mapper.addresses['udp']}"
    assert found.stderr == ""
    assert found.stdout.splitlines() == [
        f"    100000   {vers}  portmapper    {where}" for vers in (2, 3, 4)
    ]


@pytest.mark.slow
def test_typed_script_says_what_is_registered() -> None:
    with RunningDaemon("-4") as mapper:
        found = ran("typed_script.py", "127.0.0.1", mapper.port)

    assert found.stdout.splitlines() == ["nfs: not registered", "mount: not registered"]
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.slow
def test_lister_without_port_mapper_prints_one_line() -> None:
    with RunningDaemon("-4") as mapper:
        at = place(mapper)

    found = ran("find_programs.py", at)

    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("find_programs: 127.0.0.1 port ")
    assert "this is the port mapper" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_exports_of_a_mount_daemon_are_shown() -> None:
    async def scenario(port: int) -> tuple[bytes, bytes]:
        mapper = f"127.0.0.1:{port}"
        async with serve(Mountd(), transports=["tcp"], register=mapper):
            shown = await asyncio.create_subprocess_exec(
                *command("show_exports.py", "127.0.0.1", mapper),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            return await shown.communicate()

    with RunningDaemon("-4") as mapper:
        printed, complaints = run(scenario(mapper.port))

    assert complaints == b""
    assert printed.decode().splitlines() == [
        "/srv/home for build.example, 192.0.2.0/24",
        "/srv/public for everyone",
    ]


@pytest.mark.slow
def test_hooks_log_count_and_refuse() -> None:
    with served("serve_with_hooks.py") as (uaddr, server):
        _, port = split_uaddr(uaddr)
        with sync.run(sync.dial("tcp", "127.0.0.1", port)) as link:
            with pytest.raises(AuthError):
                sync.run(link.call(Greeter.GREET, b"nobody"))
            greeting = sync.run(link.call(Greeter.GREET, b"world", auth=auth_sys()))
        server.terminate()
        counts, log = server.communicate(timeout=DEADLINE)

    assert greeting == b"hello world"
    refused, done = log.splitlines()
    assert refused.startswith("GREETER_V1.GREET from 127.0.0.1 port ")
    assert "AUTH_TOOWEAK" in refused
    assert " over tcp: done, " in done
    assert counts.count(": 1") == 2


@pytest.mark.slow
@pytest.mark.interop
def test_a_broadcast_finds_the_greeter_on_every_network() -> None:
    with Host() as host:
        host.start(portmap("-r"))
        host.popen([PYTHON, str(EXAMPLES / "serve_greeter.py")])
        until(lambda: len(host.registered(Greeter.prog)) == 4, "it registers on four transports")

        found = host.run([PYTHON, str(EXAMPLES / "broadcast_ping.py"), str(Greeter.prog)])

    lines = {line.split()[0]: line.split()[-1] for line in found.stdout.splitlines()}
    assert found.stderr == ""
    assert {"10.9.0.1", "10.77.0.1"} <= set(lines)
    assert lines["10.9.0.1"].startswith("10.9.0.1.")


@pytest.mark.slow
def test_a_program_without_a_number_cannot_be_pinged() -> None:
    pinged = ran("broadcast_ping.py", "no-such-program")

    assert (pinged.returncode, pinged.stdout) == (1, "")
    assert pinged.stderr == "broadcast_ping: no program is named no-such-program\n"


@pytest.mark.slow
@pytest.mark.interop
def test_memory_back_end_serves_libnfs(tmp_path: Path) -> None:
    need("nfs-ls", "nfs-cp")
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(random.Random(1).randbytes(3_000_000))

    def tool(*argv: str | Path) -> str:
        done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=DEADLINE)
        return done.stdout

    with served_files() as url:
        tool("nfs-cp", sent, url("a"))
        tool("nfs-cp", url("a"), received)
        listed = tool("nfs-ls", url(""))

    assert received.read_bytes() == sent.read_bytes()
    assert [line.split()[-2:] for line in listed.splitlines()] == [["3000000", "a"]]


@pytest.mark.slow
def test_memory_back_end_is_mounted_and_changed() -> None:
    with served_files() as url:
        found = urllib.parse.urlsplit(url(""))
        port = int(urllib.parse.parse_qs(found.query)["nfsport"][0])
        with sync.run(sync.dial("tcp", "127.0.0.1", port)) as link:
            mounted = sync.run(MOUNT_V3.Client(link).MOUNTPROC3_MNT(b"/"))
            assert mounted.body is not None
            nfs = NFS_V3.Client(link).with_options(auth=auth_sys())
            root = nfs_fh3(mounted.body.fhandle)
            made = sync.run(nfs.NFSPROC3_MKDIR(MKDIR3args(diropargs3(root, b"d"), sattr())))
            moved = RENAME3args(diropargs3(root, b"d"), diropargs3(root, b"e"))
            renamed = sync.run(nfs.NFSPROC3_RENAME(moved))
            removed = sync.run(nfs.NFSPROC3_RMDIR(RMDIR3args(diropargs3(root, b"e"))))

    assert [made.status, renamed.status, removed.status] == [nfsstat3.NFS3_OK] * 3
