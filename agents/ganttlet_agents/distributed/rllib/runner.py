"""What plays on a worker: RLlib's runner, whose rows move together as a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.env.utils.infinite_lookback_buffer import InfiniteLookbackBuffer

from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.training.draws import sample_actions

Array = np.ndarray[Any, Any]
DISCOUNT = "discount"
"""Key of what a step's successor is discounted by, among an episode's model outputs."""
FINISHED = "finished"
"""Key of the (return, length) of a whole episode in the custom data of its last piece."""


class _Turn(NamedTuple):
    """A step of all rows, (B,) each, and the observation before it.

    Fields:
        idle: rows that took no decision but began their next episode, as NEXT_STEP has it.
        returned, length: of the episodes so far.
    """

    obs: dict[str, Array]
    idle: Array
    action: Array
    logp: Array
    reward: Array
    discount: Array
    terminated: Array
    truncated: Array
    returned: Array
    length: Array


class GraphRunner(SingleAgentEnvRunner):  # type: ignore[misc]
    """Samples like RLlib's own runner, but makes episodes of whole arrays behind the play, not of rows at every step.

    RLlib makes the batch (NEXT_STEP, made with ``copy=False``) and the module, hands weights out and restarts runners.
    Rows have the seeds of the run's rows; a runner that begins later than the run, because the run was resumed or the
    runner lost, draws its seeds from these and the number of decisions played by then, so that it meets new instances.
    """

    _returned: Array
    _length: Array

    def sample(self, **asked: Any) -> list[SingleAgentEpisode]:
        """Play at least ``rollout_fragment_length`` decisions per row; return the pieces of episodes that were played.

        An idle row's step is no decision and is in no piece.
        """
        assert not asked, "PPO asks for nothing"
        batch = self.env.unwrapped
        if self._needs_initial_reset:
            self._begin(batch)
        wanted = self.config.get_rollout_fragment_length(self.worker_index) * self.num_envs
        turns, played = [], 0
        while played < wanted:
            turns.append(self._turn(batch))
            played += int(np.count_nonzero(~turns[-1].idle))
        episodes = list(_pieces(turns, batch.live_observation))
        self._increase_sampled_metrics(played, sum(one.is_done for one in episodes))
        return episodes

    def _begin(self, batch: BatchEnv) -> None:
        first = self.config.seed + max((self.worker_index or 0) - 1, 0) * self.num_envs
        seeds = [first + row for row in range(self.num_envs)]
        late = int(self.num_env_steps_sampled_lifetime)
        if late:
            seeds = [int(np.random.SeedSequence([seed, late]).generate_state(1, np.uint64)[0] >> 1) for seed in seeds]
        batch.reset(seed=seeds)
        torch.manual_seed(int(np.random.SeedSequence([first, late]).generate_state(1)[0]))
        self._returned, self._length = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self._needs_initial_reset = False

    def _turn(self, batch: BatchEnv) -> _Turn:
        obs = {key: part.copy() for key, part in batch.live_observation.items()}
        idle = batch.done.copy()
        on_device = {key: torch.from_numpy(part).to(self._device) for key, part in obs.items()}
        logits = self.module.forward_exploration({Columns.OBS: on_device})[Columns.ACTION_DIST_INPUTS]
        log = logits.log_softmax(-1)
        actions = sample_actions(log)
        logp = log.gather(1, actions.unsqueeze(1)).squeeze(1).cpu().numpy()
        action = actions.cpu().numpy()
        batch.step_in_place(action)
        flags = batch.flags
        self._returned = np.where(idle, 0.0, self._returned + flags.reward)
        self._length = np.where(idle, 0, self._length + 1)
        told = (flags.reward, flags.discount, flags.terminated, flags.truncated, self._returned, self._length)
        return _Turn(obs, idle, action, logp, *(part.copy() for part in told))


def _pieces(turns: list[_Turn], after: dict[str, Array]) -> Iterator[SingleAgentEpisode]:
    """Yield what each row played of each episode; ``after`` is the observation behind the last turn."""
    obs = {key: np.stack([*(turn.obs[key] for turn in turns), part]) for key, part in after.items()}
    idle, action, logp, reward, discount, terminated, truncated, returned, length = (
        np.stack([getattr(turn, name) for turn in turns]) for name in _Turn._fields[1:]
    )
    for row in range(idle.shape[1]):
        stops = [*np.flatnonzero(idle[:, row]).tolist(), len(turns)]
        for start, stop in zip([0, *(stop + 1 for stop in stops)], stops, strict=False):
            if start == stop:
                continue
            steps, last = (slice(start, stop), row), (stop - 1, row)
            episode = SingleAgentEpisode(
                observations=InfiniteLookbackBuffer({key: part[start : stop + 1, row] for key, part in obs.items()}),
                actions=InfiniteLookbackBuffer(action[steps]),
                rewards=InfiniteLookbackBuffer(reward[steps]),
                infos=[{}] * (stop + 1 - start),
                terminated=bool(terminated[last]),
                truncated=bool(truncated[last] and not terminated[last]),
                extra_model_outputs={
                    Columns.ACTION_LOGP: InfiniteLookbackBuffer(logp[steps]),
                    DISCOUNT: InfiniteLookbackBuffer(discount[steps]),
                },
                len_lookback_buffer=0,
            )
            if episode.is_done:
                episode.custom_data[FINISHED] = (float(returned[last]), int(length[last]))
            yield episode
