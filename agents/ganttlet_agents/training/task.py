"""The environment of a run: its batches, family, instances and the scale of its rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

import ganttlet
from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, get_family
from ganttlet.core.record import Instance
from ganttlet.core.rng import random_legal
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.seeds import SCALE_INDEX, training_seed, validation_seed

SOURCES = ("generator", "instances", "instance", "pool_size", "pool_seed")
OURS = ("num_envs", "autoreset_mode", "copy", "vectorization_mode", "vector_kwargs", "wrappers")
# These shape training alone, as do all that begin with MOST; a policy is played without them.
TRAINING_ONLY = ("illegal_penalty", "strict", "render_mode")
MOST = "max_"
EPISODES = 64
# Within a run's seeds, the first one for rounds of labelling; those below are of environments' rows.
ROUNDS = 1000


class Task:
    """What is trained on.

    Args:
        config: the run's settings.

    Attributes:
        family: the family.
        objective: name of the objective that the reward serves.
        minimise: whether less of it is better.
        env_kwargs: the environment's options as a checkpoint keeps them: without its instances, and without what
            only training needs, such as a penalty or a larger padded space.
        generator: generator settings, None if the instances are fixed.
    """

    def __init__(self, config: TrainConfig) -> None:
        assert ganttlet.__version__  # the import registers the environments
        self.config = config
        for key in OURS:
            if key in config.env_kwargs:
                raise InputError(f"env_kwargs: {key!r} is set by training itself; leave it out")
        self._sources = {key: value for key, value in config.env_kwargs.items() if key in SOURCES}
        self._options = {key: value for key, value in config.env_kwargs.items() if key not in SOURCES}
        self.env_kwargs = {
            key: value for key, value in self._options.items() if key not in TRAINING_ONLY and not key.startswith(MOST)
        }
        probe = self.make(1, "disabled")
        self.family: Family = get_family(probe.family)
        self.graph = probe.graph
        self.objective = probe.objective
        self.minimise = self.family.objectives[self.objective].sense == "min"
        self.generator: Mapping[str, Any] | None = self._sources.get("generator")

    @property
    def fixed(self) -> list[Any]:
        """The fixed instances that are trained on, as the settings name them; none where they are generated."""
        given = self._sources.get("instances") or [self._sources.get("instance")]
        return [spec for spec in given if spec is not None]

    def make(self, rows: int, mode: str, instances: list[Any] | None = None) -> BatchEnv:
        """Return a batch of ``rows`` that hands out live buffers; of given instances, or the run's own."""
        sources = {"instances": instances} if instances is not None else self._sources
        try:
            env: Any = gym.make_vec(
                self.config.env, num_envs=rows, autoreset_mode=mode, copy=False, **self._options, **sources
            )
        except gym.error.Error as error:
            raise InputError(f"env {self.config.env!r}: {error}") from None
        if not isinstance(env.unwrapped, BatchEnv):
            raise InputError(f"env {self.config.env!r}: is no environment of a ganttlet family")
        return env.unwrapped

    def seed_of(self, row: int) -> int:
        """Return the training seed of a row."""
        return training_seed(self.config.seed) + row

    def round_seeds(self, round_number: int, count: int) -> list[int]:
        """Return the seed of each instance of a round of labelling, of which it is drawn and under which it is played.

        Whoever plays an instance of a round resets its row with its seed, so that all meet the same world.
        """
        first = training_seed(self.config.seed) + ROUNDS + round_number * count
        return list(range(first, first + count))

    def training_instances(self, round_number: int, count: int) -> list[Instance]:
        """Return the instances of a round of labelling; rounds never repeat one but by chance."""
        if self._fresh is None or self._fresh.num_envs != count:
            self._fresh = self.make(count, "disabled")
        env = self._fresh
        env.reset(seed=self.round_seeds(round_number, count))
        return [env.instance(row) for row in range(count)]

    _fresh: BatchEnv | None = None

    def validation_groups(self) -> dict[str, list[Instance]]:
        """Return group name -> validation instances."""
        groups = dict(self.config.validation.groups)
        if not groups and self.generator is not None:
            groups = {"": dict(self.generator)}
        if not groups:
            fixed = [self.family.resolve(spec) for spec in self.fixed]
            return {"": fixed or self._default_instances()}
        found: dict[str, list[Instance]] = {}
        at = 0
        for name, settings in groups.items():
            found[name] = []
            for _ in range(self.config.validation.count):
                found[name].append(self.family.generate(settings, validation_seed(at)))
                at += 1
        return found

    def _default_instances(self) -> list[Instance]:
        """Return instances of the environment's own default generator."""
        env = self.make(self.config.validation.count, "disabled")
        env.reset(seed=validation_seed(0))
        return [env.instance(row) for row in range(env.num_envs)]

    def reward_scale(self) -> float:
        """Return the configured scale, or 1 / the standard deviation of the returns of random play."""
        if self.config.reward_scale is not None:
            return self.config.reward_scale
        env = self.make(EPISODES, "disabled")
        env.reset(seed=validation_seed(SCALE_INDEX))
        total, actions, turn = np.zeros(EPISODES), np.zeros(EPISODES, np.int64), 0
        while not env.done.all():
            random_legal(env.live_mask, np.uint64(turn), actions)
            _, reward, _, _, _ = env.step(actions)
            total += reward
            turn += 1
        spread = float(total.std())
        return 1.0 / spread if spread > 0 else 1.0
