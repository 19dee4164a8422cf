"""Durations as scripts write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Union

Duration = Union[int, float, timedelta]


def seconds(value: Duration | None, name: str = "timeout") -> float | int | None:
    """Seconds of a number or a `timedelta`; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a timedelta or a number of seconds, not bool")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)):
        return value
    raise TypeError(
        f"{name} must be a timedelta or a number of seconds, not {type(value).__name__}"
    )


def some_seconds(value: Duration, name: str = "timeout") -> float | int:
    """As `seconds`, where None is no answer."""
    result = seconds(value, name)
    if result is None:
        raise TypeError(f"{name} must be a timedelta or a number of seconds, not None")
    return result
