"""The run as a script sees it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from . import polling_condition
from ._channel import SCRIPT, channel
from ._durations import Duration
from ._retry import retry
from .debug import Debug, DebugAbstract, DebugNop
from .logger import AbstractLogger, rootlog
from .machine import BaseMachine, NspawnMachine, QemuMachine
from .vlan import VLan


class LazyAssertions:
    """`t`: all assertions of `unittest`, which is imported with the first one."""

    def __getattr__(self, name: str) -> Any:
        from ._assertions import TestCase

        self.__dict__.update({"_case": TestCase()})
        value = getattr(self.__dict__["_case"], name)
        self.__dict__[name] = value
        return value


def pythonize_name(name: str) -> str:
    """The variable of a machine."""
    return re.sub(r"^[^A-Za-z_]|[^A-Za-z0-9_]", "_", name)


class Driver:
    """The run of one test."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self.out_dir = Path(hello["outDir"])
        self.tests: str = hello["script"]
        self.config: dict[str, Any] = hello.get("config", {})
        self.logger: AbstractLogger = rootlog
        self.interactive: bool = hello["interactive"]
        rootlog.interactive = self.interactive
        self.machines_qemu = [
            QemuMachine(machine["name"], self.out_dir, machine) for machine in hello["machines"]
        ]
        self.machines_nspawn: list[NspawnMachine] = []
        # Variables for machines whose host name is not their name.
        self._aliases: dict[str, str] = hello.get("aliases", {})
        self.machines: list[BaseMachine] = [*self.machines_qemu]
        self.vlans = [VLan(number) for number in hello["vlans"]]
        self.polling_conditions: list[polling_condition.PollingCondition] = []
        self.debug: DebugAbstract = Debug() if self.interactive else DebugNop()
        talk = channel()
        talk.scale = hello["scale"]
        talk.polling = self._polling_interval
        talk.run_polling = self.check_polling_conditions

    # Polling conditions

    def _polling_interval(self) -> float | None:
        waiting = [c.interval for c in self.polling_conditions if not c.entered]
        return min(waiting, default=None)

    def check_polling_conditions(self) -> None:
        """Raises when one of the active conditions does not hold."""
        for condition in list(self.polling_conditions):
            condition.maybe_raise()

    # What scripts can use

    def test_symbols(self) -> dict[str, Any]:
        """The global names of a script."""
        general: dict[str, Any] = {
            "start_all": self.start_all,
            "test_script": self.test_script,
            "machines": self.machines,
            "machines_qemu": self.machines_qemu,
            "machines_nspawn": self.machines_nspawn,
            "vlans": self.vlans,
            "driver": self,
            "log": rootlog,
            "os": os,
            "create_machine": self.create_machine,
            "subtest": self.subtest,
            "run_tests": self.run_tests,
            "join_all": self.join_all,
            "retry": self.retry,
            "checkpoint": self.checkpoint,
            "restore": self.restore,
            "checkpoints": self.checkpoints,
            "serial_stdout_off": self.serial_stdout_off,
            "serial_stdout_on": self.serial_stdout_on,
            "polling_condition": polling_condition.make(self),
            "dump_machine_ssh": self.dump_machine_ssh,
            "BaseMachine": BaseMachine,
            "Machine": QemuMachine,
            "QemuMachine": QemuMachine,
            "NspawnMachine": NspawnMachine,
            "t": LazyAssertions(),
            "debug": self.debug,
        }
        named = {machine.name: machine for machine in self.machines}
        symbols = {alias: named[name] for alias, name in self._aliases.items() if name in named}
        symbols.update({pythonize_name(machine.name): machine for machine in self.machines})
        if len(self.machines) == 1:
            symbols["machine"] = self.machines[0]
        nets = {f"vlan{vlan.nr}": vlan for vlan in self.vlans}
        return {**general, **symbols, **nets, "__name__": "__main__"}

    def start_all(self) -> None:
        """Starts all machines, together."""
        channel().call("start_all")

    def join_all(self) -> None:
        """Waits until all machines are switched off."""
        channel().call("join_all")

    def subtest(self, name: str) -> Any:
        """Groups what is done inside as a test of its own."""
        return self._subtest(name)

    @contextmanager
    def _subtest(self, name: str) -> Iterator[None]:
        with rootlog.subtest(name):
            try:
                yield
            except Exception as error:
                rootlog.log_test_error(f'Test "{name}" failed with error: "{error}"')
                raise

    def test_script(self) -> None:
        """Runs the script."""
        symbols = self.test_symbols()
        exec(compile(self.tests, SCRIPT, "exec"), symbols, None)

    def run_tests(self) -> None:
        """Runs the script under the global time limit, then flushes the machines' disks."""
        channel().call("arm_timeout")
        self.test_script()
        channel().call("sync_all")

    def retry(
        self,
        fn: Callable[..., Any],
        timeout: Duration | None = 900,
        *,
        timeout_seconds: Duration | None = None,
    ) -> None:
        """Calls a function until it gives true; the last time with True."""
        retry(fn, timeout, timeout_seconds=timeout_seconds)

    def checkpoint(self, name: str) -> None:
        """Saves all machines and networks as they are now, under a name."""
        channel().call("checkpoint", name=name)

    def restore(self, name: str) -> None:
        """Puts all machines and networks back to where they were at a checkpoint."""
        channel().call("restore", name=name)

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints, in the order in which they were made."""
        return list(channel().call("checkpoints"))

    def create_machine(
        self,
        start_command: str | dict[str, Any],
        *,
        name: str | None = None,
        keep_vm_state: bool = False,
        keep_machine_state: bool = False,
    ) -> QemuMachine:
        """Adds a machine that a start command runs."""
        if isinstance(start_command, dict):
            name = start_command.get("name", name)
            start_command = str(start_command.get("startCommand", start_command))
        made = channel().call(
            "create_machine",
            start_command=start_command,
            name=name,
            keep_state=keep_vm_state or keep_machine_state,
        )
        return QemuMachine(made["name"], self.out_dir, made)

    def serial_stdout_on(self) -> None:
        """Shows the machines' consoles from now on."""
        rootlog.print_serial_logs(True)

    def serial_stdout_off(self) -> None:
        """Hides the machines' consoles from now on."""
        rootlog.print_serial_logs(False)

    def dump_machine_ssh(self) -> None:
        """Tells how to get a shell in the machines."""
        for machine in self.machines:
            print(f"snowglobe shell . {machine.name}", file=sys.stderr)
