"""Joining a Ray cluster, or starting one on this machine, with one clear error where that fails."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed.backend import Backend, split_address
from ganttlet_agents.distributed.identity import check_nodes

# Ray itself tries an address for minutes before it gives up.
ANSWER_WITHIN = 20.0


@contextmanager
def connected(backend: Backend, cpus: int | None = None) -> Iterator[None]:
    """Be part of a Ray cluster inside the block; inside a program that is already, that one is used and left alone.

    Args:
        backend: the cluster; without an address one is started on this machine, and ended after the block.
        cpus: what a cluster of this machine counts as its cores; all that there are if None.

    Raises:
        InputError: if no cluster answers at the address, or it refuses us.
    """
    import ray
    from ray.exceptions import RayError

    if ray.is_initialized():
        yield
        return
    # Without it Ray tells each program that a coming release will treat accelerators otherwise.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if backend.address:
        _check_answer(backend)
        try:
            ray.init(address=backend.address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise InputError(f"--backend {backend}: cannot be joined: {_first_line(error)}") from None
    else:
        # "local": never one that the environment or an earlier program left running.
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def crew(backend: Backend, jobs: int | None) -> Iterator[int]:
    """Yield the number of processes for ``jobs``, and have them at hand inside the block.

    On Ray the cluster is joined and all its nodes are checked; None stands for one process of this machine, or for as
    many as the cluster has cores.

    Raises:
        InputError: like :func:`connected`, or if a node's versions, code or configurations are not those of here.
    """
    if not backend.ray:
        yield 1 if jobs is None else jobs
        return
    with connected(backend, jobs):
        check_nodes()
        yield max(1, cluster_cpus()) if jobs is None else jobs


def cluster_cpus() -> int:
    """Return the number of cores of the cluster that was joined."""
    import ray

    return int(ray.cluster_resources().get("CPU", 0))


def cluster_gpus() -> float:
    """Return the number of GPUs of the cluster that was joined."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0.0))


def _check_answer(backend: Backend) -> None:
    """Raise InputError unless a Ray cluster answers at the address in time."""
    silent = f"--backend {backend}: no Ray cluster answers at {backend.address} within {ANSWER_WITHIN:g} s"
    try:
        socket.create_connection(split_address(backend.address), ANSWER_WITHIN).close()
    except OSError as error:
        raise InputError(f"{silent} ({error.strerror or error})") from None
    # Whoever listens there may be something else, and ray.init would wait for it for minutes.
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", backend.address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{silent} (something else listens there?)") from None
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise InputError(f"{silent} ({told})")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
