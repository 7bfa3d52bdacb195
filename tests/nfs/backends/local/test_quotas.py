"""``oncrpc.nfs.backends.local.quotas``: what is asked of quotactl(2), which is faked here.

Kernels with quotas are in ``tests/interop/test_quota_guest.py``.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.quotas import call_quotactl
from oncrpc.nfs.filesystem import Identity, Quota, QuotaKind, QuotaLimits
from support.errnos import fails_with

GET, SET, STATE = 0x800007, 0x800008, 0x5805
WHO = Identity(0, 0)
USER, GROUP = QuotaKind
KERNEL = struct.pack("=8QI4x", 8, 4, 6000, 20, 10, 15, 77, 78, 0x3F)
QUOTA = Quota(QuotaLimits(8192, 4096, 20, 10), 6000, 15, 77, 78, enforced=True)
Answers = dict[int, bytes | int]


class FakeQuotas(LocalFileSystem):
    """A directory whose kernel answers what the test says: data, or an errno, by command.

    ``calls`` are the command, the number and the data of each call, and the thread's user and
    groups.
    """

    def __init__(self, path: str, answers: Answers) -> None:
        super().__init__(path)
        self.answers, self.calls = answers, list[Any]()
        self.only_for: Callable[[], bool] = lambda: True

        def asked(
            descriptor: int, command: int, number: int, data: ctypes.Array[ctypes.c_char]
        ) -> None:
            os.fstat(descriptor)
            given = bytes(data.raw) if command >> 8 == SET else b""
            self.calls.append((command, number, given, os.geteuid(), os.getgroups()))
            answer = self.answers.get(command >> 8, errno.ENOSYS)
            if command >> 8 == GET and not self.only_for():
                answer = errno.EPERM
            if isinstance(answer, int):
                raise OSError(answer, os.strerror(answer))
            ctypes.memmove(data, answer, len(answer))

        self.quotactl = asked

    def ask(self, kind: QuotaKind, number: int) -> Quota | None:
        async def asked() -> Quota | None:
            return await self.quota(WHO, self.root, kind, number)

        return asyncio.run(asked())

    def set(self, kind: QuotaKind, number: int, limits: QuotaLimits) -> None:
        async def asked() -> None:
            await self.set_quota(WHO, self.root, kind, number, limits)

        asyncio.run(asked())


@pytest.fixture
def made(place: Path) -> Iterator[Callable[[Answers], FakeQuotas]]:
    """Makes directories with quotas."""
    every = list[FakeQuotas]()

    def make(answers: Answers) -> FakeQuotas:
        every.append(FakeQuotas(str(place), answers))
        return every[-1]

    yield make
    for files in every:
        files.close()


Made = Callable[[Answers], FakeQuotas]


@pytest.mark.parametrize(("kind", "command"), [(USER, GET << 8), (GROUP, GET << 8 | 1)])
def test_quota_is_that_of_the_kernel(made: Made, kind: QuotaKind, command: int) -> None:
    files = made({GET: KERNEL})

    assert files.ask(kind, 1000) == QUOTA
    assert files.calls[0][:2] == (command, 1000)


@pytest.mark.parametrize(
    ("kind", "flags", "enforced"),
    [(USER, 3, True), (USER, 1, False), (GROUP, 12, True), (GROUP, 7, False)],
)
def test_limits_may_be_counted_only(
    made: Made, kind: QuotaKind, flags: int, enforced: bool
) -> None:
    files = made({GET: KERNEL, STATE: struct.pack("@bH", 1, flags)})

    assert files.ask(kind, 1000) == QUOTA._replace(enforced=enforced)


@pytest.mark.parametrize(
    "number", [errno.ESRCH, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTBLK, errno.ENOENT]
)
def test_file_system_without_quotas_has_none(made: Made, number: int) -> None:
    files = made({GET: number, SET: number})

    assert files.ask(USER, 1000) is None
    with fails_with(errno.EOPNOTSUPP):
        files.set(USER, 1000, QuotaLimits())


def test_other_failures_are_raised(made: Made) -> None:
    files = made({GET: errno.EIO, SET: errno.EPERM})

    with fails_with(errno.EIO):
        files.ask(USER, 1000)
    with fails_with(errno.EPERM):
        files.set(USER, 1000, QuotaLimits())


def test_limits_only_are_set(made: Made) -> None:
    files = made({SET: b""})

    files.set(GROUP, 7, QuotaLimits(1 << 44, 1025, 5, 4))

    command, number, data, *_ = files.calls[0]
    assert (command, number) == (SET << 8 | 1, 7)
    assert data == struct.pack("=8QI4x", 1 << 34, 2, 0, 5, 4, 0, 0, 0, 5)


def test_thread_asks_as_the_user_itself(made: Made) -> None:
    files = made({GET: KERNEL})
    files.only_for = lambda: os.geteuid() == 1000

    assert files.ask(USER, 1000) == QUOTA

    assert [call[3] for call in files.calls] == [0, 1000, 0]
    assert os.geteuid() == 0


def test_thread_asks_as_a_member_of_the_group(made: Made) -> None:
    files = made({GET: KERNEL})
    before = os.getgroups()
    files.only_for = lambda: os.getgroups() == [77]

    assert files.ask(GROUP, 77) == QUOTA

    assert [call[3:] for call in files.calls] == [(0, before), (0, [77]), (0, before)]


def test_refusal_of_the_user_itself_is_raised(made: Made) -> None:
    files = made({GET: KERNEL})
    files.only_for = lambda: False

    with fails_with(errno.EPERM):
        files.ask(USER, 1000)

    assert files.calls[-1][3] == 1000
    files.only_for = lambda: True
    assert files.ask(USER, 1001) == QUOTA
    assert files.calls[-2][3] == 0


def test_descriptors_are_closed(made: Made) -> None:
    files = made({GET: errno.EIO, SET: b""})
    before = len(os.listdir("/proc/self/fd"))

    with fails_with(errno.EIO):
        files.ask(USER, 1)
    files.set(USER, 1, QuotaLimits())

    assert len(os.listdir("/proc/self/fd")) <= before


def test_real_kernel_is_asked(place: Path) -> None:
    descriptor = os.open(place, os.O_PATH)
    try:
        with pytest.raises(OSError, match=r".*") as raised:
            call_quotactl(descriptor, 0x7F << 8, 0, ctypes.create_string_buffer(256))
    finally:
        os.close(descriptor)

    assert raised.value.errno in (errno.EINVAL, errno.ENOSYS, errno.ENOTBLK, errno.ENOENT)
