"""A slow twin of the Gumbel search: recursive, in dictionaries, one snapshot per node, one environment row.

Written from the paper (Danihelka et al., ICLR 2022) and the docstrings, in plain Python floats; it shares no code with
the package. Float sums are in the same order where results could differ by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Node:
    """A state: its snapshot, what the network says of it, and its children by action."""

    def __init__(self, snapshot: Any, legal: dict[int, float], value: float, over: bool) -> None:
        self.snapshot, self.logits, self.value, self.over = snapshot, legal, value, over
        self.children: dict[int, tuple[float, float, Node]] = {}
        self.found: list[float] = []

    def mean(self) -> float:
        total = 0.0
        for value in self.found:
            total += value
        return total / len(self.found)


class SlowGumbel:
    """Searches from the present state of a batch of one row.

    Args:
        env: the batch, ``num_envs=1``, autoreset disabled.
        evaluate: observation -> (logits (1, A), values (1,)).
        simulations, considered, scale, offset, least, reward_scale: as in the package.
    """

    def __init__(
        self,
        env: Any,
        evaluate: Callable[[Any], Any],
        simulations: int,
        considered: int,
        scale: float,
        offset: float = 50.0,
        least: float = 0.0,
        reward_scale: float = 1.0,
    ) -> None:
        self.env, self.evaluate = env, evaluate
        self.simulations, self.considered = simulations, considered
        self.scale, self.offset, self.least, self.reward_scale = scale, offset, least, reward_scale
        self.steps = 0

    def node(self) -> Node:
        env = self.env
        if env.done[0]:
            return Node(env.snapshot(), {}, 0.0, True)
        logits, values = self.evaluate({key: part.copy() for key, part in env.live_observation.items()})
        legal = {a: float(logits[0][a]) for a, on in enumerate(env.live_mask[0]) if on}
        return Node(env.snapshot(), legal, float(values[0]), False)

    def step(self, action: int) -> tuple[float, float]:
        """Play an action and what is forced then."""
        env = self.env
        reward, discount = self.once(action)
        while not env.done[0] and sum(env.live_mask[0]) == 1:
            more, further = self.once(next(a for a, on in enumerate(env.live_mask[0]) if on))
            reward, discount = reward + discount * more, discount * further
        return reward, discount

    def once(self, action: int) -> tuple[float, float]:
        self.env.step([action])
        self.steps += 1
        return self.reward_scale * float(self.env.flags.reward[0]), float(self.env.flags.discount[0])

    def edges(self, node: Node, gain: float = 0.0, weight: float = 1.0) -> list[float]:
        """Return the prospects of all edges below ``node``: what the root gets by way of them."""
        found = []
        for reward, discount, child in node.children.values():
            there, then = gain + weight * reward, weight * discount
            found.append(there + then * child.mean())
            found += self.edges(child, there, then)
        return found

    def completed(self, node: Node, gain: float, weight: float, low: float, high: float) -> dict[int, float]:
        """Return logits + sigma(completed Q) of the legal actions."""
        q = {a: reward + discount * child.mean() for a, (reward, discount, child) in node.children.items()}
        counts = {a: len(child.found) for a, (_, _, child) in node.children.items()}
        other = node.value
        if q:
            top = max(node.logits.values())
            share = {a: math.exp(node.logits[a] - top) for a in sorted(q)}
            mass = mixed = 0.0
            for a in sorted(q):
                mass += share[a]
                mixed += share[a] * q[a]
            seen = sum(counts.values())
            if mass > 0.0:
                other = (other + seen * (mixed / mass)) / (1 + seen)
        span = max(high - low, self.least)
        if span <= 0.0:
            return dict(node.logits)
        most = max(counts.values(), default=0)
        return {
            a: logit + (self.offset + most) * self.scale * ((gain + weight * q.get(a, other) - low) / span)
            for a, logit in node.logits.items()
        }

    @staticmethod
    def softmax(scores: dict[int, float]) -> dict[int, float]:
        top = max(scores.values())
        shares = {a: math.exp(score - top) for a, score in scores.items()}
        mass = 0.0
        for a in sorted(shares):
            mass += shares[a]
        return {a: share / mass for a, share in shares.items()}

    def simulate(self, node: Node, action: int, gain: float, weight: float, low: float, high: float) -> float:
        """Return the value found by playing ``action`` in ``node``, noted in every node on the way."""
        if action not in node.children:
            self.env.restore(node.snapshot)
            reward, discount = self.step(action)
            child = self.node()
            node.children[action] = (reward, discount, child)
            child.found.append(child.value)
            value = reward + discount * child.value
        else:
            reward, discount, child = node.children[action]
            if child.over:
                child.found.append(0.0)
                value = reward
            else:
                there, then = gain + weight * reward, weight * discount
                policy = self.softmax(self.completed(child, there, then, low, high))
                counts = {a: len(one[2].found) for a, one in child.children.items()}
                seen = sum(counts.values())
                lead = {a: policy[a] - counts.get(a, 0) / (1.0 + seen) for a in sorted(policy)}
                chosen = max(lead, key=lambda a: (lead[a], -a))
                value = reward + discount * self.simulate(child, chosen, there, then, low, high)
        node.found.append(value)
        return value

    def search(self, noise: list[float]) -> tuple[int, dict[int, int], dict[int, float]]:
        """Return the action, the visits of the root's actions and its improved policy; the row is left as it was."""
        root = self.node()
        root.found.append(root.value)
        order = sorted(root.logits, key=lambda a: (-(noise[a] + root.logits[a]), a))
        standing = order[: min(self.considered, self.simulations)]
        left, phases = self.simulations, max(1, math.ceil(math.log2(len(standing))))
        keep = len(standing)

        def scores() -> dict[int, float]:
            edges = self.edges(root)
            low, high = (min(edges), max(edges)) if edges else (0.0, 0.0)
            return self.completed(root, 0.0, 1.0, low, high)

        def ranked() -> list[int]:
            now = scores()
            return sorted(standing, key=lambda a: (-(noise[a] + now[a]), standing.index(a)))

        while left:
            for _ in range(max(1, self.simulations // (phases * keep))):
                if min(keep, left) < len(standing):
                    best = ranked()
                    standing = best[:keep]
                    tried = best[: min(keep, left)]
                else:
                    tried = standing
                edges = self.edges(root)
                low, high = (min(edges), max(edges)) if edges else (0.0, 0.0)
                for action in tried:
                    self.simulate(root, action, 0.0, 1.0, low, high)
                left -= len(tried)
                if not left:
                    break
            keep = min(len(order), self.considered, self.simulations, max(2, keep // 2))
        action = ranked()[0]
        visits = {a: len(child.found) for a, (_, _, child) in root.children.items()}
        policy = self.softmax(scores())
        self.env.restore(root.snapshot)
        return action, visits, policy
