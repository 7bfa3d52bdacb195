"""A daemon while it serves: its application, its server, its rules, and reloading.

Between two events: ``settings`` is the last valid configuration that was read, and every part has
been configured from it; the server answers from ``start`` to ``close``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Generic, TypeVar

from oncrpc.access.admission import Admission
from oncrpc.access.call_lines import CallLog
from oncrpc.access.hosts.access import HostsAccess
from oncrpc.access.hosts.libwrap import Libwrap
from oncrpc.access.hosts.rules import DaemonId
from oncrpc.access.udp_limits import UdpLimits
from oncrpc.aio.server import Server
from oncrpc.daemon.app import Application
from oncrpc.daemon.common_status import common_status
from oncrpc.daemon.config.source import OPTION, ConfigSettings, ConfigSource, as_started, changed
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import ConfigError
from oncrpc.daemon.control.outcomes import Observed
from oncrpc.daemon.control.protocol import TRACE
from oncrpc.daemon.control.rates import Rates
from oncrpc.daemon.control.server import Control
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.control.trace import CallTrace
from oncrpc.daemon.handover import Handover, close_unused
from oncrpc.daemon.limits import limits
from oncrpc.daemon.listeners import Listeners
from oncrpc.daemon.state.folders import Folders
from oncrpc.host.netlink import InterfaceWatch
from oncrpc.rpc import Call
from oncrpc.rpc.dispatch import Dispatcher

if TYPE_CHECKING:
    from oncrpc.daemon.web.content import WebContent

log = logging.getLogger("oncrpc.daemon")
config_log = logging.getLogger("oncrpc.config")
"""Exempt from the filter of repeated lines: every reading of the file is reported."""

C = TypeVar("C", bound=Config)


class Runtime(Generic[C]):
    """A daemon on open listeners; ``former`` is the handover of an earlier image."""

    def __init__(
        self,
        app: Application[C],
        source: ConfigSource[C],
        listeners: Listeners,
        *,
        settings: ConfigSettings[C] | None = None,
        folders: Folders = Folders(),  # noqa: B008  # a constant
        former: Handover | None = None,
    ) -> None:
        self.app, self.source, self.listeners = app, source, listeners
        self.settings = source.read() if settings is None else settings
        self.folders, self.former = folders, former
        self.ended = asyncio.Event()
        self.began = time.monotonic()
        self.reloads = {"success": 0, "failure": 0}
        self.reload_fault = ""
        self.call_log = CallLog(app.vocabulary)
        self.admission, self.libwrap = Admission(self.call_log), _libwrap()
        rate = self.settings.config.rate
        self.udp_limits = UdpLimits(
            self.admission,
            replies=rate.replies,
            burst=rate.burst,
            trusts=app.trusts,
            proves=app.proves,
        )
        self.control: Control | None = None
        app.open(self)
        self.rates = Rates(app.calls)
        self.configure(self.settings.config)
        self.server = self._server()
        self.interfaces = InterfaceWatch(self._interfaces_changed)

    @property
    def config(self) -> C:
        """The configuration in force."""
        return self.settings.config

    def _server(self) -> Server:
        network, local = limits(self.app.max_record, reserved=self.app.reserved_descriptors)
        made = Server(
            self._dispatcher(),
            limits=self.app.limits(network),
            local_limits=local,
            guard=self.udp_limits,
            deputy=self.app.deputy,
        )
        # Those of ``daemon.port`` last: theirs are the addresses of the server.
        for found in (*self.listeners.extra.values(), self.listeners.sockets):
            for sock, netid in found:
                made.add(sock, netid)
        return made

    def _dispatcher(self) -> Dispatcher:
        """The dispatcher. It has no reply cache and no quick calls if calls are logged.

        With metrics, or if the application wants it, it counts outcomes.
        """
        usual = Observed if self.app.observed or self.listeners.web is not None else Dispatcher
        make = self.app.dispatcher or usual
        made = make(
            self.app.services(),
            clock=time.monotonic,
            before=self.before,
            reply_cache=None if self.call_log.logs_accepted else self.app.reply_cache,
            duplicates=self.app.duplicates,
        )
        if not self.call_log.logs_accepted:
            made.quick = self.app.quick_calls(made)
        elif isinstance(made, Observed):
            made.answered = self.app.answered
        return made

    def before(self, call: Call) -> Awaitable[None] | None:
        """Count a call, ask the rules, and log it: the dispatcher's ``before``.

        Raises:
            AuthError, NoReply: the application or the rules refuse the call.
        """
        self.app.count(call)
        self.app.admit(call)
        asked = self.admission.before(call) if self.admission.asks else None
        return asked if self.app.logs_outcome(call) else self.call_log.admitted(asked, call)

    def configure(self, config: C) -> None:
        """Configure each part; called at the start, and when the file has been read again."""
        self.admission.configure(config.rule, self._hosts() if config.hosts.enabled else None)
        self.udp_limits.configure(
            trusted=config.trusted_networks, replies=config.rate.replies, burst=config.rate.burst
        )
        self.app.configure(config)

    def _hosts(self) -> HostsAccess:
        """A new reader of the hosts_access(5) files, with an empty cache."""
        port = self.config.daemon.port or self.app.port
        return HostsAccess(DaemonId(self.app.hosts_names, port), libwrap=self.libwrap)

    def reread(self) -> str:
        """Read the files again. Returns the fault, or ""; a file with a fault changes nothing."""
        self.reload_fault = self._reread()
        self.reloads["failure" if self.reload_fault else "success"] += 1
        return self.reload_fault

    def _reread(self) -> str:
        try:
            settings = self.source.read()
        except ConfigError as error:
            config_log.error("%s; keeping the previous configuration", error)
            return str(error)
        started = self.settings
        for key in changed(started.config, settings.config):
            if started.source(key) != OPTION:
                config_log.warning("%s changed; it takes effect at the next start", key)
        self.settings = settings._replace(config=as_started(started.config, settings.config))
        self.configure(self.config)
        counted = filter(None, (f"rules: {len(settings.config.rule)}", self.app.in_force()))
        config_log.info("configuration read again; %s", "; ".join(counted))
        return self.app.rejected()

    def _interfaces_changed(self) -> None:
        log.debug("interfaces or addresses have changed")
        self.app.interfaces_changed()
        self.server.look_again()

    def start(self) -> None:
        """Start the application, the control socket and the server."""
        former = self.former
        self.app.start(None if former is None else bytes(former.left))
        if former is not None:
            close_unused(former, self.app.descriptors())
        self._open_control()
        self.server.start()
        if former is not None:
            self.server.adopt(former.carried())
        self.app.on_serving()
        self.interfaces.start()
        self.rates.start()
        places = ", ".join(f"{netid} {uaddr}" for netid, uaddr in self.server.addresses.items())
        others = "".join(
            f"; port {found[0][0].getsockname()[1]} ({role})"
            for role, found in self.listeners.extra.items()
            if found
        )
        log.info("serving %s on %s%s", self.app.serving(), places, others)

    def _open_control(self) -> None:
        """Open the control socket.

        It may replace an existing socket if the application has locked the directory.
        """
        folder = self.folders.control
        if folder is not None:
            locked = self.app.has_locked(folder)
            trace = CallTrace(self.server.dispatcher, self.udp_limits, unseen=self.app.untraced())
            self.control = Control(
                folder,
                self.status,
                locked=locked,
                requests=self.app.requests(),
                followed={TRACE: trace.follow},
            )
            self.control.start()

    async def status(self) -> CommonStatus:
        """The status, with the application's part."""
        await self.app.refresh()
        return self.snapshot()

    def snapshot(self) -> CommonStatus:
        """Like ``status``, without ``refresh``."""
        return self.app.report(common_status(self))

    def content(self) -> WebContent:
        """The web content of the application, or the common metrics."""
        from oncrpc.daemon.common_content import CommonContent  # needs the extra ``web``

        return self.app.content() or CommonContent(self)

    async def close(self) -> None:
        """Stop the server, close everything, and remove our socket files."""
        paths = self.listeners.own_paths()
        self.rates.close()
        self.interfaces.close()
        if self.control is not None:
            await self.control.close()
        await self.app.stop()
        await self.server.close()
        if self.libwrap is not None:
            self.libwrap.close()
        self.app.close()
        for path in paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        log.info("ended")


def _libwrap() -> Libwrap | None:
    """The C library of hosts_access(5), if this host has it."""
    try:
        return Libwrap()
    except OSError:
        return None
