"""Simulated clusters, each in a program of its own: a process is part of one Ray at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A head of one core and the nodes that the program asks for; it tells what it found as JSON in its last line.
BEGIN = """
import json, os, sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
from ganttlet_agents.cli import main
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
backend = f"ray:{cluster.address}"
"""


def in_cluster(code, folder, **env):
    """Run ``code`` after BEGIN in ``folder``; return what its last line tells, and what it wrote to stderr."""
    command = [sys.executable, "-c", f"{BEGIN}\n{code}\ncluster.shutdown()\n"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", **env}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr
