"""The batched environment of memory mapping; its documentation stands at the single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, split_options
from ganttlet.core.pool import InstancePool, Ints
from ganttlet.core.sources import SOURCE_OPTIONS, padded_sizes, read_sources
from ganttlet.core.vector_env import BatchEnv, Obs
from ganttlet.memory_mapping import picture, whole
from ganttlet.memory_mapping.features import OBSERVATIONS, PICTURE, graph_spec
from ganttlet.memory_mapping.generator import make_generator
from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.kernel import OBJECTIVES, REWARDS, load_rows, step_rows
from ganttlet.memory_mapping.layout import BACKUPS, Sizes, make_state, rules_of
from ganttlet.memory_mapping.library import resolve
from ganttlet.memory_mapping.observe import show_rows
from ganttlet.memory_mapping.placing import PLACEMENTS
from ganttlet.memory_mapping.presets import PRESETS
from ganttlet.memory_mapping.recording import mapping_of
from ganttlet.memory_mapping.solution import Mapping as MemoryMap
from ganttlet.memory_mapping.storage import OPTIONS, MemoryStorage, sizes_of

DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "stall": True,
    "window": 128,
    "placement": "first_fit",
    "supply": "idle",
    "dead_ends": False,
    "backup": True,
    "reward": "saved",
    "observation": "window",
    "lookahead": 64,
    "residents": 64,
    "picture": False,
    "skip_forced": False,
    **dict.fromkeys(OPTIONS),
}
SUPPLIES = ("idle", "elapsed")
DEFAULT_GENERATOR: Mapping[str, Any] = {"name": "random"}
_KEYS = (
    "slot",
    "slot_mask",
    "resident",
    "resident_mask",
    "slot_next_index",
    "slot_resident_index",
    "focus_slot",
    "context",
    "action_mask",
    *whole.POINTERS,
    *picture.BLOCKS,
)


class MemoryMappingVectorEnv(BatchEnv):
    """A native batch of programs; see :class:`ganttlet.memory_mapping.env.MemoryMappingEnv`."""

    family: ClassVar[str] = "memory_mapping"

    def __init__(self, num_envs: int = 1, *, preset: str | None = None, **options: Any) -> None:
        num_envs = as_count("num_envs", num_envs)
        own, common = split_options("MemoryMapping-v0", options, DEFAULTS, preset, PRESETS)
        _check_options(own)
        window = int(own["window"])
        instances, generator = read_sources(
            own, resolve=resolve, make_generator=make_generator, default=DEFAULT_GENERATOR
        )
        if generator is not None:
            slots = generator.max_slots
            needed = Sizes(generator.max_instructions, generator.max_buffers, slots, 2 * slots)
        else:
            needed = Sizes(*(max(part) for part in zip(*(sizes_of(one, window) for one in instances), strict=True)))
        sizes = Sizes(*padded_sizes(own, dict(zip(OPTIONS, needed, strict=True))).values())
        self._storage = MemoryStorage(sizes, generator, window)
        self._window, self._skip, self._backup = window, own["skip_forced"], own["backup"]
        self._game = {"stall": own["stall"], "dead_ends": own["dead_ends"], "elapsed": own["supply"] == "elapsed"}
        self._rules = rules_of(**self._game, static=own["reward"] == "static")
        self._rule = PLACEMENTS.index(own["placement"])
        self._reward = REWARDS.index(own["reward"])
        # A backup takes back at most all decisions, and is the last one of its buffer or group.
        backups = sizes.buffers if own["dead_ends"] and own["backup"] else 0
        super().__init__(
            num_envs,
            graph=graph_spec(
                lookahead=int(own["lookahead"]),
                residents=int(own["residents"]),
                kind=own["observation"],
                picture=PICTURE if own["picture"] is True else int(own["picture"]),
                sizes=sizes,
            ),
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, sizes, window),
            objectives=OBJECTIVES,
            objective_rows=len(OBJECTIVES),
            longest_episode=sizes.slots * (1 + backups),
            solution_fields=("played",),
            options=common,
        )
        if own["dead_ends"]:
            self._facts["backups"] = ("totals", BACKUPS)
        self._out = tuple(self._obs[key] if key in self._obs else _absent(key, num_envs) for key in _KEYS)

    def _load(self, rows: Ints) -> None:
        store, state = tuple(self._storage.arrays), tuple(self._state)
        load_rows(rows, self._slot, self._rules, self._rule, store, state, self._objectives)
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self._rules,
            self._rule,
            self._backup,
            self._skip,
            self._reward,
            self.illegal_penalty,
            self.max_episode_steps,
            tuple(self._storage.arrays),
            tuple(self._state),
            tuple(self._flags),
            self._objectives,
            self._out,
        )
        return done

    def _observe(self, rows: Ints) -> None:
        show_rows(rows, self._slot, tuple(self._storage.arrays), tuple(self._state), self._objectives, self._out)

    def _write_static(self, rows: Ints, slots: Ints, arrays: Obs) -> None:
        out = tuple(arrays[key] for key in whole.BLOCKS)
        whole.write_program(rows, slots, tuple(self._storage.arrays), out)

    def _make_solution(self, instance: Program, parts: Mapping[str, Array]) -> MemoryMap:
        return mapping_of(instance, parts["played"], window=self._window, rule=self._rule, **self._game)

    def _draw(self, instance: Program, solution: MemoryMap, mode: str) -> Any:
        from ganttlet.memory_mapping.render import gantt_ansi, gantt_rgb

        return (gantt_rgb if mode == "rgb_array" else gantt_ansi)(instance, solution)


def _check_options(own: Mapping[str, Any]) -> None:
    check_choice("placement", own["placement"], PLACEMENTS)
    check_choice("reward", own["reward"], REWARDS)
    check_choice("supply", own["supply"], SUPPLIES)
    check_choice("observation", own["observation"], OBSERVATIONS)
    for key in ("window", "lookahead", "residents"):
        as_count(key, own[key])
    if not isinstance(own["picture"], bool) and as_count("picture", own["picture"]) % 2:
        raise InputError(f"picture: expected True, False or an even number, got {own['picture']}")
    for key in ("stall", "skip_forced", "dead_ends", "backup"):
        if not isinstance(own[key], bool):
            raise InputError(f"{key}: expected True or False, got {own[key]!r}")
    if not own["backup"] and not own["dead_ends"]:
        raise InputError("backup: False needs dead_ends=True; other games have no dead ends")


def _absent(key: str, num_envs: int) -> Array:
    """Return an array of the rank and type of a block that the options leave out, for the kernel."""
    if key in whole.POINTERS:
        return np.zeros((num_envs, 0), np.int32)
    if key in picture.BLOCKS:
        return np.zeros((num_envs, 0, 0, 0), np.float32)
    if key == "resident":
        return np.zeros((num_envs, 0, 0), np.float32)
    if key == "resident_mask":
        return np.zeros((num_envs, 0), np.int8)
    return np.zeros((num_envs, 1), np.int32)
