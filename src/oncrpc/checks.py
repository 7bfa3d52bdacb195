"""Refusing what a caller of ours gives for an argument, at once and by the argument's name."""

from __future__ import annotations


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Refuse what is of none of the kinds.

    Raises:
        TypeError: the text names the argument, and the kinds but None's.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise TypeError(f"{name} is of type {wanted}, not {value!r}")


def check_seconds(name: str, value: object) -> None:
    """Refuse what is no number of seconds; one below 0 is a time that has passed, inf is for ever.

    Raises:
        TypeError: it is no number. ValueError: it is NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not (value >= 0 or value < 0):  # NaN; math takes longer to load than this module
        raise ValueError(f"{name} is a number of seconds, not {value!r}")
