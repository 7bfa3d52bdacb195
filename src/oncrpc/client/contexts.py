"""The context managers that ``connect`` returns; they say so where ``with`` was forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    _AsyncGeneratorContextManager,
    _GeneratorContextManager,
)
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Forgotten:
    """An attribute that is not found is one of the client, which only ``with`` gives."""

    usage: ClassVar[str]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no attribute {name!r}; use: {self.usage}")


class _BlockingContext(_Forgotten, _GeneratorContextManager[T]):
    usage = "with sync.connect(...) as client"


class _AsyncioContext(_Forgotten, _AsyncGeneratorContextManager[T]):
    usage = "async with oncrpc.connect(...) as client"


def blocking_context(make: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """``contextlib.contextmanager`` for a client."""

    @wraps(make)
    def opened(*arguments: P.args, **options: P.kwargs) -> AbstractContextManager[T]:
        return _BlockingContext(make, arguments, options)  # type: ignore[arg-type]  # as contextlib

    return opened


def asyncio_context(
    make: Callable[P, AsyncIterator[T]],
) -> Callable[P, AbstractAsyncContextManager[T]]:
    """``contextlib.asynccontextmanager`` for a client."""

    @wraps(make)
    def opened(*arguments: P.args, **options: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _AsyncioContext(make, arguments, options)  # type: ignore[arg-type]  # as contextlib

    return opened
