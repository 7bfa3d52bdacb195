"""The application: the part of a daemon that is its own; ``daemon.run`` does the rest.

>>> class Clock(Application[Config]):
...     name, title = "clockd", "clock"
...     versions = (CLOCK_V1,)
...     schema = Schema(Config, file="/etc/clockd.toml", vocabulary=Vocabulary(versions))
...
...     def services(self) -> list[Service]:
...         return [ClockService()]

That is a daemon with a lock, a user, syslog, systemd notification, rules, rate limits, a status,
metrics, and restart in place. The other methods are called in this order, and do nothing by
default::

    check               as root, before anything is bound
    check_as_user       as the daemon's user
    open                in the event loop: create the objects that the services need
    services
    configure           once here, and again at every SIGHUP
    start               nothing is answered yet; ``left`` is the result of ``leave`` of an earlier
                        image of this process
    began               the daemon answers
    count, look, report, faults, content, links_changed
    settle, leave       before a restart in place
    stop                the server still answers
    close
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.control.rates import CallCounts, Counts
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.rpc import Call, Service, Version
from oncrpc.rpc.reply_cache import ReplyCache

if TYPE_CHECKING:
    from oncrpc.daemon.runtime import Runtime
    from oncrpc.daemon.web.content import WebContent

C = TypeVar("C", bound=Config)


class Application(Generic[C]):
    """One kind of daemon. ``lock`` is taken by a daemon that serves local sockets.

    Class attributes are about the kind, instance attributes about one daemon.
    """

    name: ClassVar[str]
    """In log lines, folders, environment variables, and names of descriptors and metrics."""

    title: ClassVar[str]
    """In messages: ``another TITLE is already running``."""

    users: ClassVar[Sequence[str]] = ("nobody",)
    """Users to become, the first that exists, if the configuration names none."""

    versions: ClassVar[Sequence[type[Version]]]
    """The versions of programs that are served, in the order in which their calls are reported."""

    hosts_names: ClassVar[frozenset[str]] = frozenset()
    """Names in hosts.allow and hosts.deny; a daemon without one is under ``ALL`` only."""

    web_modules: ClassVar[Sequence[str]] = ()
    """Modules of ``content``, to import before root is left."""

    max_record: ClassVar[int] = 1 << 20
    """Bytes of a call over a stream."""

    schema: Schema[C]

    def __init__(self, *, sockets: Sequence[str] = (), lock: str = "") -> None:
        self.sockets = tuple(sockets)
        self.lock = lock or f"/run/{self.name}.lock"
        self.counts = CallCounts(self.versions)

    @property
    def port(self) -> int:
        """The usual port: a daemon there has the usual folder."""
        return self.schema.type().daemon.port

    @property
    def vocabulary(self) -> Vocabulary:
        """The names of the procedures, in rules and log lines."""
        return self.schema.vocabulary

    @property
    def watched(self) -> int:
        """Descriptors to reserve for watching processes."""
        return 0

    @property
    def replies(self) -> ReplyCache | None:
        """The reply cache, for an application with pure procedures."""
        return None

    def check(self, config: C) -> None:
        """Refuse a configuration that cannot work, before anything is bound; may still be root.

        Raises:
            StartError: it cannot work.
        """

    def check_as_user(self, config: C) -> None:
        """The same, as the user that the daemon has become."""

    def open(self, daemon: Runtime[C]) -> None:
        """Create the objects that the services need; called in the event loop."""

    def services(self) -> Sequence[Service]:
        """The programs to serve."""
        raise NotImplementedError

    def configure(self, config: C) -> None:
        """Obey this configuration from now on."""

    def start(self, left: bytes | None) -> None:
        """Begin to work; ``left`` comes from an earlier image, None if there was none."""

    def began(self) -> None:
        """The daemon answers."""

    def serving(self) -> str:
        """The programs that are served, for the log."""
        return self.title

    def holds(self, folder: str) -> bool:  # noqa: ARG002  # an application may override it
        """Whether the application has locked the state folder (``daemon.state.directory``)."""
        return False

    def count(self, call: Call) -> None:
        """Count a call, before rules decide on it."""
        self.counts.count(call)

    def calls(self) -> Counts:
        """The calls so far, a list for each of ``versions``, by procedure number."""
        return self.counts.totals(self.replies)

    def logs_outcome(self, call: Call) -> bool:  # noqa: ARG002  # likewise
        """Whether the application itself logs this call, once it knows the outcome."""
        return False

    def links_changed(self) -> None:
        """The addresses of this host have changed."""

    async def look(self) -> None:
        """Update the data that ``report`` returns."""

    def report(self, common: CommonStatus) -> CommonStatus:
        """The status: ``common``, or a subclass that has more."""
        return common

    def faults(self) -> Sequence[str]:
        """Reasons why the daemon cannot do its work, for the health check."""
        return ()

    def content(self) -> WebContent | None:
        """The web page and the metrics; None for the common metrics without a page."""
        return None

    def settle(self) -> None:
        """Write all pending changes."""

    def leave(self) -> bytes:
        """The state for the next image of this process, as JSON."""
        return b"null"

    async def stop(self) -> None:
        """End the work, while the server still answers."""

    def close(self) -> None:
        """Close everything; the server has stopped."""
