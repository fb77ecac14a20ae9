"""Where a result comes from: versions, commit, machine, command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from ganttlet_agents.config import checkout

PACKAGES = ("ganttlet", "gymnasium", "numpy", "numba", "ortools", "torch")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str | None:
    """Return the commit of the source checkout, ``+changes`` appended if files differ; None for a wheel."""
    root = checkout()
    if root is None or not (root / ".git").exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if changes else "")


@cache
def device() -> str:
    """Return the processor's name and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        name = named[0] if named else name
    except OSError:
        pass
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return f"cpu: {name}, {cores} core{'s' if cores > 1 else ''}"


def command_line() -> str:
    """Return the command that runs now, as it could be typed."""
    name = os.path.basename(sys.argv[0])
    if name.endswith(".py"):
        name = f"python {name}"
    return " ".join([name, *map(shlex.quote, sys.argv[1:])])
