"""Exceptions that the driver raises in a script."""

from __future__ import annotations


class TestScriptError(Exception):
    """Base of the errors that a test script is responsible for."""

    __test__ = False

    #: Name of the machine that the error is about.
    machine: str | None = None
    #: Shell text of the command that ended wrongly.
    command: str | None = None
    #: Its exit status.
    status: int | None = None
    #: Its standard output.
    stdout: str = ""
    #: Its standard error.
    stderr: str = ""


class RequestedAssertionFailed(TestScriptError):
    """Something that the script asked for did not hold."""


class MachineError(Exception):
    """A machine could not do what was asked of it."""


class PollingConditionError(Exception):
    """A polling condition does not hold any more."""
