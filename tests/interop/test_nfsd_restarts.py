"""``nfsd`` restarts in place: what a client sends again is answered as before."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3, MKDIR3args, diropargs3, nfs_fh3
from oncrpc.rpc import auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.xdr import codec
from support.exported import sattr
from support.loopback_peers import LOCALHOST

pytestmark = pytest.mark.interop

ROOT = auth_sys(b"client", 0, 0)
DEADLINE = 30.0
SERVING = "serving nfs"


class Daemon:
    """An ``nfsd`` on loopback addresses, and its log."""

    def __init__(self, share: Path, log: IO[str], process: subprocess.Popen[str]) -> None:
        self.share, self.log, self.process = share, log, process
        uaddr = re.findall(r"tcp ([\d.]+)", self.logged(SERVING))[0]
        self.port = split_uaddr(uaddr)[1]

    def logged(self, text: str) -> str:
        """The next line of the log that has this text."""
        while text not in (line := self.log.readline()):
            assert line, "the log has ended"
        return line

    def restart(self) -> None:
        """Replace the program, as ``reload --exec`` does."""
        self.process.send_signal(signal.SIGUSR2)
        self.logged(SERVING)

    def root(self) -> nfs_fh3:
        """The handle of the export."""
        with sync.run(sync.dial("tcp", LOCALHOST, self.port)) as link:
            mount = MOUNT_V3.SyncClient(MOUNT_V3.Client(link)).with_options(auth=ROOT)
            result = mount.MOUNTPROC3_MNT(str(self.share).encode())
        assert result.body is not None, result
        return nfs_fh3(result.body.fhandle)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    share, state = tmp_path / "share", tmp_path / "state"
    share.mkdir()
    state.mkdir(mode=0o700)
    exports = tmp_path / "exports"
    exports.write_text(f"{share} {LOCALHOST}(rw,insecure,no_root_squash,no_subtree_check)\n")
    options = ["-f", "-l", "-4", "-p", "0", "--port-mapper", "none"]
    files = ["--state-dir", str(state), "--exports", str(exports)]
    command = [sys.executable, "-m", "oncrpc.cli.nfsd", *options, *files]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield Daemon(share, process.stderr, process)
        finally:
            process.terminate()
            process.stderr.read()


def connect(port: int) -> socket.socket:
    return socket.create_connection((LOCALHOST, port), timeout=DEADLINE)


def answer(sock: socket.socket, message: bytes) -> bytes:
    """The reply to a call."""
    sock.sendall(encode_record(message))
    reader = RecordReader(max_record=1 << 16)
    while True:
        data = sock.recv(1 << 16)
        assert data, "the connection has ended"
        reader.feed(data)
        for reply in reader.records():
            return reply


def test_repeated_mkdir_gets_its_reply_after_restarts(daemon: Daemon) -> None:
    args = MKDIR3args(diropargs3(daemon.root(), b"new"), sattr(mode=0o755))
    procedure = NFS_V3.NFSPROC3_MKDIR
    place = procedure.version.prog, procedure.version.vers, procedure.number
    message = call_header(7, place, cred=ROOT) + codec(MKDIR3args).encode(args)
    with connect(daemon.port) as first:
        reply = answer(first, message)
        daemon.restart()
        again = answer(first, message)
    daemon.restart()
    with connect(daemon.port) as second:
        after = answer(second, message)

    assert reply[24:28] == bytes(4)
    assert again == after == reply
