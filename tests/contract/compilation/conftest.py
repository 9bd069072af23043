"""Lets the modules of this folder import each other, also for scripts/make_compilation_table.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
