"""The application-specific part of a daemon; ``daemon.run`` does the rest.

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
    main_port, ports    which ports to bind
    capabilities        which of them to keep
    check_as_user       as the daemon's user
    open                in the event loop: create the objects that the services need
    services
    configure           once here, and again at every SIGHUP
    start               before the first call is answered; ``left`` is the result of ``leave`` of an
                        earlier image of this process
    on_serving          calls are answered from now on
    count, admit, refresh, report, faults, content, interfaces_changed, requests
    settle, leave, descriptors
                        before a restart in place
    stop                calls are still answered
    close               the server has stopped
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.aio.limits import Limits
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.control.rates import CallCounts, Counts
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.limits import DESCRIPTORS
from oncrpc.daemon.listeners import ExtraPort
from oncrpc.rpc import Call, Service, Version
from oncrpc.rpc.dispatch import Dispatcher, Reply
from oncrpc.rpc.duplicates import DuplicateCache
from oncrpc.rpc.reply_cache import ReplyCache

if TYPE_CHECKING:
    from oncrpc.aio.deputy import Deputy
    from oncrpc.daemon.capabilities import Capability
    from oncrpc.daemon.control.server import Answerer
    from oncrpc.daemon.runtime import Runtime
    from oncrpc.daemon.web.content import WebContent
    from oncrpc.rpc.quick import MakeQuickCalls

C = TypeVar("C", bound=Config)


class Application(ABC, Generic[C]):
    """One kind of daemon. ``lock`` is taken by a daemon that serves local sockets.

    Class attributes are about the kind, instance attributes about one daemon.
    """

    name: ClassVar[str]
    """Used in log lines, directories, environment variables, names of descriptors and metrics."""

    title: ClassVar[str]
    """Used in messages: ``another TITLE is already running``."""

    users: ClassVar[Sequence[str]] = ("nobody",)
    """Users to try, in order, if none is configured; with none of them root stays root."""

    lasting: ClassVar[bool] = False
    """Whether the state outlives the boot: then it is in /var/lib, not in /run."""

    lost: ClassVar[str] = "the state is not kept"
    """Text for the log if there is no directory for the state."""

    versions: ClassVar[Sequence[type[Version]]]
    """The program versions to serve, in the order in which their calls are reported."""

    hosts_names: ClassVar[frozenset[str]] = frozenset()
    """Names in hosts.allow and hosts.deny; without one only ``ALL`` matches the daemon."""

    observed: ClassVar[bool] = False
    """Whether the outcomes and durations of calls are counted without metrics, too."""

    web_modules: ClassVar[Sequence[str]] = ()
    """Modules that ``content`` needs, to import before privileges are dropped."""

    seldom_modules: ClassVar[Sequence[str]] = ("tomllib",)
    """Modules that a reload may need; they are imported before privileges are dropped."""

    dispatcher: ClassVar[type[Dispatcher] | None] = None
    """The class of the dispatcher; None for the default."""

    max_record: ClassVar[int] = 1 << 20
    """The maximum size of a call over a stream, in bytes."""

    max_descriptors: ClassVar[int] = DESCRIPTORS
    """Descriptors to ask for."""

    schema: Schema[C]

    def __init__(self, *, sockets: Sequence[str] = (), lock: str = "") -> None:
        self.sockets = tuple(sockets)
        self.lock = lock or f"/run/{self.name}.lock"
        self.counts = CallCounts(self.versions)

    @property
    def port(self) -> int:
        """The default port. On this port the default directory is used."""
        return self.schema.type().daemon.port

    @property
    def vocabulary(self) -> Vocabulary:
        """The names of the procedures, in rules and log lines."""
        return self.schema.vocabulary

    @property
    def reserved_descriptors(self) -> int:
        """Descriptors that the server must not use: for pidfds."""
        return 0

    @property
    def reply_cache(self) -> ReplyCache | None:
        """The reply cache, for an application with pure procedures."""
        return None

    def quick_calls(self, dispatcher: Dispatcher) -> MakeQuickCalls | None:  # noqa: ARG002
        """What answers calls without the dispatcher, by its rules; None for nothing.

        It is asked only on connections whose calls cannot be refused by the rules of access.
        """
        return None

    @property
    def deputy(self) -> Deputy | None:
        """Serves TCP connections in other processes; read once, after ``open``."""
        return None

    @property
    def duplicates(self) -> DuplicateCache | None:
        """The replies kept for retransmissions; None for the usual ones, over UDP only."""
        return None

    def check(self, config: C) -> None:
        """Refuse a configuration that cannot work. Called before anything is bound, maybe as root.

        Raises:
            StartError: the configuration cannot work.
        """

    def check_as_user(self, config: C) -> None:
        """Like ``check``, after dropping privileges."""

    def capabilities(
        self,
        uid: int,  # noqa: ARG002  # likewise
        config: C,  # noqa: ARG002  # an application may override it
    ) -> Collection[Capability] | None:
        """The capabilities to keep as user ``uid``; None for all that this user has."""
        return None

    def limits(self, limits: Limits) -> Limits:
        """The limits of the network sockets, made from the usual ones."""
        return limits

    def open(self, daemon: Runtime[C]) -> None:
        """Create the objects that the services need; called in the event loop."""

    def main_port(self, config: C) -> int:
        """The port that is always bound; 0 for a free one."""
        return config.daemon.port

    def ports(self, config: C, passed: Collection[str]) -> Sequence[ExtraPort]:  # noqa: ARG002
        """Further ports on which the programs are served, besides the main port.

        ``passed`` are the roles of the sockets that an earlier image or the service manager left.
        """
        return ()

    @abstractmethod
    def services(self) -> Sequence[Service]:
        """The programs to serve."""

    def configure(self, config: C) -> None:
        """Apply this configuration."""

    def rejected(self) -> str:
        """What is wrong with files of the application that are not in force; empty if all are."""
        return ""

    def in_force(self) -> str:
        """Text for the log after the configuration was read again: how much of what is in force."""
        return ""

    def start(self, left: bytes | None) -> None:
        """Called before the first call; ``left`` is the state of an earlier image, or None."""

    def on_serving(self) -> None:
        """Called when the daemon answers calls."""

    def serving(self) -> str:
        """Text for the log: the programs that are served."""
        return self.title

    def has_locked(self, folder: str) -> bool:  # noqa: ARG002  # an application may override it
        """Whether the application has locked the state folder (``daemon.state.directory``)."""
        return False

    def count(self, call: Call) -> None:
        """Called for each call, before the rules decide on it."""
        self.counts.count(call)

    def admit(self, call: Call) -> None:
        """Called for each call that was counted, before the rules are asked.

        Raises:
            AuthError, NoReply: the application refuses the call.
        """

    def calls(self) -> Counts:
        """The number of calls so far: a list for each of ``versions``, by procedure number."""
        return self.counts.totals(self.reply_cache)

    def trusts(self, host: str) -> bool:  # noqa: ARG002  # likewise
        """Whether a host may have UDP replies that are longer than its calls.

        Call ``Runtime.udp_limits.look_again`` when an answer may have changed.
        """
        return False

    def proves(self, host: str) -> bool:  # noqa: ARG002  # likewise
        """Whether the address of a trusted host cannot be forged: it has no limit of replies."""
        return False

    def logs_outcome(self, call: Call) -> bool:  # noqa: ARG002  # likewise
        """Whether the application itself logs this call, once it knows the outcome."""
        return False

    def answered(self, call: Call, reply: Reply) -> None:
        """Called with each reply, if calls are logged and the application is ``observed``."""

    def interfaces_changed(self) -> None:
        """Called when the addresses of this host have changed."""

    async def refresh(self) -> None:
        """Update the data that ``report`` returns."""

    def report(self, common: CommonStatus) -> CommonStatus:
        """Returns the status: ``common``, or a subclass with more fields."""
        return common

    def faults(self) -> Sequence[str]:
        """Reasons why the daemon is unhealthy, for the health check."""
        return ()

    def content(self) -> WebContent | None:
        """The web page and the metrics; None for the common metrics without a page."""
        return None

    def untraced(self) -> str:
        """Text: the calls that other processes answer, so that a trace does not see them."""
        return ""

    def requests(self) -> Mapping[str, Answerer]:
        """What the control socket answers besides the status; asked once, at the start."""
        return {}

    def settle(self) -> None:
        """Called before a restart in place: write all pending changes."""

    def leave(self) -> bytes:
        """Returns the state for the next image of this process, as JSON."""
        return b"null"

    def descriptors(self) -> Sequence[int]:
        """Descriptors for the next image, which stay open under their numbers; after ``leave``."""
        return ()

    async def stop(self) -> None:
        """Called at the end, while the server still answers."""

    def close(self) -> None:
        """Called when the server has stopped: close everything."""
