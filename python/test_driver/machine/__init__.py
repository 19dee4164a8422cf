"""Machines."""

from __future__ import annotations

import os
import posixpath
import re
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Callable, Literal, overload

from .._channel import channel
from .._durations import Duration, seconds, some_seconds
from .._retry import retry
from ..errors import MachineError, RequestedAssertionFailed
from ..logger import rootlog
from .qmp import QMPAPIError, QMPSession, wait_for

__all__ = [
    "BaseMachine",
    "Machine",
    "MachineError",
    "NspawnMachine",
    "QMPAPIError",
    "QMPSession",
    "QemuMachine",
    "RequestedAssertionFailed",
    "retry",
]


class BaseMachine:
    """A machine of the test. Whatever needs a running machine starts it first."""

    def __init__(self, name: str, out_dir: Path, state: dict[str, Any]) -> None:
        self.name = name
        self.out_dir = out_dir
        self.callbacks: list[Callable[[], None]] = []
        self.keep_machine_state: bool = bool(state.get("keepState", False))
        self.state_dir = Path(state.get("stateDir", f"/tmp/vm-state-{name}"))
        self.shared_dir = self.state_dir / "shared-xchg"
        self.tmp_dir = Path(os.environ.get("TMPDIR") or "/tmp")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}'>"

    def _ask(self, call: str, /, **args: Any) -> Any:
        return channel().call(call, self.name, **args)

    def _do(self, call: str, /, **args: Any) -> Any:
        # What upstream does by a command runs the polling conditions first.
        self.run_callbacks()
        return channel().call(call, self.name, **args)

    def run_callbacks(self) -> None:
        """Checks the polling conditions."""
        channel().run_polling()
        for callback in list(self.callbacks):
            callback()

    # Log

    def log(self, msg: str) -> None:
        """Writes a line about this machine."""
        rootlog.log(msg, {"machine": self.name})

    def log_serial(self, msg: str) -> None:
        """Writes a line as if the console had."""
        rootlog.log_serial(msg, self.name)

    def nested(self, msg: str, attrs: dict[str, str] = {}) -> AbstractContextManager[None]:
        """Groups what is logged inside."""
        return rootlog.nested(msg, {"machine": self.name, **attrs})

    # Power

    def start(self, allow_reboot: bool = False) -> None:
        """Starts the machine; does nothing if it runs."""
        self._ask("start", allow_reboot=bool(allow_reboot))

    def is_up(self) -> bool:
        """Whether it runs and answers."""
        return bool(self._ask("is_up"))

    def wait_for_shutdown(self, *, timeout: Duration | None = None) -> None:
        """Waits until the machine has switched itself off."""
        self._ask("wait_for_shutdown", timeout=seconds(timeout))

    def ssh_backdoor_command(self, *args: Any) -> str:
        """Not supported: use `snowglobe shell`."""
        return str(self._ask("ssh_backdoor_command"))

    def cleanup_statedir(self) -> None:
        """Gives the machine a blank disk at its next start."""
        self._ask("cleanup_statedir")

    # Commands

    @overload
    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Duration | None = 900,
        *,
        stderr: Literal[False] = False,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
    ) -> tuple[int, str]: ...

    @overload
    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Duration | None = 900,
        *,
        stderr: Literal[True],
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
    ) -> tuple[int, str, str]: ...

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Duration | None = 900,
        *,
        stderr: bool = False,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
    ) -> Any:
        """Runs a shell command; gives exit status and standard output.

        With `stderr=True` a third member is the standard error.
        """
        result = self._do(
            "execute",
            command=command,
            check_return=bool(check_return),
            check_output=bool(check_output),
            timeout=seconds(timeout),
            **_options(cwd, env, user, stdin),
        )
        if stderr:
            return result["status"], result["stdout"], result["stderr"]
        return result["status"], result["stdout"]

    def succeed(
        self,
        *commands: str,
        timeout: Duration | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
    ) -> str:
        """Runs commands that must succeed; gives their standard output."""
        return str(
            self._do(
                "succeed",
                commands=list(commands),
                timeout=seconds(timeout),
                **_options(cwd, env, user, stdin),
            )
        )

    def fail(
        self,
        *commands: str,
        timeout: Duration | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
    ) -> str:
        """Runs commands that must fail; gives their standard output."""
        return str(
            self._do(
                "fail",
                commands=list(commands),
                timeout=seconds(timeout),
                **_options(cwd, env, user, stdin),
            )
        )

    def wait_until_succeeds(
        self,
        command: str,
        timeout: Duration = 900,
        *,
        attempt_timeout: Duration | None = None,
    ) -> str:
        """Repeats a command until it succeeds; gives its standard output."""
        return str(
            self._do(
                "wait_until_succeeds",
                command=command,
                timeout=some_seconds(timeout),
                attempt_timeout=seconds(attempt_timeout, "attempt_timeout"),
            )
        )

    def wait_until_fails(
        self,
        command: str,
        timeout: Duration = 900,
        *,
        attempt_timeout: Duration | None = None,
    ) -> str:
        """Repeats a command until it fails; gives its standard output."""
        return str(
            self._do(
                "wait_until_fails",
                command=command,
                timeout=some_seconds(timeout),
                attempt_timeout=seconds(attempt_timeout, "attempt_timeout"),
            )
        )

    def sleep(self, secs: Duration) -> None:
        """Lets so much time of the machine pass."""
        self._do("sleep", seconds=some_seconds(secs, "secs"))

    # Units

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Runs systemctl, the user's if one is given."""
        status, output = self._do("systemctl", query=q, user=user)
        return status, output

    def wait_for_unit(
        self, unit: str, user: str | None = None, timeout: Duration = 900
    ) -> None:
        """Waits until a unit is active; raises as soon as it cannot become so."""
        self._do("wait_for_unit", unit=unit, user=user, timeout=some_seconds(timeout))

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        """All properties of a unit."""
        return dict(self._do("get_unit_info", unit=unit, user=user))

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:
        """One property of a unit."""
        return str(self._do("get_unit_property", unit=unit, property=property, user=user))

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Raises if a unit is in another state."""
        self._do("require_unit_state", unit=unit, state=require_state)

    def wait_for_unit_active_state(
        self, unit: str, state: str, user: str | None = None, timeout: Duration = 900
    ) -> None:
        """Waits until a unit's ActiveState is this one."""
        self._do(
            "wait_for_unit_active_state",
            unit=unit,
            state=state,
            user=user,
            timeout=some_seconds(timeout),
        )

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Starts a unit; gives the exit status and output of systemctl."""
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Stops a unit; gives the exit status and output of systemctl."""
        return self.systemctl(f"stop {jobname}", user)

    # Files and ports

    def wait_for_file(self, filename: str, timeout: Duration = 900) -> None:
        """Waits until a file exists; wildcards and variables are the machine's."""
        self._do("wait_for_file", path=str(filename), timeout=some_seconds(timeout))

    def wait_for_open_port(
        self, port: int | str, addr: str = "localhost", timeout: Duration = 900
    ) -> None:
        """Waits until a TCP connection from the machine succeeds."""
        self._do(
            "wait_for_open_port", port=int(port), address=addr, timeout=some_seconds(timeout)
        )

    def wait_for_closed_port(
        self, port: int | str, addr: str = "localhost", timeout: Duration = 900
    ) -> None:
        """Waits until no TCP connection from the machine succeeds."""
        self._do(
            "wait_for_closed_port", port=int(port), address=addr, timeout=some_seconds(timeout)
        )

    def wait_for_open_unix_socket(
        self, addr: str, is_datagram: bool = False, timeout: Duration = 900
    ) -> None:
        """Waits until a unix socket accepts connections."""
        self._do(
            "wait_for_open_unix_socket",
            path=addr,
            datagram=bool(is_datagram),
            timeout=some_seconds(timeout),
        )

    def copy_from_host(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies a file or a directory of the script's side into the machine."""
        path = Path(source)
        if not os.path.lexists(path):
            raise FileNotFoundError(f"copy_from_host: {path} does not exist")
        import tempfile

        with tempfile.TemporaryFile() as archive:
            _pack(path, archive)
            archive.seek(0)
            self.run_callbacks()
            channel().call(
                "copy_from_host",
                self.name,
                (archive.fileno(),),
                source=str(source),
                name=path.name or path.resolve().name,
                target=str(target),
            )

    def copy_from_host_via_shell(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies one file into the machine."""
        data = Path(source).read_bytes()
        directory = posixpath.dirname(str(target))
        self.succeed(
            f"mkdir -p -- {_quote(directory or '.')} && cat > {_quote(str(target))}",
            stdin=data,
        )

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copies a file or a directory of the machine into the output folder."""
        self.run_callbacks()
        _, descriptors = channel().call_with_descriptors(
            "copy_from_machine", self.name, source=str(source), target_dir=str(target_dir)
        )
        with os.fdopen(descriptors[0], "rb") as archive:
            target = self.out_dir / target_dir / posixpath.basename(str(source).rstrip("/"))
            _unpack(archive, target)
        channel().call("copied_from_machine", self.name, path=str(target))

    def copy_from_vm(self, source: str, target_dir: str = "") -> None:
        """The older name of `copy_from_machine`."""
        self.copy_from_machine(source, target_dir)

    # Graphics that both kinds of machine have

    def wait_for_x(self, timeout: Duration = 900) -> None:
        """Waits until the X server and the graphical session are up."""
        self._do("wait_for_x", timeout=some_seconds(timeout))

    def get_window_names(self) -> list[str]:
        """Titles of the windows on the X display."""
        return list(self._do("get_window_names"))

    def wait_for_window(self, regexp: str, timeout: Duration = 900) -> None:
        """Waits until a window's title matches."""
        pattern = re.compile(regexp)

        def matches(rest: float) -> bool:
            names = self.get_window_names()
            if any(pattern.search(name) for name in names):
                return True
            wait.progress(f"windows: {', '.join(names) or 'none'}")
            return False

        with Wait(self, f"a window titled /{regexp}/", some_seconds(timeout)) as wait:
            wait.until(matches)


class QemuMachine(BaseMachine):
    """A virtual machine."""

    @property
    def booted(self) -> bool:
        """Whether its process runs."""
        return bool(self._ask("state")["running"])

    @property
    def connected(self) -> bool:
        """Whether it answers."""
        return bool(self._ask("state")["connected"])

    @connected.setter
    def connected(self, value: bool) -> None:
        # Scripts that make the machine restart by other means say so in this way.
        if not value:
            self._ask("disconnected")

    @property
    def pid(self) -> int | None:
        """Process id of QEMU on the host."""
        pid = self._ask("state")["pid"]
        return None if pid is None else int(pid)

    def connect(self) -> None:
        """Waits until commands are possible."""
        self._ask("connect")

    def shutdown(self, *, timeout: Duration | None = None) -> None:
        """Switches the machine off and waits until it is."""
        self._ask("shutdown", timeout=seconds(timeout))

    def crash(self) -> None:
        """Ends the machine as a power failure would."""
        self._ask("crash")

    def reboot(self) -> None:
        """Presses Ctrl-Alt-Del; needs `start(allow_reboot=True)`."""
        self._do("reboot")

    def block(self) -> None:
        """Pulls the cable of the first virtual network."""
        self._do("block")

    def unblock(self) -> None:
        """Puts it back."""
        self._do("unblock")

    def forward_port(self, host_port: int = 8080, guest_port: int = 80) -> None:
        """Makes a port of the machine reachable on the host."""
        self._do("forward_port", host_port=int(host_port), guest_port=int(guest_port))

    def send_monitor_command(self, command: str) -> str:
        """Runs a command of QEMU's monitor."""
        return str(self._do("send_monitor_command", command=command))

    def wait_for_monitor_prompt(self) -> str:
        """Starts the machine; the monitor is always ready."""
        return str(self._ask("wait_for_monitor_prompt"))

    @property
    def qmp_client(self) -> QMPSession:
        """QEMU's machine protocol."""
        return QMPSession(self.name)

    def wait_for_qmp_event(
        self,
        event_filter: Callable[[dict[str, Any]], bool],
        timeout: Duration = timedelta(minutes=10),
    ) -> dict[str, Any]:
        """The first event that the filter accepts."""
        if not self.booted:
            raise RuntimeError("QMP API is not ready yet, is the VM ready?")
        return wait_for(self.name, event_filter, timeout)

    # Keyboard, console, screen

    def send_key(self, key: str, delay: float | timedelta = 0.01, log: bool | None = True) -> None:
        """Presses a key or a chord such as `ctrl-alt-delete`."""
        self._do("send_key", key=key, delay=some_seconds(delay, "delay"), log=bool(log))

    def send_chars(self, chars: str, delay: float | timedelta | None = 0.01) -> None:
        """Types a text, by the US keyboard."""
        self._do("send_chars", chars=chars, delay=seconds(delay, "delay") or 0)

    def send_console(self, chars: str) -> None:
        """Types a text on the serial console."""
        self._ask("send_console", chars=chars)

    def get_console_log(self) -> str:
        """All lines of the serial console since the machine was started."""
        return str(self._ask("get_console_log"))

    @property
    def full_console_log(self) -> list[str]:
        """The same as a list."""
        return self.get_console_log().splitlines()

    def wait_for_console_text(self, regex: str, timeout: Duration | None = None) -> None:
        """Waits until new lines of the serial console match."""
        pattern = re.compile(regex)
        text = ""

        def matches(rest: float) -> bool:
            nonlocal text
            lines = self._do("console_read", timeout=min(rest, 5.0))
            if not lines:
                return False
            # A pattern may span lines, but need not be looked for in all of a flood.
            text = text[-(1 << 20) :] + "".join(line + "\n" for line in lines)
            wait.progress(lines[-1])
            return pattern.search(text) is not None

        with Wait(self, f"/{regex}/ on the console", seconds(timeout)) as wait:
            wait.until(matches, pause=0)

    def get_tty_text(self, tty: str | int) -> str:
        """What a virtual terminal shows."""
        return str(self._do("get_tty_text", tty=str(tty)))

    def wait_until_tty_matches(
        self, tty: str | int, regexp: str, timeout: Duration = 900
    ) -> None:
        """Waits until what a virtual terminal shows matches."""
        pattern = re.compile(regexp)
        text: str | None = None

        def matches(rest: float) -> bool:
            nonlocal text
            text = str(self._do("get_tty_text", tty=str(tty), unlike=text, timeout=min(rest, 5.0)))
            return pattern.search(text) is not None

        with Wait(self, f"/{regexp}/ on tty{tty}", some_seconds(timeout)) as wait:
            try:
                wait.until(matches, pause=0)
            except RequestedAssertionFailed:
                self.log(f"Last chance to match /{regexp}/ on TTY{tty}, which currently contains:")
                self.log(text or "")
                raise

    def dump_tty_contents(self, tty: str | int) -> None:
        """Writes what a virtual terminal shows into the journal."""
        self.execute(f"fold -w80 /dev/vcs{tty} | systemd-cat")

    def screenshot(self, filename: str) -> None:
        """Saves the screen as PNG, into the output folder unless the name has a slash."""
        name = str(filename) if "." in str(filename) else f"{filename}.png"
        self.run_callbacks()
        if "/" not in name:
            channel().call("screenshot", self.name, name=name)
            return
        _, descriptors = channel().call_with_descriptors("screenshot", self.name, name=None)
        with os.fdopen(descriptors[0], "rb") as picture:
            Path(name).write_bytes(picture.read())

    def get_screen_text(self) -> str:
        """The text on the screen."""
        return str(self._do("get_screen_text", variant="raw"))

    def get_screen_text_variants(self) -> list[str]:
        """The text on the screen, read in several ways."""
        variants = ("raw", "positive", "negative")
        return [str(self._do("get_screen_text", variant=variant)) for variant in variants]

    def wait_for_text(self, regex: str, timeout: Duration = 900) -> None:
        """Waits until the text on the screen matches."""
        pattern = re.compile(regex)

        def matches(rest: float) -> bool:
            # The quick way first; the others only when it has found nothing.
            for variant in ("raw", "positive", "negative"):
                text = str(self._do("get_screen_text", variant=variant))
                if pattern.search(text):
                    return True
                if variant == "raw":
                    wait.progress(" ".join(text.split())[:200])
            return False

        with Wait(self, f"/{regex}/ on the screen", some_seconds(timeout)) as wait:
            wait.until(matches)

    # Terminals

    def shell_interact(self, address: str | None = None) -> None:
        """A root shell of the machine on this terminal; Ctrl-d ends it."""
        self._ask("shell_interact", address=address)

    def console_interact(self) -> None:
        """The machine's serial console on this terminal; Ctrl-d ends it."""
        self._ask("console_interact")

    def switch_root(self) -> None:
        """Not supported: tests of the initrd are not."""
        self._ask("switch_root")

    def release(self) -> None:
        """Ends the machine."""
        self._ask("release")


class Wait:
    """A wait whose condition only Python can tell; an event of the run."""

    def __init__(self, machine: BaseMachine, what: str, limit: float | None) -> None:
        self._machine = machine.name
        self._what = what
        self._limit = limit
        self._tries = 0
        self._done = False

    def __enter__(self) -> Wait:
        talk = channel()
        self._start = time.monotonic()
        self._span = talk.call("wait_enter", self._machine, what=self._what, limit=self._limit)
        talk.push(self._span)
        return self

    def __exit__(self, *_: Any) -> None:
        talk = channel()
        talk.pop()
        talk.call("wait_leave", self._machine, span=self._span, done=self._done)

    def progress(self, state: str) -> None:
        """Tells how it looks meanwhile."""
        channel().tell(
            "wait_progress", self._machine, span=self._span, state=state, tries=self._tries
        )

    def until(self, condition: Callable[[float], bool], pause: float = 1.0) -> None:
        """Asks until it is true, at least once. The argument is what is left, in seconds."""
        end = None if self._limit is None else self._start + self._limit * channel().scale
        while True:
            rest = 3600.0 if end is None else end - time.monotonic()
            self._tries += 1
            if condition(max(rest, 0.0)):
                self._done = True
                return
            if rest <= 0:
                elapsed = time.monotonic() - self._start
                raise RequestedAssertionFailed(
                    f"action timed out after {elapsed:.2f} seconds (timeout={self._limit})"
                )
            time.sleep(min(pause, max(rest, 0.0)))


class NspawnMachine(BaseMachine):
    """A container; only here so that annotations can name it."""


#: The older name.
Machine = QemuMachine


def _options(
    cwd: str | None,
    env: dict[str, str] | None,
    user: str | None,
    stdin: str | bytes | None,
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if cwd is not None:
        options["cwd"] = cwd
    if env is not None:
        options["env"] = {str(name): str(value) for name, value in env.items()}
    if user is not None:
        options["user"] = user
    if stdin is not None:
        data = stdin.encode() if isinstance(stdin, str) else bytes(stdin)
        options["stdin"] = data.hex()
    return options


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _pack(path: Path, archive: IO[bytes]) -> None:
    """Packs a tree as `tree`; a link that is copied itself is followed."""
    import tarfile

    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(os.path.realpath(path), arcname="tree")


def _unpack(archive: IO[bytes], target: Path) -> None:
    """Unpacks `tree` as `target`; nothing can get outside of it."""
    import tarfile

    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise FileExistsError(f"copy_from_machine: {target} exists already")
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        modes: list[tuple[Path, int]] = []
        for member in tar:
            parts = member.name.strip("/").split("/")
            if parts[0] != "tree" or any(part in ("", ".", "..") for part in parts):
                raise MachineError(f"the machine sent a file with the name {member.name!r}")
            path = target.joinpath(*parts[1:])
            if member.isdir():
                path.mkdir(exist_ok=True)
                modes.append((path, member.mode | 0o700))
            elif member.issym():
                path.symlink_to(member.linkname)
            elif member.isfile():
                if path.is_symlink():
                    path.unlink()
                content = tar.extractfile(member)
                assert content is not None
                with open(path, "wb") as file:
                    while piece := content.read(1 << 20):
                        file.write(piece)
                path.chmod(member.mode & 0o777)
        for path, mode in reversed(modes):
            path.chmod(mode & 0o777)
