"""What a training asks of a node: room, and the same instances and weights as here."""

from __future__ import annotations

import contextlib
import os
from functools import partial

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed.connect import cluster_gpus
from ganttlet_agents.distributed.identity import Facts, Question, digest_of
from ganttlet_agents.policy.shipped import find_checkpoint
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.task import Task


def needs(config: TrainConfig) -> tuple[int, int]:
    """Return the cores and GPUs that a training takes: its threads, and a GPU where there are any and it may use one.

    Raises:
        InputError: if it names one GPU among several.
    """
    if config.device.startswith("cuda:"):
        raise InputError(f"device: {config.device}: Ray gives each training a GPU of its own; expected cuda")
    gpu = config.device == "cuda" or (config.device == "auto" and cluster_gpus() >= 1)
    return config.threads or 1, int(gpu)


def check_room(config: TrainConfig) -> None:
    """Raise InputError if no node of the cluster that was joined has what a training takes."""
    import ray

    cpus, gpus = needs(config)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        told = f"{cpus} core{'s' if cpus > 1 else ''}{' and a GPU' if gpus else ''}"
        raise InputError(f"a training takes {told} (threads, device), which no node of the cluster has")


def question_of(config: TrainConfig) -> Question:
    """Return what every node is asked of a training."""
    return partial(facts_of, config, os.getcwd())


def facts_of(config: TrainConfig, cwd: str) -> Facts:
    """Return what a training's outcome depends on beside code: digests of its instances, and of weights to begin with.

    Args:
        config: its settings.
        cwd: the folder against which their paths are read, where this machine has it.

    Raises:
        InputError: if one of them is not there.
    """
    where = contextlib.chdir(cwd) if os.path.isdir(cwd) else contextlib.nullcontext()
    with where:
        task = Task(config)
        facts = {
            f"instance {spec if isinstance(spec, str) else at}": task.family.resolve(spec).digest
            for at, spec in enumerate(task.fixed)
        }
        for group, instances in task.validation_groups().items():
            for at, instance in enumerate(instances):
                facts[f"validation instance {f'{group} ' if group else ''}{at}"] = instance.digest
        if config.warm_start_from is not None:
            content = find_checkpoint(config.warm_start_from).read_bytes()
            facts[f"warm_start_from {config.warm_start_from!r}"] = digest_of(content)
    return facts
