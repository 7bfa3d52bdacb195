"""Records the frames that pass an interface of a host, as a capture.

with Recorder(host, "lo") as recorder:
    host.run(["showmount", "-e", "127.0.0.1"])
    path = recorder.write(tmp_path, "showmount")
"""

from __future__ import annotations

import os
import select
import socket
import struct
from pathlib import Path
from typing import Self

from support.captured import Timed, pcap
from support.hosts import Host

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER = 256 << 20
"""Bytes that the kernel may keep until they are taken: no frame of a test is lost."""

WITHIN = ("lo", "")
"""The loopback interface, and all interfaces."""

SECOND = 1_000_000_000


class Recorder:
    """A socket that receives every frame, as Ethernet carries it; ``""`` is all interfaces."""

    def __init__(self, host: Host, interface: str) -> None:
        self._host, self._interface = host, interface

    def __enter__(self) -> Self:
        with self._host.network():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, self._protocol())
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        if self._interface:
            self._sock.bind((self._interface, ETH_P_ALL))
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def _protocol(self) -> int:
        """None before it is bound: frames of other interfaces do not get in between."""
        return 0 if self._interface else socket.htons(ETH_P_ALL)

    def capture(self) -> bytes:
        """A pcap file of the frames since the begin, or since the last call."""
        return pcap(self.frames(), nanoseconds=True)

    def write(self, folder: Path, name: str) -> Path:
        """Write the capture to a folder, or to the one in ``ONCRPC_RECORD``; returns the file."""
        path = Path(os.environ.get("ONCRPC_RECORD", folder)) / f"{name}.pcap"
        path.write_bytes(self.capture())
        return path

    def frames(self) -> list[Timed]:
        """The frames, each with its time in nanoseconds."""
        taken = []
        while select.select([self._sock], [], [], 0)[0]:
            data, ancillary, _, address = self._sock.recvmsg(1 << 17, 64)
            # A frame of this host to itself is seen going out, and coming in.
            if self._interface in WITHIN and address[2] == socket.PACKET_OUTGOING:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            taken.append((seconds * SECOND + nanoseconds, data))
        return taken
