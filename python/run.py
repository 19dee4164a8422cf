"""Starts a script: the driver runs this file with the number of its socket."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from test_driver._main import main  # noqa: E402 (the path comes first)

main()
