"""Breakpoints."""

from __future__ import annotations

import sys


class DebugAbstract:
    """What `debug` is to a script."""

    def breakpoint(self, host: str = "127.0.0.1", port: int = 4444) -> None:
        """Stops here in an interactive run; does nothing in others."""


class DebugNop(DebugAbstract):
    """Without a terminal nobody could answer."""


class Debug(DebugAbstract):
    """Opens Python's debugger on the terminal."""

    def breakpoint(self, host: str = "127.0.0.1", port: int = 4444) -> None:
        import pdb

        pdb.Pdb().set_trace(sys._getframe(1))
