"""Checks of the arguments of public functions; an error names the argument."""

from __future__ import annotations


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Refuse a value of any other type.

    Raises:
        TypeError: the text names the argument and the types that it may have.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise TypeError(f"{name} is of type {wanted}, not {value!r}")


def check_seconds(name: str, value: object) -> None:
    """Refuse a value that is not a number of seconds. It may be negative, or infinite for no limit.

    Raises:
        TypeError: it is not a number. ValueError: it is NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not (value >= 0 or value < 0):  # NaN; math takes longer to load than this module
        raise ValueError(f"{name} is a number of seconds, not {value!r}")


def check_timeout(value: object) -> None:
    """Refuse a timeout that is not a number of seconds above 0. It may be infinite.

    Raises:
        TypeError: it is not a number. ValueError: it is NaN, 0 or negative.
    """
    check_seconds("timeout", value)
    if isinstance(value, (int, float)) and value <= 0:
        raise ValueError(f"timeout is a number of seconds above 0, not {value!r}")
