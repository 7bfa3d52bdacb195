"""The steps of a mount attempt: calls and connections of a client, and how each ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from oncrpc.snoop.messages import Party, TransportName

MAX_STEPS = 64
"""Steps kept of an attempt; each step above the limit replaces the last one."""


class ServerPart(Enum):
    """The programs that take part in a mount, with their usual names."""

    MAPPER = "the port mapper"
    MOUNT = "mountd"
    NFS = "NFS"
    LOCK = "the lock manager"
    STATUS = "the status monitor"
    OTHER = "another program"


PARTS = {
    100000: ServerPart.MAPPER,
    100003: ServerPart.NFS,
    100005: ServerPart.MOUNT,
    100021: ServerPart.LOCK,
    100024: ServerPart.STATUS,
}
"""The parts by program number."""

WELL_KNOWN = {111: ServerPart.MAPPER, 2049: ServerPart.NFS}
"""The parts with a fixed port."""

LOCKING = (ServerPart.LOCK, ServerPart.STATUS)


class StepKind(IntEnum):
    """The purpose of a step, in the order of a mount."""

    LOOKUP = 0
    """The client asks the port mapper for a port, or for its list."""
    CONNECT = 1
    PING = 2
    CONTEXT = 3
    """The client asks for a context of RPCSEC_GSS."""
    LIST = 4
    """The client asks mountd for exports or clients."""
    UNMOUNT = 5
    MOUNT = 6
    SESSION = 7
    """The client introduces itself to NFS 4, or creates a session."""
    SECURITY = 8
    ROOT = 9
    """The client looks the exported directory up, or uses it for the first time."""
    LOCK = 10
    USE = 11


class StepEnd(Enum):
    """How a step ends."""

    WAITING = "the capture ends before the answer"
    DONE = "answered"
    SILENT = "no answer"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    PROHIBITED = "administratively prohibited"
    CLOSED = "the server closes the connection"
    REJECTED = "the call is rejected by RPC"
    FAILED = "answered with an error"
    MISSING = "not registered"


NETWORK_ENDS = {StepEnd.SILENT, StepEnd.REFUSED, StepEnd.UNREACHABLE, StepEnd.PROHIBITED}
"""Ends without a reply from the program."""


class StepResult(NamedTuple):
    """The end of a step: ``status`` is the name of an error, ``port`` the answer of a lookup."""

    end: StepEnd
    status: str = ""
    shown: str = ""
    port: int = 0
    low: int = 0
    high: int = 0
    flavors: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """The result as a short text."""
        return self.shown or self.status or self.end.value


WAITING = StepResult(StepEnd.WAITING)
SILENT = StepResult(StepEnd.SILENT)


class Question(NamedTuple):
    """What a step asks for.

    ``part`` is the program that receives the question, ``about`` the program that the client
    needs: in a lookup, ``part`` is the port mapper. ``transport`` is the transport named in a
    lookup, ``host`` the address of the server. ``name`` is a name that NFS 4 looks up below the
    path so far.
    """

    part: ServerPart
    kind: StepKind
    text: str
    about: ServerPart
    vers: int = 0
    transport: str = ""
    path: str = ""
    name: str = ""
    flavor: int = 0
    operations: tuple[str, ...] = ()
    host: str = ""


@dataclass(slots=True, eq=False)
class MountStep:
    """A question, when the client sent it, how often, and its result.

    ``time`` is the first time, ``last`` the last time that it was sent. ``reply_source`` is the
    host that replied, if that is not the server. ``lost`` counts signs that large packets are lost,
    ``resent`` the segments that the client's TCP has sent again. ``usual`` is True for a call of
    everyday use: it becomes part of the attempt only if it fails.
    """

    question: Question
    number: int
    time: int
    client: Party
    server: Party
    transport: TransportName
    registered: bool = False
    usual: bool = False
    result: StepResult = WAITING
    ended_number: int = 0
    ended: int = 0
    last: int = 0
    tries: int = 1
    replies: int = 0
    lost: int = 0
    resent: int = 0
    given_up: bool = False
    reply_source: str = ""

    def end(self, result: StepResult, number: int, time: int) -> None:
        """Set the result; later results are ignored."""
        if self.waits:
            self.result, self.ended_number, self.ended = result, number, time

    @property
    def waits(self) -> bool:
        """True if there is no result yet."""
        return self.result.end is StepEnd.WAITING

    @property
    def failed(self) -> bool:
        """True if the step ended with an error."""
        return self.result.end not in (StepEnd.DONE, StepEnd.WAITING)

    @property
    def duration(self) -> int:
        """Nanoseconds to the result, 0 without an answer."""
        return self.ended - self.time if self.ended_number else 0

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for a step and its repetition in another attempt."""
        asked = self.question
        return asked.part, asked.kind, asked.about, asked.vers, asked.transport, self.transport


@dataclass(slots=True, eq=False)
class MountAttempt:
    """The steps of one attempt of a client to mount a directory of a server.

    ``path`` is the directory. ``mounted`` is True once the client has used it. ``mtu`` is the limit
    that a router reported. ``fragment`` is the number of the last frame with a fragment from the
    server, ``used`` that of the last frame with the answer to a usual call. ``dropped`` counts
    steps that are not kept.
    """

    client: str
    server: str
    steps: list[MountStep] = field(default_factory=list)
    path: str = ""
    mounted: bool = False
    mtu: int = 0
    fragment: int = 0
    used: int = 0
    dropped: int = 0

    def add(self, step: MountStep) -> None:
        """Add a step; above the limit it replaces the last one."""
        if len(self.steps) >= MAX_STEPS:
            self.dropped += 1
            self.steps.pop()
        self.steps.append(step)
        self.path = step.question.path or self.path
        if step.question.name:
            self.path = f"{self.path.rstrip('/')}/{step.question.name}"

    @property
    def is_mount(self) -> bool:
        """False if the only questions are lookups, pings and locks.

        A server asks its clients for ports and locks too, to call their lock managers.
        """
        return self.mounted or any(
            step.question.kind > StepKind.PING and step.question.about not in LOCKING
            for step in self.steps
        )
