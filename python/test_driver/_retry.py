"""Trying again and again."""

from __future__ import annotations

import time
from typing import Any, Callable

from ._channel import channel
from ._durations import Duration, seconds
from .errors import RequestedAssertionFailed

_DEFAULT = 900


def retry(
    fn: Callable[..., Any],
    timeout: Duration | None = _DEFAULT,
    *,
    timeout_seconds: Duration | None = None,
) -> None:
    """Calls a function until it gives true; the last time with True.

    A function whose parameter is named `remaining` is given the seconds that are left instead, or
    None without a limit, and has no last time.
    """
    given = timeout if timeout_seconds is None else timeout_seconds
    limit = seconds(given)
    talk = channel()
    name = getattr(fn, "__name__", "the function")
    code = getattr(fn, "__code__", None)
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount] if code is not None else ()
    wants_remaining = bool(names) and names[-1].lstrip("_") == "remaining"
    start = time.monotonic()
    span = talk.call("wait_enter", what=f"{name}() to be true", limit=limit)
    talk.push(span)
    tries, done = 0, False
    try:
        while True:
            rest = None if limit is None else limit * talk.scale - (time.monotonic() - start)
            if rest is not None and rest <= 0:
                break
            tries += 1
            if fn(rest if wants_remaining else False):
                done = True
                return
            talk.tell("wait_progress", span=span, state="false", tries=tries)
            time.sleep(1 if rest is None else min(1, max(rest, 0)))
        if not wants_remaining and fn(True):
            done = True
            return
        elapsed = time.monotonic() - start
        raise RequestedAssertionFailed(
            f"action timed out after {elapsed:.2f} seconds (timeout={given})"
        )
    finally:
        talk.pop()
        talk.call("wait_leave", span=span, done=done)
