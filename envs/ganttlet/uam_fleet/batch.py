"""The batched environment of UAM fleets; its documentation stands at the single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_seed, split_options
from ganttlet.core.pool import InstancePool, Ints
from ganttlet.core.sources import SOURCE_OPTIONS, padded_sizes, read_sources
from ganttlet.core.vector_env import BatchEnv
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.features import MOST_LOOKAHEAD, OBSERVATIONS, graph_spec
from ganttlet.uam_fleet.future import resample_rows
from ganttlet.uam_fleet.generator import make_generator
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.kernel import OBJECTIVES, REWARDS, load_rows, step_rows
from ganttlet.uam_fleet.layout import DECIDES, Array, Sizes, make_state
from ganttlet.uam_fleet.library import resolve
from ganttlet.uam_fleet.observe import show_rows
from ganttlet.uam_fleet.play import advise_rows, play_rows
from ganttlet.uam_fleet.presets import PRESETS
from ganttlet.uam_fleet.recording import log_of
from ganttlet.uam_fleet.solution import FleetLog
from ganttlet.uam_fleet.storage import OPTIONS, FleetStorage, sizes_of

DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "reward": "incremental",
    "observation": "full",
    "lookahead": 3,
    "worth": True,
    **dict.fromkeys(OPTIONS),
}
DEFAULT_GENERATOR: Mapping[str, Any] = {"name": "captain-2024"}
_KEYS = (
    "port",
    "port_mask",
    "aircraft",
    "aircraft_mask",
    "aircraft_port_index",
    "context",
    "focus_port",
    "focus_aircraft",
    "action_mask",
)


class UAMFleetVectorEnv(BatchEnv):
    """A native batch of fleets; see :class:`ganttlet.uam_fleet.env.UAMFleetEnv`."""

    family: ClassVar[str] = "uam_fleet"

    def __init__(self, num_envs: int = 1, *, preset: str | None = None, **options: Any) -> None:
        num_envs = as_count("num_envs", num_envs)
        own, common = split_options("UAMFleet-v0", options, DEFAULTS, preset, PRESETS)
        check_choice("reward", own["reward"], REWARDS)
        check_choice("observation", own["observation"], OBSERVATIONS)
        as_count("lookahead", own["lookahead"])
        if own["lookahead"] > MOST_LOOKAHEAD:
            raise InputError(f"lookahead: expected at most {MOST_LOOKAHEAD} hours, got {own['lookahead']}")
        if not isinstance(own["worth"], bool):
            raise InputError(f"worth: expected True or False, got {own['worth']!r}")
        instances, generator = read_sources(
            own, resolve=resolve, make_generator=make_generator, default=DEFAULT_GENERATOR
        )
        if generator is not None:
            needed = Sizes(*(getattr(generator, option) for option in OPTIONS))
        else:
            needed = Sizes(*(max(part) for part in zip(*map(sizes_of, instances), strict=True)))
        sizes = Sizes(*padded_sizes(own, dict(zip(OPTIONS, needed, strict=True))).values())
        self._storage = FleetStorage(sizes, generator)
        self._reward = REWARDS.index(own["reward"])
        super().__init__(
            num_envs,
            graph=graph_spec(
                ports=sizes.ports,
                aircraft=sizes.aircraft,
                lookahead=int(own["lookahead"]),
                worth=own["worth"],
                kind=own["observation"],
            ),
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, sizes),
            objectives=OBJECTIVES,
            objective_rows=len(OBJECTIVES),
            longest_episode=sizes.decisions,
            solution_fields=("totals", "log", "log_time", "world"),
            options=common,
        )
        self._facts["aircraft"] = ("totals", DECIDES)
        self._gamma = float(self.flags.discount[0])
        self._out = tuple(self._obs[key] if key in self._obs else _absent(key, num_envs) for key in _KEYS)

    def play(self, rule: str, *, seed: int = 0) -> int:
        """Play every row from where it is to the end of its day inside the kernel; return the number of decisions.

        Args:
            rule: a name of dispatch.RULES.
            seed: of rule ``random``: the draws belong to seed, row and number of the decision.

        Raises:
            InputError: for an unknown rule.
        """
        check_choice("rule", rule, RULES)
        rows = np.flatnonzero(~self.done)
        decisions: int = play_rows(
            rows,
            self._slot,
            RULES.index(rule),
            np.uint64(as_seed("seed", seed)),
            tuple(self._storage.arrays),
            tuple(self._state),
            self._objectives,
        )
        self._flags.terminated[rows] = True
        self._flags.done[rows] = True
        self._n_done = len(self._rows)
        self._observe(rows)
        return decisions

    def advise(self, rule: str, *, seed: int = 0) -> Array:
        """Return the action (B,) int64 that a rule takes at the present decision of every row, -1 where it is over.

        Arguments and errors are those of :meth:`play`.
        """
        check_choice("rule", rule, RULES)
        out = np.full(self.num_envs, -1, np.int64)
        advise_rows(
            np.flatnonzero(~self.done),
            self._slot,
            RULES.index(rule),
            np.uint64(as_seed("seed", seed)),
            tuple(self._storage.arrays),
            tuple(self._state),
            out,
        )
        return out

    def _load(self, rows: Ints) -> None:
        store, slots = self._storage.arrays, self._slot[rows]
        self._state.left[rows] = store.demand[slots]
        self._state.closed[rows] = store.closed[slots]
        self._state.world[rows] = store.world[slots]
        load_rows(rows, self._slot, tuple(store), tuple(self._state), self._objectives)
        self._flags.discount[rows] = 1.0
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self._reward,
            self.illegal_penalty,
            self._gamma,
            self.max_episode_steps,
            tuple(self._storage.arrays),
            tuple(self._state),
            tuple(self._flags),
            self._objectives,
            self._out,
        )
        return done

    def _observe(self, rows: Ints) -> None:
        show_rows(rows, self._slot, tuple(self._storage.arrays), tuple(self._state), self._out)

    def _resample(self, rows: Ints, keys: NDArray[np.uint64]) -> None:
        resample_rows(rows, keys, self._slot, tuple(self._storage.arrays), tuple(self._state))

    def _make_solution(self, instance: Scenario, parts: Mapping[str, Array]) -> FleetLog:
        return log_of(instance, **parts)

    def _draw(self, instance: Scenario, solution: FleetLog, mode: str) -> Any:
        from ganttlet.uam_fleet.render import fleet_ansi, fleet_rgb

        return (fleet_rgb if mode == "rgb_array" else fleet_ansi)(instance, solution)


def _absent(key: str, num_envs: int) -> Array:
    """Return an array of the rank and type of a block that ``observation="candidates"`` leaves out, for the kernel."""
    if key == "aircraft":
        return np.zeros((num_envs, 0, 0), np.float32)
    if key == "aircraft_mask":
        return np.zeros((num_envs, 0), np.int8)
    return np.zeros((num_envs, 1), np.int32)
