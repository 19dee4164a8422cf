"""The log that scripts write to."""

from __future__ import annotations

import sys
import unicodedata
from contextlib import contextmanager
from typing import Any, Iterator

from ._channel import channel

_LEVELS = {"debug": 1, "info": 2, "warning": 3, "error": 4}


class AbstractLogger:
    """Writes events of the run."""

    def __init__(self) -> None:
        self._level = 2
        self.interactive = False

    @staticmethod
    def sanitise(message: str) -> str:
        """A text without control characters."""
        return "".join(c for c in message if unicodedata.category(c)[0] != "C")

    def log(self, message: str, attributes: dict[str, str] = {}) -> None:
        """Writes a line."""
        self._line("info", message, attributes)

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Writes a line of little importance."""
        self._leveled("debug", *args, **kwargs)

    def info(self, *args: Any, **kwargs: Any) -> None:
        """Writes a line."""
        self._leveled("info", *args, **kwargs)

    def warning(self, *args: Any, **kwargs: Any) -> None:
        """Writes a line that should be seen."""
        self._leveled("warning", *args, **kwargs)

    def error(self, *args: Any, **kwargs: Any) -> None:
        """Writes a line and ends the run with a failure."""
        self._leveled("error", *args, **kwargs)
        if not self.interactive:
            sys.exit(1)

    def log_test_error(self, *args: Any, **kwargs: Any) -> None:
        """Writes a line as an error of the test; does not end it."""
        self._leveled("error", *args, **kwargs)

    def log_serial(self, message: str, machine: str) -> None:
        """Writes a line as if the machine's console had."""
        channel().call("log_serial", machine=machine, message=str(message))

    def print_serial_logs(self, enable: bool) -> None:
        """Whether the machines' consoles are shown from now on."""
        channel().call("print_serial_logs", enable=bool(enable))

    def set_log_level(self, level: Any) -> None:
        """Leaves out what is less important: `debug`, `info`, `warning` or `error`."""
        name = str(getattr(level, "name", level)).lower()
        if name not in _LEVELS:
            raise ValueError(f"unknown log level {level!r}")
        self._level = _LEVELS[name]

    @contextmanager
    def nested(self, message: str, attributes: dict[str, str] = {}) -> Iterator[None]:
        """Groups what is logged inside."""
        with _span("nested", attributes.get("machine"), message=str(message)):
            yield

    @contextmanager
    def subtest(self, name: str, attributes: dict[str, str] = {}) -> Iterator[None]:
        """Groups what is logged inside as a test of its own."""
        with _span("subtest", None, name=str(name)):
            yield

    def _leveled(self, level: str, message: str = "", attributes: dict[str, str] = {}) -> None:
        if _LEVELS[level] >= self._level:
            self._line(level, message, attributes)

    def _line(self, level: str, message: str, attributes: dict[str, str]) -> None:
        channel().call(
            "log", machine=attributes.get("machine"), level=level, message=str(message)
        )


@contextmanager
def _span(kind: str, machine: str | None, **args: Any) -> Iterator[None]:
    talk = channel()
    span = talk.call(f"{kind}_enter", machine, **args)
    talk.push(span)
    try:
        yield
    except BaseException as error:
        talk.pop()
        text = str(error) or type(error).__name__
        talk.call(f"{kind}_leave", machine, span=span, error=text, **args)
        raise
    else:
        talk.pop()
        talk.call(f"{kind}_leave", machine, span=span, error=None, **args)


#: The one log of the run.
rootlog = AbstractLogger()
