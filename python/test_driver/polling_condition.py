"""Conditions that must hold while something else goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

from ._durations import Duration, some_seconds
from .errors import PollingConditionError
from .logger import rootlog

if TYPE_CHECKING:
    from .driver import Driver


class PollingCondition:
    """A condition; within `with condition:` it is checked before and during calls."""

    def __init__(
        self,
        driver: Driver,
        condition: Callable[[], bool | None],
        interval: float,
        description: str | None,
    ) -> None:
        self._driver = driver
        self._function = condition
        self.interval = interval
        self.entered = False
        self.entry_count = 0
        self.last_called: float | None = None
        if description is None:
            document = condition.__doc__
            description = " ".join(document.split()) if document else condition.__name__
        self.description = str(description)

    @property
    def condition(self) -> PollingCondition:
        """Itself; upstream's decorator gives another object around it."""
        return self

    @property
    def overdue(self) -> bool:
        """Whether the interval has passed since the last check."""
        return self.last_called is None or time.monotonic() >= self.last_called + self.interval

    def check(self, force: bool = False) -> bool:
        """Checks if it is time to; whether it holds as far as is known."""
        if (self.entered or not self.overdue) and not force:
            return True
        with rootlog.nested(f"Checking polling condition {self.description!r}"):
            if self.last_called is None:
                rootlog.info("(not called yet)")
            else:
                rootlog.info(f"Time since last: {time.monotonic() - self.last_called:.2f}s")
            before, self.entered = self.entered, True
            try:
                result = self._function()
            except Exception as error:
                self.last_called = time.monotonic()
                rootlog.info(f"Polling condition failed: {error!r}")
                return False
            finally:
                self.entered = before
            self.last_called = time.monotonic()
            if result is None or result:
                rootlog.info("Polling condition succeeded")
                return True
            rootlog.info("Polling condition failed: the function returned a false value")
            return False

    def maybe_raise(self) -> None:
        """Checks if it is time to; raises if it does not hold."""
        if not self.check():
            raise PollingConditionError(f"Polling condition failed: {self.description}")

    def wait(
        self, timeout: Duration | None = None, *, timeout_seconds: Duration | None = None
    ) -> None:
        """Waits until it holds, whatever the interval."""
        if timeout is not None and timeout_seconds is not None:
            raise TypeError("give timeout or timeout_seconds, not both")
        limit = timeout if timeout is not None else timeout_seconds

        def condition(last: bool) -> bool:
            if last:
                rootlog.info(f"Last chance for {self.description!r}")
            holds = self.check(force=True)
            if not holds and not last:
                rootlog.info("(... failure not fatal yet)")
            return holds

        with rootlog.nested(f"waiting for {self.description!r}"):
            self._driver.retry(condition, 900 if limit is None else limit)

    def __enter__(self) -> None:
        self._driver.polling_conditions.append(self)
        self.entry_count += 1

    def __exit__(self, *_: Any) -> None:
        assert self._driver.polling_conditions, "polling conditions were left in the wrong order"
        last = self._driver.polling_conditions.pop()
        assert last is self, "polling conditions were left in the wrong order"
        self.entry_count -= 1


def make(driver: Driver) -> Callable[..., Any]:
    """The decorator for a run."""

    def polling_condition(
        fun_: Callable[[], bool | None] | None = None,
        *,
        interval: Duration | None = None,
        seconds_interval: Duration | None = None,
        description: str | None = None,
    ) -> Any:
        """Makes a function a condition; use `with NAME:` to have it checked."""
        if interval is not None and seconds_interval is not None:
            raise TypeError("give interval or seconds_interval, not both")
        given = interval if interval is not None else seconds_interval
        every = float(some_seconds(2.0 if given is None else given, "interval"))

        def decorate(function: Callable[[], bool | None]) -> PollingCondition:
            return PollingCondition(driver, function, every, description)

        return decorate if fun_ is None else decorate(fun_)

    return polling_condition
