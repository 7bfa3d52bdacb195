"""A worker process of ``nfsd``: NFS and NFSACL on the TCP connections that the server gives it.

Its standard input is the channel to the server. The process ends when the channel is closed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import NoReturn

from oncrpc.addr import transport
from oncrpc.aio.deputy import Receiver
from oncrpc.aio.limits import Limits
from oncrpc.daemon import loop, signals
from oncrpc.daemon.capabilities import limit_to
from oncrpc.daemon.config.source import ConfigSettings, ConfigSource
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.control.outcomes import Observed
from oncrpc.daemon.listeners import Listeners
from oncrpc.daemon.runtime import Runtime
from oncrpc.errors import ProtocolError
from oncrpc.net.targets import FAMILIES
from oncrpc.nfs.daemon.app import Nfsd
from oncrpc.nfs.daemon.call_lines import NfsCallLines
from oncrpc.nfs.daemon.config import NAME, SCHEMA, NfsdConfig
from oncrpc.nfs.daemon.exported import Exported
from oncrpc.nfs.daemon.local_roots import LocalRoots
from oncrpc.nfs.daemon.modes import kept_by, mode_of
from oncrpc.nfs.daemon.part import Site
from oncrpc.nfs.daemon.parts import needed_parts
from oncrpc.nfs.daemon.sources import sources_of
from oncrpc.nfs.daemon.state import ServerState
from oncrpc.nfs.daemon.vocabulary import ACL, NFS, PROGRAMS
from oncrpc.nfs.daemon.worker_reports import WorkerTotals, report_of, totals_of
from oncrpc.nfs.daemon.worker_settings import WorkerSettings, share_of, unpickled
from oncrpc.nfs.exports.table import Exports
from oncrpc.nfs.groups import HostGroups
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.server.keys import Keys, Tags
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.server.sizes import AROUND, DATAGRAM, TransferSizes
from oncrpc.nfs.workers.channel import WorkerChannel
from oncrpc.nfs.workers.memory import SharedMemory
from oncrpc.nfs.workers.messages import (
    Answered,
    End,
    Forwarded,
    Freeze,
    Frozen,
    KeptReplies,
    LogLine,
    Moved,
    ReportNow,
    Settings,
    Taken,
    WorkerMessage,
    encode,
    from_server,
)
from oncrpc.rpc import Caller, Service
from oncrpc.rpc.dispatch import Reply
from oncrpc.rpc.prot import RPC_VERSION, msg_type

SERVED = frozenset({NFS, ACL})
"""The programs of a worker."""

OWN = frozenset(PROGRAMS[name].to_bytes(4, "big") for name in SERVED)
CALL = bytes((0, 0, 0, msg_type.CALL, 0, 0, 0, RPC_VERSION))
MAX_FORWARDED = 64 << 10
"""Bytes of a call that a worker forwards; a longer call ends its connection."""

REPORT_EVERY = 1.0
"""Seconds between two reports."""

DRAIN = 0.5
"""Seconds to wait for calls in progress before the connections are given back."""

Forward = Callable[[bytes, Caller], Awaitable[Reply]]


class ForwardingDispatcher(Observed):
    """Answers calls of the programs ``SERVED``, and forwards all others to the server."""

    forward: Forward

    def handle(self, message: bytes, caller: Caller) -> Reply | Awaitable[Reply]:
        """As ``Observed.handle``. The server counts the calls that are forwarded."""
        if message[12:16] in OWN or message[4:12] != CALL or len(message) < 16:
            return super().handle(message, caller)
        if len(message) > MAX_FORWARDED:
            raise ProtocolError("a call that is too long to be forwarded")
        return self.forward(message, caller)


class FixedTags(Tags):
    """The tags of exports that the server has sent."""

    def tags_for(self, identities: Sequence[str]) -> list[int]:
        """The tags of exports.

        Raises:
            StartError: the server has not sent one of them yet.
        """
        if any(each not in self.known for each in identities):
            raise StartError("the server has not opened it")
        return [self.known[each] for each in identities]


class NfsdWorker(Nfsd):
    """The application of a worker."""

    dispatcher = ForwardingDispatcher

    def __init__(self, settings: WorkerSettings, memory: SharedMemory) -> None:
        super().__init__(make_mapper=_no_mapper)
        self.settings, self.memory = settings, memory

    def limits(self, limits: Limits) -> Limits:
        """The share of one worker."""
        return share_of(super().limits(limits), self.settings.workers)

    def open(self, daemon: Runtime[NfsdConfig]) -> None:
        """Create the objects that the programs need; no file is opened."""
        given, self.daemon, self.mode = self.settings, daemon, mode_of(os.geteuid())
        self.state = ServerState(None, Keys(given.key, FixedTags(given.tags)))
        self.shares, self.mounts = Shares(Handles(given.key)), MountList()
        self.call_lines = NfsCallLines(self.shares, daemon.call_log)
        self.exported = Exported(
            Exports(sources_of(given.config, self.mode)), self.shares, self.state.keys.tags,
            LocalRoots(None, processes=1 + given.workers), shared=self.memory,
        )  # fmt: skip
        self.guard_local_users(given.config.daemon)
        sizes = TransferSizes.within(record=self.max_record, datagram=DATAGRAM + AROUND)
        site = Site(daemon, self.shares, self.mounts, self.state, sizes)
        served = SERVED & {*given.config.daemon.programs}
        self.parts = [part for part in needed_parts(served, site) if part.name in SERVED]

    def services(self) -> Sequence[Service]:
        """NFS and NFSACL, as far as they are configured."""
        every = [service for part in self.parts for service in part.services()]
        return [service for service in every if service.version in self.programs]

    def configure(self, config: NfsdConfig) -> None:
        """Export what the server exports."""
        self.shares.groups_of = HostGroups() if config.identity.manage_gids else None
        self.exported.tags = FixedTags(self.settings.tags)
        self.exported.use(self.settings.table)
        for part in self.parts:
            part.configure(config)

    def interfaces_changed(self) -> None:
        """Forget the addresses of this host."""
        self.own_addresses.forget()

    async def stop(self) -> None:
        """Nothing to do: the programs of a worker have no state to save."""


class Worker:
    """The process of a worker: it handles the messages of the server until ``ended`` is set.

    ``daemon`` is None until the first settings have arrived.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.ended = asyncio.Event()
        self.channel = WorkerChannel(sock, self._received, self.ended.set)
        self.daemon: Runtime[NfsdConfig] | None = None
        self.app: NfsdWorker
        self._receivers: dict[str, Receiver] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._numbers, self._totals = count(), WorkerTotals()

    def send(self, message: WorkerMessage, descriptor: int | None = None) -> None:
        """Send a message to the server."""
        self.channel.send(encode(message), descriptor)

    def _received(self, data: bytes, descriptor: int | None) -> None:
        match message := from_server(data):
            case Settings():
                self._settings(unpickled(message.pickled), descriptor)
            case Moved():
                assert descriptor is not None, "a connection comes with its descriptor"
                self._take(message, descriptor)
            case Answered():
                asked = self._asked.pop(message.number)
                if not asked.done():
                    asked.set_result(message.reply)
            case KeptReplies():
                self.app.nfs_duplicates.resume(message.replies, time.monotonic())
            case ReportNow():
                self._report()
            case Freeze():
                self._ending = asyncio.ensure_future(self._freeze())
            case End():
                self.ended.set()

    def _settings(self, given: WorkerSettings, memory: int | None) -> None:
        for name, level in given.levels.items():
            logging.getLogger(name).setLevel(level)
        settings = ConfigSettings(given.config, "", {})
        if self.daemon is not None:
            self.app.settings, self.daemon.settings = given, settings
            self.daemon.configure(given.config)
            return
        assert memory is not None, "the first settings come with the memory of the verifier"
        self.app = NfsdWorker(given, SharedMemory(memory, own=given.number + 1))
        os.close(memory)
        with self._ending_on_error():
            self.daemon = self._started(settings)

    @contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        """End the process if it cannot start. The event loop logs the error."""
        try:
            yield
        except BaseException:
            self.ended.set()
            raise

    def _started(self, settings: ConfigSettings[NfsdConfig]) -> Runtime[NfsdConfig]:
        source = ConfigSource(SCHEMA)
        daemon = Runtime(self.app, source, Listeners(), settings=settings)
        dispatcher = daemon.server.dispatcher
        assert isinstance(dispatcher, ForwardingDispatcher)
        dispatcher.forward = self._forward
        daemon.server.start()
        daemon.interfaces.start()
        self._report_often()
        return daemon

    def _take(self, message: Moved, descriptor: int) -> None:
        self.send(Taken())
        receiver = self._receiver(message.netid)
        if message.state is None:
            receiver.receive(descriptor)
        else:
            receiver.adopt(message.carried(descriptor))

    def _receiver(self, netid: str) -> Receiver:
        found = self._receivers.get(netid)
        if found is None:
            assert self.daemon is not None, "settings come first"
            found = self.daemon.server.receive(netid, FAMILIES[transport(netid).family])
            self._receivers[netid] = found
        return found

    async def _forward(self, message: bytes, caller: Caller) -> Reply:
        assert caller.source is not None, "a caller over TCP"
        assert caller.local is not None, "a caller over TCP"
        number = next(self._numbers)
        asked: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        self.send(
            Forwarded(number, caller.netid, caller.source, caller.local, caller.loopback, message)
        )
        return await asked

    def _report_often(self) -> None:
        if self.ended.is_set():
            return
        self._report()
        asyncio.get_running_loop().call_later(REPORT_EVERY, self._report_often)

    def _report(self) -> None:
        now = totals_of(self.app)
        self.send(report_of(self.app, now, self._totals))
        self._totals = now

    async def _freeze(self) -> None:
        """Give the connections and the reply cache back. The server then ends this process."""
        assert self.daemon is not None, "settings come first"
        for each in await self.daemon.server.freeze(drain=DRAIN):
            self.send(Moved.of(each), os.dup(each.descriptor))
        self._report()
        self.send(KeptReplies(self.app.nfs_duplicates.leave(time.monotonic())))
        self.send(Frozen())

    async def serve(self) -> None:
        """Serve until the server sends ``End``, or has ended itself."""
        await self.ended.wait()
        if self.daemon is not None:
            self._report()
            await self.daemon.close()


class ToServer(logging.Handler):
    """Sends log lines to the server."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line, with its traceback if it has one."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        self._worker.send(LogLine(record.name, record.levelno, text))


def _no_mapper(_: object) -> NoReturn:
    raise AssertionError("only the server uses a port mapper")


async def _serve(sock: socket.socket) -> None:
    worker = Worker(sock)
    logging.getLogger().addHandler(ToServer(worker))
    await worker.serve()


def main() -> int:
    """Run a worker; returns the exit status."""
    gc.freeze()
    # Service managers send signals to all processes; the server ends its workers itself.
    signals.ignore()
    signals.finish()
    limit_to(kept_by(os.geteuid(), SERVED))
    sock = socket.socket(fileno=os.dup(0))
    with asyncio.Runner(loop_factory=loop.factory(NAME)) as runner:
        runner.run(_serve(sock))
    return 0


if __name__ == "__main__":
    sys.exit(main())
