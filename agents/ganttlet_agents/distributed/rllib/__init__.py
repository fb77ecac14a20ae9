"""One training whose decisions are played by RLlib's workers; Ray is imported when it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.distributed.backend import Backend
from ganttlet_agents.training.config import TrainConfig

if TYPE_CHECKING:
    from ganttlet_agents.policy.network import GraphPolicy
    from ganttlet_agents.training.folder import RunFolder
    from ganttlet_agents.training.learner import Learner
    from ganttlet_agents.training.loop import OnStatus, Trainer
    from ganttlet_agents.training.task import Task

THIS_MACHINE = Backend("ray")


@contextmanager
def trainer(
    config: TrainConfig,
    on_status: OnStatus = lambda status: None,
    resumed: RunFolder | None = None,
    backend: Backend = THIS_MACHINE,
) -> Iterator[Trainer]:
    """Give the trainer of a run with ``rollout_workers``; its workers and its Ray live as long as the block.

    Args:
        config: the settings; ``rollout_workers`` is set.
        on_status, resumed: as :class:`~ganttlet_agents.training.loop.Trainer` takes them.
        backend: the cluster on which the workers play.

    Raises:
        InputError: for settings that workers cannot follow, or a cluster that is not there or not like this machine.
        MissingExtraError: if RLlib is not installed.
    """
    check(config)
    need_rllib()
    from ganttlet_agents.distributed.connect import cluster_cpus, connected
    from ganttlet_agents.distributed.identity import check_nodes
    from ganttlet_agents.distributed.runs import question_of
    from ganttlet_agents.training.loop import Trainer

    workers = config.rollout_workers
    assert workers is not None
    with connected(backend, max(workers, os.cpu_count() or 1)), ExitStack() as after:
        if workers > cluster_cpus():
            raise InputError(f"rollout_workers: {workers} need a core each, the cluster has {cluster_cpus()} in all")
        check_nodes(question_of(config))

        def learner(task: Task, network: GraphPolicy, scale: float) -> Learner:
            from ganttlet_agents.distributed.rllib.learner import RLlibLearner

            made = RLlibLearner(task, network, scale)
            after.callback(made.stop)
            return made

        yield Trainer(config, on_status, resumed, ppo=learner)


def need_rllib() -> None:
    """Raise MissingExtraError if RLlib, or what it needs beyond Ray, is not installed."""
    if any(find_spec(package) is None for package in ("ray", "tree", "pyarrow", "scipy")):
        raise MissingExtraError("ray[rllib]", "rllib")


def check(config: TrainConfig) -> None:
    """Raise InputError naming the first setting that a training fed by workers cannot follow."""
    ppo, workers = config.ppo, config.rollout_workers
    assert workers is not None
    wrong = {
        "algorithm": (config.algorithm, config.algorithm == "ppo", "ppo"),
        "ppo.group": (ppo.group, ppo.group == 1, "1: groups need all of their rows in one batch"),
        "ppo.baseline": (ppo.baseline, ppo.baseline == "value", "value"),
        "env_kwargs.static": (
            config.env_kwargs.get("static"),
            config.env_kwargs.get("static") != "index",
            "observe: an instance's number says nothing in another process",
        ),
        "compile": (config.compile, not config.compile, "false"),
        "ppo.n_envs": (ppo.n_envs, not workers or ppo.n_envs % workers == 0, f"a multiple of the {workers} workers"),
    }
    for name, (found, right, expected) in wrong.items():
        if not right:
            raise InputError(f"{name}: {found} does not go with rollout workers; expected {expected}")
