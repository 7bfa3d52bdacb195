"""A mount attempt as steps: who is asked for what, and how each step ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from oncrpc.snoop.messages import Party, TransportName

MAX_STEPS = 64
"""Steps of an attempt that are kept; of those beyond, only the last one is."""


class ServerPart(Enum):
    """The programs that take part in a mount, with the names that people know."""

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
LOCKING = (ServerPart.LOCK, ServerPart.STATUS)
WELL_KNOWN = {111: ServerPart.MAPPER, 2049: ServerPart.NFS}
"""The parts by program number, and by port."""


class StepKind(IntEnum):
    """What a step is for; the later kinds come later in a mount."""

    LOOKUP = 0
    """The port mapper is asked for a port, or for its list."""
    CONNECT = 1
    PING = 2
    CONTEXT = 3
    """RPCSEC_GSS is asked for a context."""
    LIST = 4
    """mountd is asked for exports or clients."""
    UNMOUNT = 5
    MOUNT = 6
    SESSION = 7
    """NFS 4 is told of the client."""
    SECURITY = 8
    ROOT = 9
    """The exported directory is looked up, or used for the first time."""
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


ON_THE_WAY = {StepEnd.SILENT, StepEnd.REFUSED, StepEnd.UNREACHABLE, StepEnd.PROHIBITED}
"""Ends without a word from the program."""


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
        """The result in a line."""
        return self.shown or self.status or self.end.value


WAITING = StepResult(StepEnd.WAITING)
SILENT = StepResult(StepEnd.SILENT)


class Question(NamedTuple):
    """What a step asks for.

    ``part`` is the program that is asked, ``about`` the one that the step is for: they differ
    where the port mapper is asked for a program. ``transport`` is the one that is asked for,
    ``host`` the address of the server. ``name`` is a name that is looked up below the last one.
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
    """A question, when and how often it was put, and its result.

    ``last`` is when it was put for the last time. ``heard`` is the host that replied, if that is
    not the one that was asked. ``lost`` counts signs that large packets are lost, ``unheard`` the
    segments of the client that TCP has sent again. ``usual`` is True
    for what a client does all the time: it comes into the attempt only if it fails.
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
    unheard: int = 0
    given_up: bool = False
    heard: str = ""

    def end(self, result: StepResult, number: int, time: int) -> None:
        """Take the first result; later ones change nothing."""
        if self.waits:
            self.result, self.ended_number, self.ended = result, number, time

    @property
    def waits(self) -> bool:
        """True without a result."""
        return self.result.end is StepEnd.WAITING

    @property
    def failed(self) -> bool:
        """True if the step ended, and not well."""
        return self.result.end not in (StepEnd.DONE, StepEnd.WAITING)

    @property
    def duration(self) -> int:
        """Nanoseconds to the result, 0 without an answer."""
        return self.ended - self.time if self.ended_number else 0

    @property
    def signature(self) -> tuple[object, ...]:
        """What is equal in a step and its repetition in another attempt."""
        asked = self.question
        return asked.part, asked.kind, asked.about, asked.vers, asked.transport, self.transport


@dataclass(slots=True, eq=False)
class MountAttempt:
    """The steps of a client towards a server.

    ``path`` is what is mounted. ``mounted`` is True once a directory of the server was used.
    ``mtu`` is what a router demanded, ``fragment`` and ``used`` are the numbers of the last frames
    with a fragment from the server and with the answer to a usual call. ``dropped`` counts steps
    that are not kept.
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
        """Add a step; if there are too many, it takes the place of the last one."""
        if len(self.steps) >= MAX_STEPS:
            self.dropped += 1
            self.steps.pop()
        self.steps.append(step)
        self.path = step.question.path or self.path
        if step.question.name:
            self.path = f"{self.path.rstrip('/')}/{step.question.name}"

    @property
    def is_mount(self) -> bool:
        """True if more was asked than for ports, and whether programs answer, and for locks.

        A server asks its clients for ports and locks, too, to call their lock managers back.
        """
        return self.mounted or any(
            step.question.kind > StepKind.PING and step.question.about not in LOCKING
            for step in self.steps
        )
