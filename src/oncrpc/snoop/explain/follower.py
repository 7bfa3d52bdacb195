"""Build mount attempts from the messages and signals of a capture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from oncrpc.snoop.explain.answers import result_of
from oncrpc.snoop.explain.channels import (
    MAX_CHANNELS,
    BoundedTable,
    Channel,
    KnownPort,
    KnownPorts,
)
from oncrpc.snoop.explain.questions import is_notable, is_use, question_of, usual_question
from oncrpc.snoop.explain.signals import Signal, SignalKind
from oncrpc.snoop.explain.steps import (
    SILENT,
    MountAttempt,
    MountStep,
    Question,
    ServerPart,
    StepEnd,
    StepKind,
    StepResult,
)
from oncrpc.snoop.messages import Party, RpcMessage

MAX_PAIRS = 500
"""Pairs of a client and a server with an attempt in progress; then the oldest pair is forgotten."""

MAX_ATTEMPTS = 500
"""Attempts kept; then the oldest is forgotten."""

MAX_ARP = 1000
"""Unanswered ARP requests that are followed; then the oldest is forgotten."""

PATIENCE = 1_000_000_000
"""Nanoseconds after which a step without a result counts as unanswered."""

LARGE = 400
"""Bytes of a large segment; smaller ones pass any link."""

REFUSALS = {
    SignalKind.PORT_UNREACHABLE: StepResult(
        StepEnd.REFUSED, "port unreachable", "refused (ICMP port unreachable)"
    ),
    SignalKind.HOST_UNREACHABLE: StepResult(
        StepEnd.UNREACHABLE, "host unreachable", "unreachable (ICMP host or network unreachable)"
    ),
    SignalKind.PROHIBITED: StepResult(
        StepEnd.PROHIBITED, "prohibited", "refused (ICMP administratively prohibited)"
    ),
}
RESET = StepResult(StepEnd.REFUSED, "RST", "refused (RST)")
CLOSED = StepResult(StepEnd.CLOSED)
CONNECTED = StepResult(StepEnd.DONE, shown="connected")
BEGINNING = {StepKind.CONNECT, StepKind.LOOKUP, StepKind.PING, StepKind.MOUNT, StepKind.LIST}
"""The kinds of step that can begin an attempt."""

BEGINNING_ANOTHER = {StepKind.CONNECT, StepKind.LOOKUP, StepKind.MOUNT, StepKind.LIST}
"""The kinds that begin another attempt once a directory is mounted, if they are about mountd."""

NEGOTIATED = {"PROG_MISMATCH", "NFS4ERR_MINOR_VERS_MISMATCH"}
"""Errors after which a client tries another version in the same attempt."""

Pair = tuple[str, str]
"""The hosts of a client and a server."""


class MountFollower:
    """Builds attempts from messages and signals.

    A pair of hosts has one attempt in progress, the newest; a step belongs to that one. A usual
    step is added when it fails. ``forgotten`` counts the attempts above the limit.
    """

    def __init__(self) -> None:
        self._attempts: deque[MountAttempt] = deque()
        self._newest: BoundedTable[Pair, MountAttempt] = BoundedTable(MAX_PAIRS)
        self._channels: BoundedTable[tuple[Party, Party], Channel] = BoundedTable(MAX_CHANNELS)
        self._ports = KnownPorts()
        self._arp: BoundedTable[Pair, MountStep] = BoundedTable(MAX_ARP)
        self.forgotten = 0

    def message(self, message: RpcMessage) -> None:
        """Take a call or a reply."""
        if message.is_call:
            self._call(message)
        elif message.call is not None:
            self._reply(message, message.call)

    def _call(self, call: RpcMessage) -> None:
        ends = (call.source, call.target)
        channel = self._channels.get(ends)
        known = channel.steps.get(call.xid) if channel is not None else None
        if known is not None and call.retransmission:
            known.tries, known.last = known.tries + 1, call.time
            return
        newest = self._newest.get((call.source.host, call.target.host))
        usual = newest is not None and newest.mounted and not is_notable(call)
        question = usual_question(call) if usual else question_of(call)
        if question is None:
            if channel is not None:
                channel.used = True
            return
        if channel is None:
            channel = Channel()
            self._channels.put(ends, channel)
        step = self._step(question, call, usual=usual or question.kind is StepKind.USE)
        self._ports.learn(call.target, KnownPort(question.part))
        channel.add(call.xid, step)
        self._begin(step)

    def _step(self, question: Question, seen: RpcMessage | Signal, *, usual: bool) -> MountStep:
        known = self._ports.at(seen.target)
        time = seen.began if isinstance(seen, RpcMessage) else seen.time
        return MountStep(
            question, seen.number, time, seen.source, seen.target, seen.transport,
            registered=known is not None and known.registered, usual=usual, last=time,
        )  # fmt: skip

    def _begin(self, step: MountStep) -> None:
        """Add a step to its attempt, unless it is usual."""
        if not step.usual:
            self._attempt(step).add(step)

    def _reply(self, reply: RpcMessage, call: RpcMessage) -> None:
        channel = self._channels.get((call.source, call.target))
        step = channel.steps.get(call.xid) if channel is not None else None
        if channel is None or step is None:
            return
        channel.used = True
        step.replies += 1
        if step.replies > 1:
            return
        if reply.source.host != call.target.host:
            step.reply_source = reply.source.host
        self._finish_step(step, result_of(step.question, reply), reply.number, reply.time)
        if step.usual:
            del channel.steps[call.xid]

    def _finish_step(self, step: MountStep, result: StepResult, number: int, time: int) -> None:
        """Set the result of a step, and update its attempt."""
        step.end(result, number, time)
        if result.port:
            server = Party(step.server.host, result.port)
            self._ports.learn(server, KnownPort(step.question.about, registered=True))
        if step.usual and step.failed:
            self._attempt(step).add(step)
        if result.end is not StepEnd.DONE or step.question.kind not in (
            StepKind.ROOT, StepKind.USE,
        ):  # fmt: skip
            return
        attempt = self._newest.get((step.client.host, step.server.host))
        if attempt is None:
            attempt = self._attempt(step)
            attempt.add(step)
        attempt.used = number
        attempt.mounted = attempt.mounted or is_use(step.question)

    def _attempt(self, step: MountStep) -> MountAttempt:
        """The attempt of a step; creates one if the step begins another."""
        pair = (step.client.host, step.server.host)
        newest = self._newest.get(pair)
        if newest is None or (not step.usual and _begins_another(newest, step)):
            newest = MountAttempt(*pair)
            self._newest.put(pair, newest)
            self._attempts.append(newest)
            if len(self._attempts) > MAX_ATTEMPTS:
                self._attempts.popleft()
                self.forgotten += 1
        return newest

    def signal(self, signal: Signal) -> None:
        """Take a signal."""
        if signal.kind is SignalKind.OPENING:
            self._opening(signal)
        elif signal.kind in REFUSALS:
            self._refusal(signal)
        elif signal.kind in (SignalKind.ARP_ASKED, SignalKind.ARP_ANSWERED):
            self._arp_signal(signal)
        elif signal.kind in (SignalKind.TOO_BIG, SignalKind.FRAGMENT):
            self._size_signal(signal)
        else:
            self._connection_signal(signal)

    def _opening(self, signal: Signal) -> None:
        known = self._ports.at(signal.target)
        if known is None:
            return
        ends = (signal.source, signal.target)
        former = self._channels.get(ends)
        if former is not None and former.connect is not None and former.connect.waits:
            former.connect.tries, former.connect.last = former.connect.tries + 1, signal.time
            return
        text = f"connect to {known.part.value} (TCP port {signal.target.port})"
        question = Question(known.part, StepKind.CONNECT, text, known.part)
        newest = self._newest.get((signal.source.host, signal.target.host))
        mounted = newest is not None and newest.mounted
        usual = mounted and known.part in (ServerPart.NFS, ServerPart.OTHER)
        step = self._step(question, signal, usual=usual)
        self._channels.put(ends, Channel(step))
        self._begin(step)

    def _refusal(self, signal: Signal) -> None:
        channel = self._channels.get((signal.source, signal.target))
        for step in channel.waiting() if channel is not None else ():
            if step.transport == signal.transport:
                self._finish_step(step, REFUSALS[signal.kind], signal.number, signal.time)

    def _size_signal(self, signal: Signal) -> None:
        """Note a fragment, or the MTU that a router reports, in the attempt of the two hosts."""
        hosts = (signal.source.host, signal.target.host)
        attempt = self._newest.get(hosts) or self._newest.get(hosts[::-1])
        if attempt is None:
            return
        if signal.kind is SignalKind.TOO_BIG:
            attempt.mtu = signal.size
        elif signal.source.host == attempt.server:
            attempt.fragment = signal.number

    def _connection_signal(self, signal: Signal) -> None:
        by_client = (signal.source, signal.target) in self._channels
        ends = (signal.source, signal.target) if by_client else (signal.target, signal.source)
        channel = self._channels.get(ends)
        if channel is None:
            return
        if signal.kind in (SignalKind.RESENT, SignalKind.GAP):
            for step in channel.waiting():
                step.lost += signal.kind is SignalKind.GAP or signal.size >= LARGE
                step.resent += by_client
        elif signal.kind is SignalKind.OPENED:
            if channel.connect is not None and not by_client:
                self._finish_step(channel.connect, CONNECTED, signal.number, signal.time)
        elif by_client:
            for step in channel.waiting():
                step.given_up = True
            channel.connect = None
        else:
            self._closed_by_server(channel, signal)

    def _closed_by_server(self, channel: Channel, signal: Signal) -> None:
        connect, result = channel.connect, CLOSED
        if connect is not None and connect.waits:
            result = RESET if signal.kind is SignalKind.RESET else CLOSED
        for step in list(channel.waiting()):
            if not step.given_up:
                self._finish_step(step, result, signal.number, signal.time)
        unused = not channel.steps and not channel.used
        if connect is not None and unused and connect.result is CONNECTED:
            connect.result, connect.ended_number, connect.ended = CLOSED, signal.number, signal.time
        channel.connect = None

    def _arp_signal(self, signal: Signal) -> None:
        asker, address = signal.source.host, signal.target.host
        if signal.kind is SignalKind.ARP_ANSWERED:
            self._arp.pop((address, asker), None)
            return
        known = self._arp.get((asker, address))
        if known is not None:
            known.tries += 1
            return
        text = f"{'ND' if ':' in address else 'ARP'}: who has {address}?"
        question = Question(ServerPart.OTHER, StepKind.CONNECT, text, ServerPart.OTHER)
        self._arp.put((asker, address), self._step(question, signal, usual=False))

    def finish(self, now: int) -> list[MountAttempt]:
        """The attempts of the whole capture; ``now`` is the time of its last frame."""
        for step in list(self._unfinished()):
            again = step.tries > 1 or step.resent > 1
            if again or step.given_up or now - step.time >= PATIENCE:
                self._finish_step(step, SILENT, 0, 0)
        for pair, step in self._arp.items():
            if pair not in self._newest and step.tries > 1:
                step.end(SILENT, 0, 0)
                self._attempt(step).add(step)
        for attempt in self._attempts:
            _end_abandoned_steps(attempt)
        return list(self._attempts)

    def _unfinished(self) -> Iterator[MountStep]:
        """The steps without a result, also those whose channel was forgotten."""
        for channel in self._channels.values():
            yield from channel.waiting()
        for attempt in self._attempts:
            yield from (step for step in attempt.steps if step.waits)


def _end_abandoned_steps(attempt: MountAttempt) -> None:
    """A waiting step that is followed by another one is unanswered."""
    attempt.steps.sort(key=lambda step: step.number)
    for step in attempt.steps[:-1]:
        step.end(SILENT, 0, 0)


def _begins_another(newest: MountAttempt, step: MountStep) -> bool:
    """Whether a step begins another attempt."""
    question = step.question
    if newest.mounted:
        return question.about is ServerPart.MOUNT and question.kind in BEGINNING_ANOTHER
    if question.kind not in BEGINNING:
        return False
    before = newest.steps
    if question.kind is StepKind.MOUNT and any(
        each.question.path not in ("", question.path) for each in before
    ):
        return True
    alike = [each for each in before if each.signature == step.signature]
    if any(_is_over(each, step.time) for each in alike):
        return True
    return bool(alike) and any(
        _is_over(each, step.time) and each.result.status not in NEGOTIATED for each in before
    )


def _is_over(step: MountStep, now: int) -> bool:
    """Whether a step has ended the attempt: it failed, or has waited for too long."""
    return step.failed or (step.waits and now - step.time >= PATIENCE)
