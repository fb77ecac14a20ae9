"""Train a policy: ``ganttlet train``; see ``python train.py --help``."""

import sys

from ganttlet_agents.cli import main

if __name__ == "__main__":
    sys.exit(main(within="train"))
