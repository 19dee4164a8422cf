"""QEMU's machine protocol."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Iterator

from .._channel import channel
from .._durations import Duration, some_seconds


class QMPAPIError(RuntimeError):
    """QEMU refused a command."""

    def __init__(self, description: str, class_name: str, transaction_id: Any = None) -> None:
        super().__init__(description)
        self.description = description
        self.class_name = class_name
        self.transaction_id = transaction_id

    def __str__(self) -> str:
        return f"<QMP API error, class: {self.class_name}, description: {self.description}>"


class QMPSession:
    """A conversation with a machine's QEMU."""

    def __init__(self, machine: str) -> None:
        self._machine = machine

    def send(self, cmd: str, args: dict[str, Any] = {}) -> Any:
        """Executes a command and gives its result."""
        return channel().call("qmp", self._machine, command=cmd, arguments=args)

    def wait_for_event(self, timeout: Duration = timedelta(seconds=10)) -> dict[str, Any]:
        """The next event; TimeoutError when none comes in time."""
        event: dict[str, Any] = channel().call(
            "qmp_event", self._machine, timeout=some_seconds(timeout)
        )
        return event

    def events(self, timeout: Duration = timedelta(seconds=10)) -> Iterator[dict[str, Any]]:
        """Events until none comes for so long."""
        while True:
            try:
                yield self.wait_for_event(timeout)
            except TimeoutError:
                return

    def read_pending_messages(self) -> None:
        """Nothing is left to be done: events are received all the time."""

    def close(self) -> None:
        """Nothing is left to be done: the driver owns the connection."""


def wait_for(machine: str, event_filter: Any, timeout: Duration) -> dict[str, Any]:
    """The first event that the filter accepts; others are dropped."""
    limit = some_seconds(timeout)
    session = QMPSession(machine)
    end = time.monotonic() + limit
    while (rest := end - time.monotonic()) > 0:
        try:
            event = session.wait_for_event(rest)
        except TimeoutError:
            break
        if event_filter(event):
            return event
    raise TimeoutError(f"no QMP event passed the filter within {limit} seconds")
