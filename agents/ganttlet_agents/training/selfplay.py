"""Self-play with the Gumbel search: every decision is searched, and the network imitates what the searches found."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.scoring import PolicyEvaluator
from ganttlet_agents.search.planning import Planner, Planning
from ganttlet_agents.training.config import GumbelConfig
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

Array = np.ndarray[Any, Any]
OBSERVED = "observed."
POLICY, RETURNS = "policy", "returns"


class Recent:
    """The latest decisions, in a ring of arrays that is made when the first come."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.arrays: dict[str, Array] = {}
        self.count = self.next = 0

    def add(self, arrays: dict[str, Array]) -> None:
        """Put in decisions, arrays (D, ...), over the oldest; of more than there is room for, the last."""
        new = len(arrays[RETURNS])
        if not self.arrays:
            self.arrays = {key: np.zeros((self.capacity, *one.shape[1:]), one.dtype) for key, one in arrays.items()}
        kept = min(new, self.capacity)
        at = (self.next + np.arange(kept)) % self.capacity
        for key, one in arrays.items():
            self.arrays[key][at] = one[new - kept :]
        self.next = (self.next + kept) % self.capacity
        self.count = min(self.capacity, self.count + kept)

    def take(self, index: Array) -> dict[str, Array]:
        """Return the decisions at ``index`` (n,), each in 0 … count - 1."""
        return {key: one[index] for key, one in self.arrays.items()}


class SelfPlay:
    """Rounds of whole episodes on fresh instances, then gradient steps on the latest decisions.

    The policy learns the improved policies of the roots by cross-entropy, and the value head the rewards that followed
    until the end of the episode. The budget counts decisions that were searched.

    Source: Danihelka, Guez, Schrittwieser and Silver, Policy improvement by planning with Gumbel, ICLR 2022, with the
    environment in the place of their learned model.
    """

    name = "gumbel"

    def __init__(self, task: Task, network: GraphPolicy, compiled: Any, config: GumbelConfig, scale: float) -> None:
        self.task, self.network, self.compiled, self.config = task, network, compiled, config
        self.device = next(network.parameters()).device
        self.rng = np.random.default_rng([task.config.seed, 13])
        planning = Planning(
            config.simulations,
            config.considered,
            config.value_scale,
            least_range=config.least_range,
            reward_scale=scale,
        )
        self.env = task.make(config.n_envs * (config.simulations + 1), "disabled")
        # Rows of nodes are copied over before they are read, but a batch plays only when all of its rows have begun.
        self.env.reset(seed=[task.seed_of(0)] * self.env.num_envs)
        self.planner = Planner(self.env, PolicyEvaluator(network, str(self.device)), planning)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate.at(0.0), eps=1e-5)
        self.recent = Recent(config.capacity)
        self.timesteps = self.episodes = self.round = 0

    def iterate(self, spent: float) -> dict[str, float]:
        """Play an episode in every row and learn from what is remembered."""
        told = self._play(self.config.temperature.at(spent))
        self.round += 1
        self.episodes += self.config.n_envs
        return {**told, **self._learn(spent)}

    def _play(self, temperature: float) -> dict[str, float]:
        env, planner, count = self.env, self.planner, self.config.n_envs
        roots = np.arange(count)
        first = np.arange(env.num_envs) < count
        seeds: list[int | None] = [*self.task.round_seeds(self.round, count), *[None] * (env.num_envs - count)]
        env.reset(seed=seeds, options={"reset_mask": first})
        self.network.eval()
        planner.begin(roots)
        steps: list[tuple[Array, dict[str, Array], Array, Array, Array]] = []
        while len(live := np.flatnonzero(~env.done[:count])):
            seen = {f"{OBSERVED}{key}": part[live] for key, part in env.live_observation.items()}
            noise = temperature * self.rng.gumbel(size=(len(live), env.graph.n_actions))
            found = planner.search(live, noise)
            steps.append((live, seen, found.policy.astype(np.float32), *planner.play(live, found.actions)))
        self._check_ends()
        after, returns = np.zeros(count), [np.zeros(0, np.float32)] * len(steps)
        for at in reversed(range(len(steps))):
            live, _, _, rewards, discounts = steps[at]
            after[live] = rewards + discounts * after[live]
            returns[at] = after[live].astype(np.float32)
        if steps:
            data = {key: np.concatenate([seen[key] for _, seen, *_ in steps]) for key in steps[0][1]}
            data |= {POLICY: np.concatenate([step[2] for step in steps]), RETURNS: np.concatenate(returns)}
            self.recent.add(data)
        self.timesteps += sum(len(live) for live, *_ in steps)
        return {"searched_value": float(env.objective_values(self.task.objective)[:count].mean())}

    def _check_ends(self) -> None:
        count = self.config.n_envs
        cut = np.flatnonzero(self.env.flags.truncated[:count])
        if len(cut):
            name = self.env.instance(int(cut[0])).name
            raise InputError(f"gumbel: {name} was not played to its end; raise max_episode_steps")
        if not self.timesteps and not self.env.flags.steps[:count].any():
            raise InputError("gumbel: the instances have nothing to decide")

    def _learn(self, spent: float) -> dict[str, float]:
        """Take ``updates`` gradient steps, each on decisions drawn at random; return mean losses and agreement."""
        config, recent = self.config, self.recent
        rate = config.learning_rate.at(spent)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = np.zeros(3)
        self.network.train()
        for _ in range(config.updates):
            drawn = recent.take(self.rng.integers(recent.count, size=min(config.batch_size, recent.count)))
            tensors = {key: torch.from_numpy(one).to(self.device) for key, one in drawn.items()}
            obs = {key.removeprefix(OBSERVED): one for key, one in tensors.items() if key.startswith(OBSERVED)}
            logits, values = self.compiled(obs)
            policy_loss = nn.functional.cross_entropy(logits, tensors[POLICY])
            value_loss = nn.functional.mse_loss(values, tensors[RETURNS])
            self.optimizer.zero_grad()
            loss: Any = policy_loss + config.vf_coef * value_loss
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), config.max_grad_norm)
            self.optimizer.step()
            agreed = (logits.argmax(-1) == tensors[POLICY].argmax(-1)).float().mean()
            sums += [policy_loss.item(), value_loss.item(), agreed.item()]
        names = ("policy_loss", "value_loss", "agreement")
        return {**dict(zip(names, (sums / config.updates).tolist(), strict=True)), "learning_rate": rate}

    def state(self) -> State:
        """Return the state between two rounds, the remembered decisions included."""
        recent = self.recent
        return State(
            {**network_state(self.network), **optimizer_state(self.optimizer), **random_state()},
            {key: one[: recent.count] for key, one in recent.arrays.items()},
            {
                "timesteps": self.timesteps,
                "episodes": self.episodes,
                "round": self.round,
                "next": recent.next,
                "rng": self.rng.bit_generator.state,
            },
        )

    def set_state(self, state: State) -> None:
        """Put a state back."""
        set_network_state(self.network, state.tensors)
        set_optimizer_state(self.optimizer, state.tensors)
        set_random_state(state.tensors)
        self.timesteps, self.episodes, self.round, position = (
            int(state.numbers[name]) for name in ("timesteps", "episodes", "round", "next")
        )
        self.recent = Recent(self.config.capacity)
        if state.arrays:
            self.recent.add(dict(state.arrays))
            self.recent.next = position
        self.rng.bit_generator.state = state.numbers["rng"]
