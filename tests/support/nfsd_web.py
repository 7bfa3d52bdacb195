"""``nfsd`` with its web page, on the loopback interface, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.daemon.config.values import web_address_of
from oncrpc.daemon.web.open import opened, web_server
from oncrpc.nfs.daemon.app import Nfsd
from support.nfs_daemons import LOCALHOST, NfsdSetup, RunningNfsd
from support.web_serving import Address


@asynccontextmanager
async def showing_nfsd(made: NfsdSetup) -> AsyncIterator[RunningNfsd]:
    """The daemon, started, with its page; it is ended with the context."""
    listeners = made.listeners()
    try:
        listeners.web = opened(web_address_of(f"{LOCALHOST}:0"), modules=Nfsd.web_modules)
        daemon = made.daemon(listeners)
        async with web_server(listeners.web, daemon.content):
            daemon.start()
            try:
                yield daemon
            finally:
                for link in daemon.links:
                    link.close()
                await daemon.close()
    finally:
        listeners.close()


def page_of(daemon: RunningNfsd) -> Address:
    """The address of the page."""
    assert daemon.listeners.web is not None
    host, port = daemon.listeners.web.getsockname()[:2]
    return host, port
