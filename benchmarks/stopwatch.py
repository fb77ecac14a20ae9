"""A clock that runs for one part at a time, and the pieces of PPOLearner that ``training.py profile`` puts it on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import stable_baselines3.common.on_policy_algorithm as sb3
import torch

import ganttlet_agents.policy.network as network_module
from ganttlet_agents.training.ppo import PPOLearner

REST = "SB3: loss, bookkeeping"
ENVIRONMENT, ADAPTER = "environment stepping", "adapter and copies"
ADD, ADVANTAGES, MINIBATCHES = "buffer: add", "buffer: advantages", "buffer: minibatches"
DRAWING = "drawing actions, log-probabilities, entropies"
FORWARD = ("rollout: network forward", "update: network forward")
BATCHING = ("rollout: cutting and joining the batch", "update: cutting and joining the batch")
BACKWARD, OPTIMISER = "update: backward", "update: optimiser, gradient norm"
NETWORK = (*FORWARD, *BATCHING, BACKWARD, OPTIMISER)
OTHER = (ENVIRONMENT, ADAPTER, ADD, ADVANTAGES, MINIBATCHES, DRAWING, REST)

Label = str | tuple[str, str]


class Stopwatch:
    """Adds up seconds by part; a part's time stops while one within it runs, so no second counts twice.

    Attributes:
        spent: part -> seconds.
    """

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._within: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, label: Label) -> Iterator[None]:
        """Let the clock run for ``label``; of a pair, the first in rollouts (no gradients), the second in updates."""
        name = label if isinstance(label, str) else label[torch.is_grad_enabled()]
        self._turn()
        self._within.append(name)
        try:
            yield
        finally:
            self._turn()
            self._within.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._within:
            self.spent[self._within[-1]] = self.spent.get(self._within[-1], 0.0) + now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], label: Label) -> Callable[..., Any]:
        """Return ``function`` with its calls counted for ``label``."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.part(label):
                return function(*args, **kwargs)

        return call

    def timed_items(self, function: Callable[..., Any], label: Label) -> Callable[..., Any]:
        """Return a generator function with the making of its items counted for ``label``."""

        def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = function(*args, **kwargs)
            while True:
                with self.part(label):
                    item = next(items, None)
                if item is None:
                    return
                yield item

        return call


@contextmanager
def on_learner(watch: Stopwatch, learner: PPOLearner) -> Iterator[None]:
    """Put the clock on the pieces of a learner, and take it off again."""
    model, policy, buffer = learner.model, learner.model.policy, learner.model.rollout_buffer
    pieces: list[tuple[Any, str, Label]] = [
        (learner.network, "forward", FORWARD),
        *((network_module, name, BATCHING) for name in ("prepare", "candidates", "scatter_logits")),
        *((policy, name, DRAWING) for name in ("forward", "predict_values", "evaluate_actions")),
        (torch.Tensor, "backward", BACKWARD),
        *((policy.optimizer, name, OPTIMISER) for name in ("zero_grad", "step")),
        (torch.nn.utils, "clip_grad_norm_", OPTIMISER),
        (learner.env, "step", ENVIRONMENT),
        *((model.env, name, ADAPTER) for name in ("step_async", "step_wait")),
        (sb3, "obs_as_tensor", ADAPTER),
        *((buffer, name, ADD) for name in ("reset", "add")),
        (buffer, "compute_returns_and_advantage", ADVANTAGES),
    ]
    with ExitStack() as stack:
        for owner, name, label in pieces:
            stack.enter_context(mock.patch.object(owner, name, watch.timed(getattr(owner, name), label)))
        stack.enter_context(mock.patch.object(buffer, "get", watch.timed_items(buffer.get, MINIBATCHES)))
        yield
