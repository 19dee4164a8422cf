"""Assertions for scripts."""

from __future__ import annotations

import unittest

from .errors import RequestedAssertionFailed


class TestCase(unittest.TestCase):
    """Assertions; `t` in scripts."""

    failureException = RequestedAssertionFailed

    def runTest(self) -> None:
        """Nothing: only the assertions are used."""
