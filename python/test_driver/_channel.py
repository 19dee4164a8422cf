"""The conversation with the driver.

Ours:   {"id": 1, "call": "succeed", "machine": "a", "args": {…}, "at": [[3, "<module>"]],
         "parent": 2, "poll": 2.0, "fds": 0}      a request; without "id" nothing is answered
        {"abort": 1}                              the caller does not wait any more
Theirs: {"id": 1, "ok": value, "fds": 0}          the answer
        {"id": 1, "error": {"class": "MachineError", "message": "…", …}}
        {"id": 1, "poll": true}                   run the polling conditions meanwhile
        {"where": 1}                              tell where the script is
"""

from __future__ import annotations

import array
import json
import os
import socket
import sys
import threading
from collections import deque
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Callable

from . import errors

#: File name that the script's code objects carry.
SCRIPT = "<string>"


def script_frames(frame: FrameType | None) -> list[tuple[int, str]]:
    """Line and function of the script's own frames, outermost first."""
    frames = []
    while frame is not None:
        if frame.f_code.co_filename == SCRIPT:
            frames.append((frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    frames.reverse()
    return frames


class _Local(threading.local):
    """Spans that the thread is in."""

    def __init__(self) -> None:
        self.spans: list[int] = []


class Channel:
    """Sends requests; a thread of its own hands the answers to those who wait for them."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._process = os.getpid()
        self._sending = threading.Lock()
        self._waiting: dict[int, SimpleQueue[dict[str, Any]]] = {}
        self._last = 0
        self._local = _Local()
        self._descriptors: deque[int] = deque()
        self._buffer = b""
        self._main = threading.main_thread().ident
        #: By how much limits are longer on this host.
        self.scale = 1.0
        #: Set by the driver object: interval and function of active polling conditions.
        self.polling: Callable[[], float | None] = lambda: None
        self.run_polling: Callable[[], None] = lambda: None

    # Spans

    def push(self, span: int) -> None:
        """Calls of this thread are inside this span now."""
        self._local.spans.append(span)

    def pop(self) -> None:
        """Leaves the innermost span."""
        self._local.spans.pop()

    # Requests

    def call(
        self,
        method: str,
        machine: str | None = None,
        descriptors: tuple[int, ...] = (),
        **args: Any,
    ) -> Any:
        """Asks the driver and waits for its answer."""
        return self.call_with_descriptors(method, machine, descriptors, **args)[0]

    def call_with_descriptors(
        self,
        method: str,
        machine: str | None = None,
        descriptors: tuple[int, ...] = (),
        **args: Any,
    ) -> tuple[Any, list[int]]:
        """As `call`; gives the file descriptors that came with the answer too."""
        answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        with self._sending:
            self._last += 1
            number = self._last
        self._waiting[number] = answers
        message = self._message(method, machine, args)
        message["id"] = number
        interval = self.polling()
        if interval is not None:
            message["poll"] = interval
        failed: BaseException | None = None
        try:
            self._send(message, descriptors)
            while True:
                answer = answers.get()
                if "poll" not in answer:
                    break
                if failed is None:
                    try:
                        self.run_polling()
                    except BaseException as error:  # noqa: BLE001 (raised again below)
                        failed = error
                        self._send({"abort": number})
        except KeyboardInterrupt:
            self._send({"abort": number})
            try:
                # What ends with it has ended before the prompt comes back.
                answers.get(timeout=2)
            except Empty:
                pass
            raise
        finally:
            del self._waiting[number]
        if failed is not None:
            raise failed
        if "error" in answer:
            raise _exception(answer["error"])
        return answer.get("ok"), answer["descriptors"]

    def tell(self, method: str, machine: str | None = None, **args: Any) -> None:
        """Tells the driver something that it does not answer."""
        self._send(self._message(method, machine, args))

    def _message(self, method: str, machine: str | None, args: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"call": method, "args": args}
        if machine is not None:
            message["machine"] = machine
        frames = script_frames(sys._getframe(2))
        if frames:
            message["at"] = frames
        if self._local.spans:
            message["parent"] = self._local.spans[-1]
        return message

    def _send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("machines can be used only by the process that runs the script")
        for stream in (sys.stdout, sys.stderr):
            # What was printed before a call comes before it; a script may have closed them.
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass
        if descriptors:
            message["fds"] = len(descriptors)
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._sending:
            try:
                if descriptors:
                    sent = socket.send_fds(self._socket, [data], list(descriptors))
                    data = data[sent:]
                self._socket.sendall(data)
            except OSError:
                _lost()

    # Answers

    def receive(self) -> dict[str, Any]:
        """The next message of the driver."""
        while b"\n" not in self._buffer:
            size = array.array("i").itemsize
            data, extra, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(4 * size))
            for level, kind, content in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % size])
                    self._descriptors.extend(numbers)
            if not data:
                raise EOFError
            # Long answers arrive in many pieces: looking for the end must not be quadratic.
            if b"\n" in data:
                self._buffer += data
            else:
                pieces = [self._buffer, data]
                while b"\n" not in data:
                    data = self._socket.recv(1 << 20)
                    if not data:
                        raise EOFError
                    pieces.append(data)
                self._buffer = b"".join(pieces)
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        message["descriptors"] = [self._descriptors.popleft() for _ in range(message.get("fds", 0))]
        return message

    def serve(self) -> None:
        """Starts the thread that receives."""
        threading.Thread(target=self._serve, name="driver", daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                message = self.receive()
                if "where" in message:
                    frame = sys._current_frames().get(self._main or 0)
                    where = {"call": "where", "args": {"at": script_frames(frame)}}
                    data = json.dumps(where).encode() + b"\n"
                    with self._sending:
                        self._socket.sendall(data)
                    continue
                answers = self._waiting.get(message["id"])
                if answers is not None:
                    answers.put(message)
                else:
                    for descriptor in message["descriptors"]:
                        os.close(descriptor)
        except (OSError, EOFError):
            _lost()


def _lost() -> None:
    # Without the driver nothing can be told to anyone, and nothing may outlive it.
    os._exit(1)


def _exception(error: dict[str, Any]) -> Exception:
    """Makes the Python exception for an answer of the driver."""
    name, message = error["class"], error["message"]
    if name == "QMPAPIError":
        from .machine.qmp import QMPAPIError

        return QMPAPIError(error.get("description", message), error.get("className", ""), None)
    known: dict[str, type[Exception]] = {
        "TestScriptError": errors.TestScriptError,
        "RequestedAssertionFailed": errors.RequestedAssertionFailed,
        "MachineError": errors.MachineError,
        "RuntimeError": RuntimeError,
        "TimeoutError": TimeoutError,
        "AssertionError": AssertionError,
        "TypeError": TypeError,
        "ValueError": ValueError,
        "FileNotFoundError": FileNotFoundError,
        "FileExistsError": FileExistsError,
        "NotImplementedError": NotImplementedError,
        "OSError": OSError,
    }
    result = known.get(name, errors.MachineError)(message)
    for field in ("machine", "command", "status", "stdout", "stderr"):
        if field in error:
            setattr(result, field, error[field])
    return result


_channel: Channel | None = None


def connect(descriptor: int) -> Channel:
    """Begins the process's one conversation."""
    global _channel
    _channel = Channel(descriptor)
    return _channel


def channel() -> Channel:
    """The process's conversation."""
    if _channel is None:
        raise RuntimeError("test_driver works only inside of a test")
    return _channel
