"""From a URL to a mounted directory: versions, ports, and directories below an export."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from oncrpc import nfs
from oncrpc.aio.serve import serve
from oncrpc.errors import (
    AddressError,
    ClientClosed,
    NotRegistered,
    PortMapperUnreachable,
    ProgramMismatch,
    TransportError,
)
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.programs.mount import MOUNTVERS, fhstatus, mountres3, mountstat3
from oncrpc.rpc import Call, Service, auth_sys
from support.daemon_process import RunningDaemon
from support.loops import in_loop
from support.remote_files import USER, ScriptedMount, ScriptedNfs, url_at

LOCALHOST = "127.0.0.1"


async def error_of(*services: Service, version: str = "&version=3") -> Exception:
    """The error of connecting to these programs."""
    async with serve(*services, transports=["tcp"], host=LOCALHOST) as server:
        url = url_at(server.endpoints["tcp"][1]).replace("&version=3", version)
        with pytest.raises(Exception) as raised:  # noqa: PT011  # the test looks itself
            async with nfs.connect(url, auth=USER):
                pass
    return raised.value


@in_loop
async def test_export_and_directories_below_are_mounted() -> None:
    async with nfs.serve(MemoryFileSystem(mode=0o777), path="/srv/data") as server:
        async with nfs.connect(server.url, auth=USER) as fs:
            await fs.mkdir("a/b", parents=True)
            await fs.write_bytes("a/b/f", b"x")
        async with nfs.connect(server.url_of("a/b"), auth=USER) as fs:
            assert await fs.listdir() == ["f"]
            assert await fs.listdir("../..") == ["f"]
        with pytest.raises(NotADirectoryError, match="'/srv/data/a/b/f'"):
            async with nfs.connect(server.url_of("a/b/f"), auth=USER):
                pass
        with pytest.raises(FileNotFoundError, match="'/srv/data/a/no'"):
            async with nfs.connect(server.url_of("a/no"), auth=USER):
                pass


@in_loop
async def test_mount_can_be_awaited() -> None:
    async with nfs.serve(MemoryFileSystem(mode=0o777)) as server:
        fs = await nfs.connect(server.url, auth=USER)
        await fs.mkdir("a")
        fs.close()
        with pytest.raises(ClientClosed):
            await fs.listdir()


@pytest.mark.slow
@in_loop
async def test_port_mapper_is_asked_for_ports() -> None:
    with RunningDaemon("-4", "-r") as daemon:
        mapper = f"{LOCALHOST}:{daemon.port}"
        async with (
            nfs.serve(MemoryFileSystem(), register=mapper),
            nfs.connect(f"nfs://{LOCALHOST}/", auth=USER, mapper=mapper) as fs,
        ):
            assert (fs.version, await fs.listdir()) == (3, [])
        with pytest.raises(NotRegistered, match=r"program 100005 \(mountd\) version 3 is not"):
            async with nfs.connect(f"nfs://{LOCALHOST}/", auth=USER, mapper=mapper):
                pass


@in_loop
async def test_mount_is_asked_at_the_given_port() -> None:
    with socket.socket() as closed:
        closed.bind((LOCALHOST, 0))
        mapper = f"{LOCALHOST}:{closed.getsockname()[1]}"
        async with nfs.serve(MemoryFileSystem()) as server:
            url = f"nfs://{LOCALHOST}:{server.port}/"
            async with nfs.connect(url, auth=USER, mapper=mapper) as fs:
                assert await fs.listdir() == []
        async with serve(ScriptedNfs(), transports=["tcp"], host=LOCALHOST) as other:
            url = f"nfs://{LOCALHOST}:{other.endpoints['tcp'][1]}/"
            with pytest.raises(PortMapperUnreachable):
                async with nfs.connect(url, auth=USER, mapper=mapper):
                    pass


class Mount1(MOUNTVERS.Service):
    """MOUNT 1 that answers with a number of an error."""

    def __init__(self, status: int) -> None:
        self.status = status

    def MOUNTPROC_MNT(self, call: Call, arg: bytes) -> fhstatus:
        return fhstatus(self.status, None)


@in_loop
async def test_version2_is_tried_without_version3() -> None:
    error = await error_of(Mount1(errno.EACCES), version="")

    assert isinstance(error, PermissionError)


@pytest.mark.parametrize(("status", "number"), [(errno.EIO, errno.EIO), (4711, errno.EREMOTEIO)])
def test_refusal_of_mount1_has_an_errno(status: int, number: int) -> None:
    @in_loop
    async def scenario() -> None:
        error = await error_of(Mount1(status), version="&version=2")

        assert isinstance(error, OSError)
        assert error.errno == number

    scenario()


class RefusingMount(ScriptedMount):
    """Refuses, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def MOUNTPROC3_MNT(self, call: Call, arg: bytes) -> mountres3:
        self.asked.append(arg)
        return mountres3(mountstat3.MNT3ERR_ACCES, None)


@in_loop
async def test_refusal_names_the_path_of_the_url() -> None:
    mount = RefusingMount()
    error: Any = await error_of(mount, ScriptedNfs())

    assert isinstance(error, PermissionError)
    assert error.filename == "/export"
    assert mount.asked == [b"/export", b"/"]


@in_loop
async def test_version_that_is_asked_for_is_required() -> None:
    assert isinstance(await error_of(Mount1(0), version="&version=3"), ProgramMismatch)


@in_loop
async def test_unreachable_server_and_bad_url_are_errors() -> None:
    async with serve(ScriptedMount(), transports=["tcp"], host=LOCALHOST) as server:
        port = server.endpoints["tcp"][1]
    with pytest.raises(TransportError, match="refused"):
        async with nfs.connect(url_at(port), auth=auth_sys(b"c", 1, 1)):
            pass
    with pytest.raises(AddressError):
        async with nfs.connect("files/export"):
            pass


@in_loop
async def test_path_of_many_names_is_refused() -> None:
    error = await error_of(ScriptedMount(), version="&version=3")
    assert error  # the program of NFS is missing

    with pytest.raises(OSError, match="names in the path"):
        async with (
            serve(ScriptedMount(), transports=["tcp"], host=LOCALHOST) as server,
            nfs.connect(url_at(server.endpoints["tcp"][1]).replace("/export", "/a" * 300)),
        ):
            pass
