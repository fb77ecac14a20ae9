"""Run methods on instances and judge them: ``ganttlet evaluate``; see ``python evaluate.py --help``."""

import sys

from ganttlet_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(within="evaluate"))
