"""Shared fixtures; puts tests/ on the path so that tests can import ``reference``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
