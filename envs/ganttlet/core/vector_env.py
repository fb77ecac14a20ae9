"""The batched environment: all Gymnasium plumbing, written once for every family."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from ganttlet.core.batch import Flags, Snapshot, make_flags
from ganttlet.core.errors import IllegalActionError, InputError, check_choice
from ganttlet.core.family import get_family
from ganttlet.core.graph import GraphSpec
from ganttlet.core.options import (
    as_actions,
    as_future_keys,
    as_options,
    as_reset_mask,
    as_rows,
    as_seeds,
    as_sequence,
    common_options,
)
from ganttlet.core.pool import MAX_NUMBER, InstancePool
from ganttlet.core.record import Instance, Solution

Ints = NDArray[np.int64]
Obs = dict[str, np.ndarray[Any, Any]]


class BatchEnv(VectorEnv[Obs, Any, Any]):
    """A native batch of one family's environments.

    A family's subclass builds a GraphSpec, a storage and a state (a NamedTuple of arrays, batch axis first), calls
    ``super().__init__`` and supplies the hooks ``_load``, ``_advance``, ``_observe``, ``_make_solution``, ``_draw``
    (and ``_write_static`` if its GraphSpec has static blocks).

    Args:
        num_envs: number of rows.
        graph: what is observed and which actions exist.
        pool: the instances.
        state: the family's NamedTuple of arrays.
        objectives: names of the objectives shown, the first rows of ``self._objectives`` (objective_rows, B), which
            the kernel writes.
        objective: name of the one of them that the reward serves; the first if None.
        longest_episode: most legal steps an episode can take in the padded space.
        solution_fields: names of the state arrays that make up a solution.
        options: the common options of COMMON_OPTIONS; unknown names raise InputError.

    Attributes:
        graph, objective_names, objective: as given.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012
    family: ClassVar[str] = ""

    def __init__(
        self,
        num_envs: int,
        *,
        graph: GraphSpec,
        pool: InstancePool,
        state: Any,
        objectives: Sequence[str],
        objective_rows: int,
        longest_episode: int,
        solution_fields: Sequence[str],
        options: Mapping[str, Any],
        objective: str | None = None,
    ) -> None:
        chosen = common_options(type(self).__name__, options)
        self._mode = chosen["autoreset_mode"]
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        self.render_mode = chosen["render_mode"]
        if self.render_mode is not None:
            check_choice("render_mode", self.render_mode, self.metadata["render_modes"])
        self.copy: bool = chosen["copy"]
        self.strict: bool = chosen["strict"]
        self.illegal_penalty: float = chosen["illegal_penalty"]
        self.max_episode_steps: int = chosen["max_episode_steps"] or 4 * longest_episode

        self.num_envs = num_envs
        self.graph = graph
        self.objective_names = tuple(objectives)
        self.objective: str = self.objective_names[0] if objective is None else objective
        check_choice("objective", self.objective, self.objective_names)
        self._pool = pool
        self._state = state
        self._define_spaces(chosen["static"])

        self._rows: Ints = np.arange(num_envs)
        self._flags = make_flags(num_envs)
        self._flags.discount.fill(chosen["gamma"])
        self._objectives = np.zeros((objective_rows, num_envs))
        self._actions = np.zeros(num_envs, np.int64)
        self._seed = np.zeros(num_envs, np.uint64)
        self._episode = np.full(num_envs, -1, np.int64)
        self._slot = np.zeros(num_envs, np.int64)
        self._last = {name: np.zeros_like(getattr(state, name)) for name in solution_fields}
        self._last_slot = np.full(num_envs, -1, np.int64)
        self._n_done = 0
        self._all_active, self._ready = True, False
        self._everyone = np.ones(num_envs, np.bool_)
        self._facts: dict[str, tuple[str, int]] = {}  # what else infos show: the state array, its column

    @cached_property
    def _kind(self) -> str:
        """A digest of what a snapshot must share with the batch it is put into: layout and fixed instances."""
        shapes = [part.shape[1:] for part in (*self._state, *self._obs.values())]
        text = repr((type(self).__name__, self.objective_names, shapes, self._pool.fixed_digests()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _define_spaces(self, static: str) -> None:
        has_static = any(block.static for block in self.graph.blocks())
        if static == "index" and not has_static:
            raise InputError("static='index': this observation has no static blocks; use static='observe'")
        self._shows_static = has_static and static == "observe"
        self._obs: Obs = self.graph.allocate(self.num_envs, static=None if static == "observe" else False)
        self._mask = self._obs["action_mask"]
        single = self.graph.observation_space(static=static == "observe")
        if static == "index":
            single["instance_id"] = spaces.Box(0, MAX_NUMBER, (1,), np.int64)
            self._obs["instance_id"] = np.zeros((self.num_envs, 1), np.int64)
        self.single_observation_space = single
        self.single_action_space = self.graph.action_space()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    # What a family supplies.

    @abstractmethod
    def _load(self, rows: Ints) -> None:
        """Start an episode in ``rows`` from their slots (``self._slot``): state, objectives, whole observation."""

    @abstractmethod
    def _advance(self, actions: Ints) -> int:
        """Play ``actions`` in the active rows: reward, terminated, illegal, objectives and observation.

        The kernel ends with ``ganttlet.core.batch.settle`` and ``self.max_episode_steps``, and its count is returned.
        """

    @abstractmethod
    def _observe(self, rows: Ints) -> None:
        """Write the whole observation of ``rows``, a pure function of their state."""

    @abstractmethod
    def _make_solution(self, instance: Any, parts: Mapping[str, np.ndarray[Any, Any]]) -> Solution:
        """Return a Solution with memory of its own from one row of the state arrays of ``solution_fields``."""

    @abstractmethod
    def _draw(self, instance: Any, solution: Any, mode: str) -> Any:
        """Return an RGB array (H, W, 3) uint8 or a string, by ``mode``."""

    def _write_static(self, rows: Ints, slots: Ints, arrays: Obs) -> None:
        """Write the static blocks of ``slots`` into ``rows`` of ``arrays``; only where a GraphSpec has any."""

    def _resample(self, rows: Ints, keys: NDArray[np.uint64]) -> None:
        """Draw what ``rows`` have not shown from ``keys`` (n,); only families whose instances have hidden draws."""

    # Gymnasium's contract.

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Start new episodes, in all rows or in those of ``options["reset_mask"]`` (num_envs,) bool.

        Args:
            seed: row i gets ``seed + i`` (a sequence names each row's own) and starts at episode 0; None goes on
                to each row's next episode.
            options: ``reset_mask``, and ``instance``: an instance, name, path or mapping for every reset row, or a
                list of one per reset row. Other keys raise InputError.
        """
        chosen = as_options(options, ("instance", "reset_mask"))
        mask = as_reset_mask(chosen.get("reset_mask"), self.num_envs)
        rows = self._rows if mask is None else np.flatnonzero(mask)
        seeds = as_seeds(seed, self.num_envs)
        instances = None
        if chosen.get("instance") is not None:
            instances = self._resolve(as_sequence(chosen["instance"], len(rows)))
        if isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
        for row in rows:
            one = seeds[row]
            if one is not None:
                self._seed[row], self._episode[row] = one, -1
            elif self._episode[row] < 0:
                self._seed[row] = np.random.SeedSequence().generate_state(1, np.uint64)[0]
        self._begin(rows, instances)
        self._flags.terminated[rows] = False
        self._flags.truncated[rows] = False
        info = self._info(self._present()) if mask is None else self._partial_info(mask)
        return self._returned_obs(), info

    def step(
        self, actions: Any
    ) -> tuple[Obs, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one action in every row.

        NEXT_STEP: a row that was done ignores its action, starts its next episode and gets reward 0. SAME_STEP: a
        row that gets done starts its next episode at once; the last observation and info are ``info["final_obs"]``
        and ``info["final_info"]``. DISABLED: a done row is frozen until it is reset.
        """
        self._actions[:] = as_actions(actions, self.num_envs)
        final = self.step_in_place(self._actions)
        info = self._info(self._present())
        if final is not None:
            info.update(final)
        flags = self._flags
        results = flags.reward, flags.terminated, flags.truncated
        if self.copy:
            results = flags.reward.copy(), flags.terminated.copy(), flags.truncated.copy()
        return self._returned_obs(), *results, info

    def step_in_place(self, actions: Ints) -> dict[str, Any] | None:
        """Advance the live buffers by ``actions`` (num_envs,) int64; returns the final infos of SAME_STEP, if any."""
        flags = self._flags
        if not self._ready:
            raise ResetNeeded("step: some rows have not begun an episode; call reset first")
        if self._n_done:
            np.logical_not(flags.done, out=flags.active)
            self._all_active = False
        elif not self._all_active:
            flags.active.fill(True)
            self._all_active = True
        if self.strict:
            self._refuse_illegal(actions)
        if self._n_done and self._mode is AutoresetMode.NEXT_STEP:
            rows = np.flatnonzero(flags.done)
            self._begin(rows)
            flags.terminated[rows] = False
            flags.truncated[rows] = False
        self._n_done = self._advance(actions)
        if not self._n_done or self._mode is not AutoresetMode.SAME_STEP:
            return None
        final = self._final()
        self._begin(np.flatnonzero(flags.done))
        self._n_done = 0
        return final

    def step_rows(self, rows: Any, actions: Any) -> None:
        """Play ``actions`` in ``rows`` (arrays of the same length) and leave all others as they are, for tree search.

        What came of it is in ``flags``, where every other row has reward 0, and in ``live_observation``. A row that is
        done is frozen. Raises InputError where rows start their next episode by themselves, and for bad rows.
        """
        if self._mode is not AutoresetMode.DISABLED:
            raise InputError(f"step_rows: needs autoreset_mode 'disabled', got {self._mode.name.lower()!r}")
        if not self._ready:
            raise ResetNeeded("step_rows: some rows have not begun an episode; call reset first")
        at = as_rows("step_rows", rows, self.num_envs, distinct=True)
        self._actions[at] = as_actions(actions, len(at))
        self._flags.active.fill(False)
        self._flags.active[at] = ~self._flags.done[at]
        self._all_active = False
        if self.strict:
            self._refuse_illegal(self._actions)
        self._n_done = self._advance(self._actions)

    def action_masks(self) -> NDArray[np.int8]:
        """Return the action masks (num_envs, n) int8, as sb3-contrib asks for them."""
        return self._mask.copy()

    def render(self) -> tuple[Any, ...] | None:
        """Return one picture per row, or None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(self.picture(row, self.render_mode) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing is held open."""

    # Beyond Gymnasium: instances, solutions, search.

    @property
    def done(self) -> NDArray[np.bool_]:
        """(num_envs,) bool, rows whose episode is over and not yet reset; a live buffer."""
        return self._flags.done

    @property
    def live_observation(self) -> Obs:
        """The observation (num_envs, ...) that every step writes anew; to be read, not written."""
        return self._obs

    @property
    def live_mask(self) -> NDArray[np.int8]:
        """``live_observation["action_mask"]``, (num_envs, n) int8."""
        return self._mask

    @property
    def flags(self) -> Flags:
        """Reward, ends and other per-row results of the last step; live buffers, to be read, not written."""
        return self._flags

    def objective_values(self, name: str) -> NDArray[np.float64]:
        """Return the values (num_envs,) of one objective, as in ``info["objectives"]``."""
        check_choice("objective", name, self.objective_names)
        values: NDArray[np.float64] = self._objectives[self.objective_names.index(name)].copy()
        return values

    def instance(self, row: int) -> Instance:
        """Return the instance that ``row`` plays; raises ResetNeeded before the first reset."""
        if self._episode[row] < 0:
            raise ResetNeeded(f"row {row} has not begun an episode; call reset first")
        return self._pool.instance(int(self._slot[row]))

    def solution(self, row: int) -> Solution:
        """Return the solution of ``row`` so far; complete once the row is terminated."""
        parts = {name: getattr(self._state, name)[row] for name in self._last}
        return self._make_solution(self.instance(row), parts)

    def last_solution(self, row: int) -> Solution:
        """Return the finished solution that the latest reset of ``row`` replaced; InputError if there is none."""
        return self._make_solution(self.last_instance(row), {name: part[row] for name, part in self._last.items()})

    def last_instance(self, row: int) -> Instance:
        """Return the instance of :meth:`last_solution`."""
        if self._last_slot[row] < 0:
            raise InputError(f"last_solution({row}): this row has not finished an episode before its present one")
        return self._pool.instance(int(self._last_slot[row]))

    def picture(self, row: int, mode: str) -> Any:
        """Return a picture of the solution of ``row`` so far, "rgb_array" or "ansi"."""
        return self._draw(self.instance(row), self.solution(row), mode)

    def static(self, ids: Any) -> Obs:
        """Return the static blocks of the instances numbered ``ids`` (as in ``obs["instance_id"]``)."""
        arrays = self.graph.allocate(np.size(ids), static=True)
        if not arrays:
            raise InputError("static(ids): this observation has no static blocks")
        slots = self._pool.slots_of(np.asarray(ids, np.int64).reshape(-1))
        self._write_static(np.arange(len(slots)), slots, arrays)
        return arrays

    def snapshot(self, rows: Any = None) -> Snapshot:
        """Return a copy of ``rows`` (all if None) that :meth:`restore` can bring back."""
        at = self._rows if rows is None else as_rows("snapshot", rows, self.num_envs)
        return Snapshot(
            kind=self._kind,
            state=tuple(part[at] for part in self._state),
            flags=tuple(part[at] for part in self._flags),
            book=(self._objectives[:, at], self._seed[at], self._episode[at]),
            slots=self._pool.snapshot(self._slot[at]),
        )

    def restore(self, snapshot: Snapshot, rows: Any = None, *, resample_future: ArrayLike | None = None) -> None:
        """Put a snapshot back, into the first rows or into ``rows`` (as many as the snapshot holds).

        It may come from another batch made with the same options, whatever its number of rows.
        ``resample_future``: a seed, which each position uses differently, or a seed for each row. What a row has not
        shown is drawn anew from it, as the family documents; the observation stays equal. Rows that are equal, seeds
        included, have equal futures. Raises InputError if the family's instances hide nothing.
        """
        if snapshot.kind != self._kind:
            raise InputError("restore: the snapshot comes from another kind of environment, or other fixed instances")
        count = len(snapshot.book[1])
        at = self._rows[:count] if rows is None else as_rows("restore", rows, self.num_envs, distinct=True)
        if len(at) != count:
            raise InputError(f"restore: the snapshot holds {count} rows, got {len(at)} rows to put them in")
        keys = None if resample_future is None else as_future_keys(resample_future, count)
        if keys is not None and type(self)._resample is BatchEnv._resample:
            raise InputError(f"restore: resample_future: instances of family {self.family!r} hide no future")
        for part, saved in zip(self._state, snapshot.state, strict=True):
            part[at] = saved
        for part, saved in zip(self._flags, snapshot.flags, strict=True):
            part[at] = saved
        self._objectives[:, at], self._seed[at], self._episode[at] = snapshot.book
        self._settle_rows(at, self._pool.restore(at, snapshot.slots))
        if keys is not None:
            self._resample(at, keys)
        self._observe(at)
        self._show_static(at)

    def copy_rows(self, source: Any, target: Any) -> None:
        """Make rows ``target`` equal to rows ``source`` (arrays of the same length), observation included."""
        src = as_rows("copy_rows", source, self.num_envs)
        dst = as_rows("copy_rows", target, self.num_envs, distinct=True)
        if src.shape != dst.shape:
            raise InputError(f"copy_rows: {len(src)} sources but {len(dst)} targets")
        slots = self._pool.copy(src, dst, self._slot[src])
        for part in (*self._state, *self._flags, self._seed, self._episode, *self._obs.values()):
            part[dst] = part[src]
        self._objectives[:, dst] = self._objectives[:, src]
        self._settle_rows(dst, slots)

    # Inner workings.

    def _resolve(self, specs: Sequence[Any]) -> list[Instance]:
        resolve = get_family(self.family).resolve
        known: dict[int, Instance] = {}
        for spec in specs:
            if id(spec) not in known:
                known[id(spec)] = resolve(spec)
        for instance in known.values():
            self._pool.storage.check(instance)
        return [known[id(spec)] for spec in specs]

    def _begin(self, rows: Ints, instances: Sequence[Instance] | None = None) -> None:
        flags = self._flags
        ended = rows[flags.done[rows]]
        self._last_slot[rows] = -1
        if len(ended):
            for name, part in self._last.items():
                part[ended] = getattr(self._state, name)[ended]
            self._last_slot[ended] = self._slot[ended]
        self._episode[rows] += 1
        if instances is None:
            slots = self._pool.assign(rows, self._seed[rows], self._episode[rows])
        else:
            slots = self._pool.give(rows, instances)
        flags.done[rows] = False
        flags.illegal[rows] = False
        flags.steps[rows] = 0
        self._settle_rows(rows, slots)
        self._load(rows)
        self._show_static(rows)

    def _settle_rows(self, rows: Ints, slots: Ints) -> None:
        """Note the slots of ``rows``, forgetting a last solution whose private slot is taken."""
        self._slot[rows] = slots
        self._last_slot[rows[(self._last_slot[rows] == slots) & (slots >= self._pool.shared)]] = -1
        self._n_done = int(self._flags.done.sum())
        self._all_active = False
        self._ready = self._ready or bool((self._episode >= 0).all())

    def _show_static(self, rows: Ints) -> None:
        if self._shows_static:
            self._write_static(rows, self._slot[rows], self._obs)
        elif "instance_id" in self._obs:
            self._obs["instance_id"][rows, 0] = self._pool.number[self._slot[rows]]

    def _refuse_illegal(self, actions: Ints) -> None:
        for row in np.flatnonzero(self._flags.active):
            action = int(actions[row])
            legal = np.flatnonzero(self._mask[row])
            if action not in legal:
                raise IllegalActionError(f"row {row}: action {action} is illegal; legal actions: {legal.tolist()}")

    def _present(self) -> NDArray[np.bool_]:
        return self._everyone.copy() if self.copy else self._everyone

    def _returned_obs(self) -> Obs:
        return {key: part.copy() for key, part in self._obs.items()} if self.copy else self._obs

    def _info(self, present: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the infos of all rows with Gymnasium's ``_key`` presence masks."""
        flags = self._flags
        mask, illegal, discount, values = self._mask, flags.illegal, flags.discount, self._objectives
        if self.copy:
            mask, illegal, discount, values = mask.copy(), illegal.copy(), discount.copy(), values.copy()
        objectives: dict[str, Any] = {}
        for name, value in zip(self.objective_names, values, strict=False):
            objectives[name] = value
            objectives[f"_{name}"] = present
        shown = {"action_mask": mask, "illegal_action": illegal, "discount": discount, "objectives": objectives}
        shown |= {name: self.fact(name).copy() if self.copy else self.fact(name) for name in self._facts}
        return shown | {f"_{name}": present for name in shown}

    def fact(self, name: str) -> Ints:
        """Return what ``info[name]`` shows (B,) beyond what all families show, a view of the state."""
        part, column = self._facts[name]
        values: Ints = getattr(self._state, part)[:, column]
        return values

    def _partial_info(self, present: NDArray[np.bool_]) -> dict[str, Any]:
        """Return fresh infos of the rows in ``present``, zero elsewhere."""

        def blank(node: Any) -> Any:
            if isinstance(node, dict):
                return {key: blank(value) for key, value in node.items()}
            part = node.copy()
            part[~present] = 0
            return part

        info: dict[str, Any] = blank(self._info(present))
        return info

    def _final(self) -> dict[str, Any]:
        """Return final_obs and final_info of the rows that are done, as Gymnasium's SAME_STEP defines them."""
        done = self._flags.done.copy()
        observations = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(done):
            observations[row] = {key: part[row].copy() for key, part in self._obs.items()}
        return {
            "final_obs": observations,
            "_final_obs": done,
            "final_info": self._partial_info(done),
            "_final_info": done.copy(),
        }
