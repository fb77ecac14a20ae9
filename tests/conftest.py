"""Shared fixtures; puts tests/ on the path so that tests can import ``reference``."""

import os
import sys
from pathlib import Path

# Tests run side by side, one per core: PyTorch's threads of each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
