"""A stage of a run whose decisions RLlib's workers play."""

from __future__ import annotations

import logging
import time
from collections import deque
from functools import partial
from typing import Any

import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig as Settings
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED_LIFETIME

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed.rllib.advantages import Advantages
from ganttlet_agents.distributed.rllib.module import spec_of
from ganttlet_agents.distributed.rllib.runner import GraphRunner
from ganttlet_agents.distributed.rllib.update import GraphUpdate
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.training.learner import (
    State,
    network_state,
    optimizer_state,
    random_state,
    set_network_state,
    set_optimizer_state,
    set_random_state,
)
from ganttlet_agents.training.task import Task

RECENT = 100  # episodes whose returns and lengths are averaged, as in Stable-Baselines3
PATIENCE = 600.0  # seconds without a decision from any worker


class RLlibLearner:
    """A rollout on all workers and its update in this process per iteration; the budget counts decisions played.

    The run's own network is a copy of RLlib's after every update. A state holds no rows of environments: a run that
    goes on from it begins new episodes, of instances that it has not played.

    Args:
        task: what is trained on; its configuration says how.
        network: the network to train, whose weights are where training begins.
        scale: factor on rewards.

    Attributes:
        rollout_seconds: what the last iteration took until its decisions were here.
    """

    name = "ppo"
    rollout_seconds = 0.0

    def __init__(self, task: Task, network: GraphPolicy, scale: float) -> None:
        self.config, self.network = task.config.ppo, network
        self.timesteps, self.episodes = 0, 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        # It warns of its own defaults.
        logging.getLogger("ray.rllib").setLevel(logging.ERROR)
        self.algorithm = settings(task, network, scale).build_algo()
        self._learner: GraphUpdate = self.algorithm.learner_group.foreach_learner(_itself).result_or_errors[0].get()
        self._publish()

    def iterate(self, spent: float) -> dict[str, float]:
        """Play a rollout and train on it."""
        config, learner = self.config, self._learner
        rates = config.learning_rate.at(spent), config.clip_range.at(spent), config.entropy.at(spent)
        learner.follow(*rates)
        begun = time.monotonic()
        while not learner.told:
            # Without an update where all workers were lost; each call brings back those that can be.
            self.algorithm.train()
            if not learner.told and time.monotonic() - begun > PATIENCE:
                raise InputError(
                    f"rollout_workers: none has played a decision for {PATIENCE:g} s; are there nodes left?"
                )
        self.rollout_seconds = learner.began - begun
        self.network.load_state_dict(self._module.network.state_dict())
        told = dict(learner.told)
        self.timesteps += int(told.pop("decisions"))
        self.episodes += len(learner.finished)
        self._recent.extend(learner.finished)
        if self._recent:
            told["episode_return"], told["episode_length"] = (float(mean) for mean in np.mean(self._recent, 0))
        return {**told, "learning_rate": rates[0], "clip_range": rates[1], "entropy_weight": rates[2]}

    @property
    def _module(self) -> Any:
        return self._learner.module[DEFAULT_MODULE_ID]

    def _publish(self) -> None:
        """Let RLlib's module and all workers have the weights of the run's own network."""
        self._module.network.load_state_dict(self.network.state_dict())
        group = self.algorithm.env_runner_group
        group.sync_weights(from_worker_or_learner_group=self.algorithm.learner_group, inference_only=True)

    def state(self) -> State:
        """Return the state between two updates."""
        return State(
            {**network_state(self.network), **optimizer_state(self._learner.optimizer), **random_state()},
            {"recent": np.array(self._recent, np.float64).reshape(-1, 2)},
            {
                "timesteps": self.timesteps,
                "episodes": self.episodes,
                "rng": self._learner.rng.bit_generator.state,
            },
        )

    def set_state(self, state: State) -> None:
        """Put a state back."""
        set_network_state(self.network, state.tensors)
        set_optimizer_state(self._learner.optimizer, state.tensors)
        self.timesteps, self.episodes = int(state.numbers["timesteps"]), int(state.numbers["episodes"])
        self._recent.extend((float(total), int(length)) for total, length in state.arrays["recent"])
        self._learner.rng.bit_generator.state = state.numbers["rng"]
        self._publish()
        # By this number runners draw seeds that were not played before.
        late = {NUM_ENV_STEPS_SAMPLED_LIFETIME: self.timesteps}
        self.algorithm.env_runner_group.foreach_env_runner(partial(_set, state=late))
        set_random_state(state.tensors)

    def stop(self) -> None:
        """End the workers."""
        self.algorithm.stop()


def settings(task: Task, network: GraphPolicy, scale: float) -> Settings:
    """Return RLlib's settings of a run."""
    run, ppo = task.config, task.config.ppo
    workers = run.rollout_workers or 0
    device = next(network.parameters()).device
    return (
        Settings()
        .environment(f"ganttlet:{run.env}", env_config={**run.env_kwargs, "copy": False})
        .env_runners(
            env_runner_cls=GraphRunner,
            num_env_runners=workers,
            num_envs_per_env_runner=ppo.n_envs // max(workers, 1),
            gym_env_vectorize_mode="vector_entry_point",
            rollout_fragment_length=ppo.n_steps,
            # A rollout of long episodes may take any time; lost workers are noticed by Ray.
            sample_timeout_s=None,
        )
        .learners(
            num_learners=0,
            num_gpus_per_learner=int(device.type == "cuda"),
            local_gpu_idx=device.index or 0,
            learner_class=GraphUpdate,
            learner_connector=partial(
                _pipeline, gae_lambda=ppo.gae_lambda, scale=scale, at_once=max(ppo.batch_size, ppo.n_envs)
            ),
            add_default_connectors_to_learner_pipeline=False,
            learner_config_dict={
                "batch_size": ppo.batch_size,
                "target_kl": ppo.target_kl,
                "sizes": network.moving.tokens[0],
                "seed": [run.seed, 11],
            },
        )
        .rl_module(rl_module_spec=spec_of(network))
        .training(
            train_batch_size_per_learner=ppo.n_envs * ppo.n_steps,
            minibatch_size=min(ppo.batch_size, ppo.n_envs * ppo.n_steps),
            num_epochs=ppo.n_epochs,
            lr=ppo.learning_rate.at(0.0),
            vf_loss_coeff=ppo.vf_coef,
            use_kl_loss=False,
            grad_clip=ppo.max_grad_norm,
            grad_clip_by="global_norm",
        )
        .fault_tolerance(restart_failed_env_runners=True)
        .debugging(seed=task.seed_of(0), log_level="ERROR")
    )


def _pipeline(observation_space: Any, action_space: Any, **asked: Any) -> Advantages:
    return Advantages(observation_space, action_space, **asked)


def _itself(learner: Any) -> Any:
    return learner


def _set(runner: Any, state: dict[str, Any]) -> None:
    runner.set_state(state)
