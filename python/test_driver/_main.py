"""Runs a script, or a shell with its names. The first argument is the number of the socket."""

from __future__ import annotations

import json
import linecache
import os
import sys
import traceback
from types import TracebackType
from typing import Any

from ._channel import SCRIPT, Channel, connect


def main() -> None:
    """Entry point."""
    talk = connect(int(sys.argv[1]))
    os.set_inheritable(int(sys.argv[1]), False)
    sys.argv = ["nixos-test-driver"]
    # Whatever is slow to import is imported while the driver still checks the script.
    from .driver import Driver
    from .errors import TestScriptError

    hello = talk.receive()
    for path in hello["packages"]:
        sys.path.append(path)
    linecache.cache[SCRIPT] = (
        len(hello["script"]),
        None,
        hello["script"].splitlines(keepends=True),
        SCRIPT,
    )
    talk.serve()
    driver = Driver(hello)
    if hello["interactive"]:
        status = _shell(driver, hello.get("history"))
        talk.tell("finished", ok=True)
        _leave(status)
    try:
        driver.run_tests()
    except SystemExit as error:
        status = _status(error.code)
        if status == 0:
            talk.tell("finished", ok=True)
        else:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            message = f"the script ended itself by exit({error.code!r})"
            _tell_failure(talk, error, message, error.__traceback__, True)
    except BaseException as error:  # noqa: BLE001 (everything is told)
        status = 1
        requested = isinstance(error, (TestScriptError, AssertionError))
        _tell_failure(talk, error, _message(error), error.__traceback__, requested)
    else:
        status = 0
        talk.tell("finished", ok=True)
    _leave(status)


def _status(code: Any) -> int:
    if code is None:
        return 0
    return code if isinstance(code, int) else 1


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg}"
    return str(error)


def _tell_failure(
    talk: Channel,
    error: BaseException,
    message: str,
    trace: TracebackType | None,
    requested: bool,
) -> None:
    frames = [
        (frame.lineno, frame.name)
        for frame in traceback.extract_tb(trace)
        if frame.filename == SCRIPT
    ]
    if isinstance(error, SyntaxError) and error.filename == SCRIPT and error.lineno:
        frames = [(error.lineno, "<module>")]
    report: dict[str, Any] = {
        "class": type(error).__name__,
        "message": message,
        "frames": frames,
        "requested": requested,
        "traceback": _own_traceback(error),
    }
    for field in ("machine", "command", "status", "stdout", "stderr"):
        value = getattr(error, field, None)
        if isinstance(value, (str, int)):
            report["about" if field == "machine" else field] = value
    try:
        json.dumps(report)
    except (TypeError, ValueError):
        report = {"class": type(error).__name__, "message": repr(error), "frames": frames}
    talk.tell("finished", ok=False, **report)


def _own_traceback(error: BaseException) -> str | None:
    """The traceback without this package's frames, if it tells more than the script's lines."""
    here = os.path.dirname(os.path.abspath(__file__))
    told = traceback.TracebackException.from_exception(error, compact=True)
    seen: list[traceback.TracebackException] = []

    def strip(part: traceback.TracebackException | None) -> None:
        if part is None or part in seen:
            return
        seen.append(part)
        kept = [frame for frame in part.stack if not frame.filename.startswith(here)]
        part.stack = traceback.StackSummary.from_list(kept)
        strip(part.__cause__)
        strip(part.__context__)

    strip(told)
    own = len(seen) == 1 and all(frame.filename == SCRIPT for frame in told.stack)
    # The script's own lines are told apart; they need no traceback around them.
    return None if own else "".join(told.format())


def _trim(error: BaseException | None) -> None:
    """Takes this package's frames out of a traceback that somebody at a prompt will see."""
    here = os.path.dirname(os.path.abspath(__file__))
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        part = waiting.pop()
        if part is None or part in seen:
            continue
        seen.append(part)
        waiting += [part.__cause__, None if part.__suppress_context__ else part.__context__]
        kept = []
        frame = part.__traceback__
        while frame is not None:
            if not frame.tb_frame.f_code.co_filename.startswith(here):
                kept.append(frame)
            frame = frame.tb_next
        for one, following in zip(kept, [*kept[1:], None]):
            one.tb_next = following
        part.__traceback__ = kept[0] if kept else None


def _leave(status: int) -> None:
    # Threads of the script that go on would keep the interpreter; the run has ended.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    os._exit(status & 0xFF)


def _shell(driver: Any, history: str | None) -> int:
    """A Python shell on the terminal."""
    from .machine import BaseMachine

    symbols = driver.test_symbols()
    machines = [name for name in symbols if isinstance(symbols[name], BaseMachine)]
    others = sorted(name for name in symbols if name[0].islower() and name not in machines)
    print(
        f"\nmachines:  {', '.join(machines) or 'none'}\n"
        f"also:      {', '.join(others)}\n"
        "start_all() starts the machines, test_script() runs the script, Ctrl-D leaves.\n",
        file=sys.stderr,
    )
    if history is None:
        history = os.path.join(os.getcwd(), ".nixos-test-history")
    # What completes names keeps what it has read in a cache, whose place it takes from here once; there
    # is no home.
    os.environ["XDG_CACHE_HOME"] = os.path.dirname(history)
    try:
        from jedi import settings as _  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
        from ptpython.repl import embed  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return _plain_shell(symbols, history)
    finally:
        del os.environ["XDG_CACHE_HOME"]

    def configure(repl: Any) -> None:
        repl.prompt_style = "classic"
        repl.confirm_exit = False
        repl.show_signature = True
        repl.complete_while_typing = True
        repl.enable_open_in_editor = False
        told = getattr(repl, "_handle_exception", None)
        if told is not None:

            def tell(error: BaseException) -> None:
                _trim(error)
                told(error)

            repl._handle_exception = tell

    try:
        embed(
            globals=symbols,
            locals=symbols,
            configure=configure,
            history_filename=history,
            title=driver.config.get("name"),
        )
    except SystemExit as error:
        return _status(error.code)
    return 0


def _plain_shell(symbols: dict[str, Any], history: str) -> int:
    import code

    class Console(code.InteractiveConsole):
        def showtraceback(self) -> None:
            _trim(sys.exc_info()[1])
            super().showtraceback()

    try:
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(symbols).complete)
        readline.parse_and_bind("tab: complete")
        if os.path.exists(history):
            readline.read_history_file(history)
    except (ImportError, OSError):
        readline = None  # type: ignore[assignment]
    try:
        Console(symbols).interact(banner="", exitmsg="")
    except SystemExit as error:
        return _status(error.code)
    finally:
        if readline is not None:
            try:
                readline.write_history_file(history)
            except OSError:
                pass
    return 0


if __name__ == "__main__":
    main()
