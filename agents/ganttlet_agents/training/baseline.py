"""What advantages are measured against, if not the value head: the others that met the same world."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from ganttlet_agents.training.adapter import Played

Array = np.ndarray[Any, Any]


class Baseline(Protocol):
    """What a rollout buffer asks of a baseline."""

    def note(self, at: int, played: Played) -> None:
        """Keep what is needed of the step ``at`` of a rollout."""
        ...

    def of(self, returns: Array, values: Array, ended: Array, last: Array) -> Array:
        """Return the baseline (T, B) of a full rollout; see :meth:`GroupBaseline.of`."""
        ...


class _Piece(NamedTuple):
    """What a row played of an episode within a rollout: rising times, the returns from there on, and what follows.

    Fields:
        steps: steps of the rollout, from … to.
        times, returns: where the return is known; behind the last decision that of the rollout's last observation.
        over: whether the episode ended here, so that nothing is to come later.
    """

    steps: slice
    times: Array
    returns: Array
    over: bool

    def at(self, times: Array) -> tuple[Array, Array]:
        """Return the return from each of ``times`` on, and whether it is known, neither before nor behind the piece."""
        behind = times > self.times[-1]
        known = (times >= self.times[0]) & (self.over | ~behind)
        return np.where(behind, 0.0, np.interp(times, self.times, self.returns)), known


class GroupBaseline:
    """The mean of what the other rows of a group still got at the same time of the same episode.

    All rows of a group meet the same arrivals and the same noise, and what those bring is no merit of a decision. The
    returns of another row are taken at the decision's time, piecewise linear between that row's decisions; of several
    decisions at one time the last counts. A row says nothing of times that it has not played within the rollout, but
    behind the end of its episode its return is 0. Where no other row says anything the value head's value stands.

    Source: Mao et al. 2019, Variance Reduction for Reinforcement Learning in Input-Driven Environments; time-aligned as
    in Decima (Mao et al. 2019). There a row is part of its own mean; here it is not.

    Args:
        n_steps, n_envs: shape (T, B) of a rollout.
        group: rows of a group.

    Attributes:
        share: share of the last rollout's decisions of which another row of the group said something.
    """

    def __init__(self, n_steps: int, n_envs: int, group: int, surprise: bool = False) -> None:
        self.group, self.surprise = group, surprise
        self.share = 0.0
        self._began, self._took = np.zeros((n_steps, n_envs)), np.zeros((n_steps, n_envs))
        self._episode = np.zeros((n_steps, n_envs), np.int64)
        self._terminated = np.zeros((n_steps, n_envs), np.bool_)

    def note(self, at: int, played: Played) -> None:
        """Keep the times and the episode of the decisions of the step ``at``."""
        self._began[at], self._took[at] = played.began, played.took
        self._episode[at], self._terminated[at] = played.episode, played.terminated

    def of(self, returns: Array, values: Array, ended: Array, last: Array) -> Array:
        """Return the baseline (T, B) float32 of every decision.

        Args:
            returns: (T, B), what follows a decision, discounted to it.
            values: (T, B), the value head's.
            ended: (T, B) bool, whether the episode ended with the step.
            last: (B,), the value head's values of the observations after the last step.
        """
        if not self.surprise:
            return self._mean(returns, values, ended, last)
        return values + self._mean(returns - values, np.zeros_like(values), ended, np.zeros_like(last))

    def _mean(self, returns: Array, values: Array, ended: Array, last: Array) -> Array:
        """Return the mean of the others' ``returns``; ``values`` where they say nothing."""
        out = values.astype(np.float32)
        told = 0
        rows = [self._pieces(row, returns[:, row], ended[:, row], float(last[row])) for row in range(values.shape[1])]
        for row, pieces in enumerate(rows):
            first = row - row % self.group
            for episode, piece in pieces:
                times = self._began[piece.steps, row]
                total, count = np.zeros(len(times)), np.zeros(len(times), np.int64)
                for other in range(first, first + self.group):
                    for number, theirs in rows[other]:
                        if other != row and number == episode:
                            found, known = theirs.at(times)
                            total += np.where(known, found, 0.0)
                            count += known
                some = count > 0
                out[piece.steps, row][some] = total[some] / count[some]
                told += int(some.sum())
        self.share = told / values.size
        return out

    def _pieces(self, row: int, returns: Array, ended: Array, last: float) -> list[tuple[int, _Piece]]:
        """Return (episode, piece) of all that a row played, in order."""
        found, total = [], len(returns)
        stops = [*(np.flatnonzero(ended) + 1).tolist(), *([] if ended[-1] else [total])]
        for start, stop in zip([0, *stops], stops, strict=False):
            steps, final = slice(start, stop), stop - 1
            over, goes_on = bool(self._terminated[final, row]), not ended[final]
            times, values = self._began[steps, row], returns[steps]
            if over or goes_on:
                times = np.append(times, self._began[final, row] + self._took[final, row])
                values = np.append(values, 0.0 if over else last)
            found.append((int(self._episode[final, row]), _Piece(steps, times, values, over)))
        return found
