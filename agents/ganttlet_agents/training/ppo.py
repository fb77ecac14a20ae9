"""Stable-Baselines3's PPO, one update at a time, with a state that can be saved without pickle."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from ganttlet.core.batch import Snapshot
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import NUMBER, statics_of
from ganttlet_agents.training.adapter import BatchVecEnv
from ganttlet_agents.training.baseline import GroupBaseline
from ganttlet_agents.training.buffer import GraphRolloutBuffer
from ganttlet_agents.training.config import PPOConfig
from ganttlet_agents.training.learner import (
    State,
    network_state,
    optimizer_state,
    random_state,
    set_network_state,
    set_optimizer_state,
    set_random_state,
)
from ganttlet_agents.training.shell import GraphActorCritic
from ganttlet_agents.training.task import Task

LOGGED = {
    "train/policy_gradient_loss": "policy_loss",
    "train/value_loss": "value_loss",
    "train/approx_kl": "approx_kl",
    "train/clip_fraction": "clip_fraction",
    "train/explained_variance": "explained_variance",
}


class _Silent(BaseCallback):
    """SB3 wants a callback; the loop outside does what callbacks would."""

    def _on_step(self) -> bool:
        return True


class PPOLearner:
    """A rollout and its update per iteration; the budget counts decisions played."""

    name = "ppo"

    def __init__(self, task: Task, network: GraphPolicy, compiled: Any, config: PPOConfig, scale: float) -> None:
        self.config, self.network = config, network
        self.env = task.make(config.n_envs, "same_step")
        self.statics = statics_of(network, self.env)
        self.venv = BatchVecEnv(self.env, scale, config.group, self.statics)
        self.venv.seed(task.seed_of(0))
        self.rng = np.random.default_rng([task.config.seed, 11])
        self.baseline = None
        if config.baseline != "value":
            self.baseline = GroupBaseline(config.n_steps, config.n_envs, config.group, config.baseline == "surprise")
        self.model = PPO(
            GraphActorCritic,
            cast(VecEnv, self.venv),
            learning_rate=lambda left: config.learning_rate.at(1.0 - left),
            n_steps=config.n_steps,
            batch_size=config.batch_size,
            n_epochs=config.n_epochs,
            # The buffer takes each step's own discount.
            gamma=1.0,
            gae_lambda=config.gae_lambda,
            clip_range=lambda left: config.clip_range.at(1.0 - left),
            vf_coef=config.vf_coef,
            max_grad_norm=config.max_grad_norm,
            target_kl=config.target_kl,
            rollout_buffer_class=GraphRolloutBuffer,
            rollout_buffer_kwargs={
                "sizes": network.moving.tokens[0],
                "played": lambda: self.venv.played,
                "rng": self.rng,
                "baseline": self.baseline,
            },
            policy_kwargs={"network": network, "compiled": compiled, "statics": self.statics},
            device=next(network.parameters()).device,
        )
        self.model.set_logger(Logger(None, []))
        self.callback = _Silent()
        self.callback.init_callback(self.model)
        self.model._setup_learn(1, self.callback)

    @property
    def timesteps(self) -> int:
        """Decisions played."""
        return int(self.model.num_timesteps)

    @property
    def episodes(self) -> int:
        """Episodes finished."""
        return self.venv.episodes

    def iterate(self, spent: float) -> dict[str, float]:
        """Collect a rollout and train on it."""
        model, config = self.model, self.config
        if self.statics is not None:
            # A rollout needs the instances that it meets, and those it begins with.
            self.statics.keep(self.env.live_observation[NUMBER])
            self.statics.meet(self.env.live_observation[NUMBER])
        model.collect_rollouts(model.env, self.callback, model.rollout_buffer, config.n_steps)  # type: ignore[arg-type]
        model._current_progress_remaining = 1.0 - spent
        model.ent_coef = config.entropy.at(spent)
        model.train()
        logged = model.logger.name_to_value
        told = {name: float(logged[key]) for key, name in LOGGED.items()}
        if self.baseline is not None:
            told["baseline_share"] = self.baseline.share
        recent = list(model.ep_info_buffer or ())
        if recent:
            told["episode_return"] = float(np.mean([one["r"] for one in recent])) / self.venv.reward_scale
            told["episode_length"] = float(np.mean([one["l"] for one in recent]))
        return {
            **told,
            "entropy": -float(logged["train/entropy_loss"]),
            "learning_rate": config.learning_rate.at(spent),
            "clip_range": config.clip_range.at(spent),
            "entropy_weight": model.ent_coef,
        }

    def state(self) -> State:
        """Return the state between two updates, environment rows included."""
        model = self.model
        recent = list(model.ep_info_buffer or ())
        arrays = {f"env.{key}": part for key, part in pack(self.env.snapshot()).items()}
        arrays |= {f"venv.{key}": part for key, part in self.venv.state().items()}
        arrays["episode_starts"] = np.asarray(model._last_episode_starts)
        arrays["recent"] = np.array([[one["r"], one["l"]] for one in recent], np.float64).reshape(-1, 2)
        return State(
            {**network_state(self.network), **optimizer_state(model.policy.optimizer), **random_state()},
            arrays,
            {"timesteps": self.timesteps, "updates": model._n_updates, "rng": self.rng.bit_generator.state},
        )

    def set_state(self, state: State) -> None:
        """Put a state back."""
        model = self.model
        set_network_state(self.network, state.tensors)
        set_optimizer_state(model.policy.optimizer, state.tensors)
        within = {key.removeprefix("env."): part for key, part in state.arrays.items() if key.startswith("env.")}
        self.env.restore(unpack(within, self.env))
        saved = {key.removeprefix("venv."): part for key, part in state.arrays.items() if key.startswith("venv.")}
        model._last_obs = self.venv.set_state(saved)
        model._last_episode_starts = state.arrays["episode_starts"]
        model.num_timesteps, model._n_updates = int(state.numbers["timesteps"]), int(state.numbers["updates"])
        assert model.ep_info_buffer is not None
        model.ep_info_buffer.clear()
        model.ep_info_buffer.extend({"r": float(r), "l": int(length)} for r, length in state.arrays["recent"])
        self.rng.bit_generator.state = state.numbers["rng"]
        set_random_state(state.tensors)

    def export(self, path: str) -> None:
        """Write SB3's own zip, which holds pickles."""
        self.model.save(path)


def pack(snapshot: Snapshot) -> dict[str, np.ndarray[Any, Any]]:
    """Return a snapshot of generated or fixed instances as arrays."""
    arrays = {"kind": np.array(snapshot.kind)}
    for name in ("state", "flags", "book"):
        arrays |= {f"{name}.{at}": part for at, part in enumerate(getattr(snapshot, name))}
    arrays |= {f"rows.{at}": part for at, part in enumerate(snapshot.slots["rows"])}
    return arrays | {"slots": snapshot.slots["slots"], "number": snapshot.slots["number"]}


def unpack(arrays: dict[str, np.ndarray[Any, Any]], env: BatchEnv) -> Snapshot:
    """Return the snapshot that :func:`pack` made, in the types of ``env``'s own."""
    own = env.snapshot()

    def parts(name: str, like: Any) -> list[np.ndarray[Any, Any]]:
        return [arrays[f"{name}.{at}"] for at in range(len(like))]

    rows = own.slots["rows"]
    slots = {
        "slots": arrays["slots"],
        "rows": type(rows)(*parts("rows", rows)),
        "given": [None] * len(arrays["number"]),
        "number": arrays["number"],
    }
    return Snapshot(
        str(arrays["kind"]),
        tuple(parts("state", own.state)),
        tuple(parts("flags", own.flags)),
        tuple(parts("book", own.book)),
        slots,
    )
