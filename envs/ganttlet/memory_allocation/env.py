"""``ganttlet/MemoryAllocation-v0``: offsets for buffers as a decision process; documented at MemoryAllocationEnv."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.env import SingleEnv
from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, split_options
from ganttlet.core.pool import InstancePool, Ints
from ganttlet.core.sources import SOURCE_OPTIONS, padded_sizes, read_sources
from ganttlet.core.vector_env import BatchEnv, Obs
from ganttlet.memory_allocation.features import OBSERVATIONS, graph_spec, write_static
from ganttlet.memory_allocation.generator import Generator, make_generator
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.kernel import OBJECTIVES, REWARDS, load_rows, show_rows, step_rows
from ganttlet.memory_allocation.layout import make_state
from ganttlet.memory_allocation.library import resolve
from ganttlet.memory_allocation.render import memory_ansi, memory_rgb
from ganttlet.memory_allocation.solution import Allocation
from ganttlet.memory_allocation.storage import AllocationStorage

DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "reward": "height",
    "observation": "buffers",
    "max_buffers": None,
    "max_sections": None,
}
DEFAULT_GENERATOR: Mapping[str, Any] = {"name": "cut"}


class MemoryAllocationVectorEnv(BatchEnv):
    """A native batch of allocations; see :class:`MemoryAllocationEnv` for the decision process and the arguments."""

    family: ClassVar[str] = "memory_allocation"

    def __init__(self, num_envs: int = 1, **options: Any) -> None:
        num_envs = as_count("num_envs", num_envs)
        own, common = split_options("MemoryAllocation-v0", options, DEFAULTS)
        check_choice("reward", own["reward"], REWARDS)
        check_choice("observation", own["observation"], OBSERVATIONS)
        self._shows_sections = own["observation"] == "sections"
        instances, generator = read_sources(
            own, resolve=resolve, make_generator=make_generator, default=DEFAULT_GENERATOR
        )
        buffers, sections = _sizes(own, instances, generator)
        self._reward_kind = REWARDS.index(own["reward"])
        self._storage = AllocationStorage(buffers, sections, generator)
        super().__init__(
            num_envs,
            graph=graph_spec(buffers, sections, kind=own["observation"]),
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, buffers, sections, shows_sections=self._shows_sections),
            objectives=OBJECTIVES,
            objective_rows=len(OBJECTIVES),
            longest_episode=buffers,
            solution_fields=("buffers",),
            options=common,
        )
        obs, none = self._obs, np.zeros((num_envs, 0, 0), np.float32)
        self._out = (obs["buffer"], obs.get("section", none), obs["context"], obs["action_mask"])

    def _load(self, rows: Ints) -> None:
        load_rows(
            rows,
            self._slot,
            self._shows_sections,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._objectives,
        )
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self._reward_kind,
            self.illegal_penalty,
            self._shows_sections,
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

    def _write_static(self, rows: Ints, slots: Ints, arrays: Obs) -> None:
        marks, facts, pointers = (
            np.zeros((0, 0), np.int8),
            np.zeros((0, 0, 0), np.float32),
            np.zeros((0, 0), np.int32),
        )
        write_static(
            slots,
            rows,
            tuple(self._storage.arrays),
            arrays["buffer_mask"],
            arrays["buffer_static"],
            arrays.get("section_mask", marks),
            arrays.get("section_static", facts),
            arrays.get("begins_index", pointers),
            arrays.get("ends_index", pointers),
        )

    def _make_solution(self, instance: AllocationInstance, parts: Mapping[str, np.ndarray[Any, Any]]) -> Allocation:
        return Allocation(parts["buffers"][0, : instance.n_buffers], instance.digest)

    def _draw(self, instance: AllocationInstance, solution: Allocation, mode: str) -> Any:
        return (memory_rgb if mode == "rgb_array" else memory_ansi)(instance, solution)


def _sizes(own: Mapping[str, Any], instances: list[AllocationInstance], generator: Generator | None) -> tuple[int, int]:
    """Return padded numbers of buffers and sections; where no sections are shown, as many as there can be."""
    if generator is not None:
        needed = {"max_buffers": generator.max_buffers, "max_sections": generator.max_sections}
    else:
        needed = {
            "max_buffers": max(one.n_buffers for one in instances),
            "max_sections": max(one.n_sections for one in instances),
        }
    sizes = padded_sizes(own, needed)
    buffers, sections = sizes["max_buffers"], sizes["max_sections"]
    if own["observation"] != "sections":
        if own["max_sections"] is not None:
            raise InputError("max_sections: only observation='sections' shows sections")
        return buffers, 2 * buffers - 1
    if own["max_sections"] is None and own["max_buffers"] is not None:
        sections = max(sections, 2 * buffers - 1)
    return buffers, sections


class MemoryAllocationEnv(SingleEnv):
    """Memory allocation as a decision process: one buffer gets its offset per step.

    ## Description
    n buffers have a size and a lifetime (half-open, in any unit of time), all known in advance. Each needs an offset in
    one memory, for all of its lifetime, so that no two buffers share a byte at the same time, and the memory needed,
    the height, is small: at most the capacity. This is what compilers solve for the memory of an accelerator; it is
    two-dimensional packing with one coordinate given. A decision chooses a buffer, which is placed at the lowest
    offset that is free during its lifetime (holes included) and a multiple of its alignment. Every packing that cannot
    be lowered is reached by some order: that of its offsets. Buffers of fixed offset are placed from the start.
    Notation: M capacity, h height of what is placed, low_k lowest offset at which buffer k fits now, s_k its size.

    ## Action Space
    `Discrete(N)`: a buffer of the padded space of N buffers; legal are those that are not placed. The mask is in
    `obs["action_mask"]`, `info["action_mask"]` and `action_masks()`. An illegal action changes nothing, costs
    `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays padded to N buffers and E sections. Sizes and offsets are divided by the capacity and clipped at
    1000; `env.unwrapped.graph` lists every feature with its range and unit.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `buffer` | (N, 9) | float32 | placed, offset, lowest offset, end, rise, rivals, how far above the least |
    | `buffer_static` | (N, 9) | float32 | size, lifetime, area, overlaps, load during its life, alignment, fixed |
    | `buffer_mask` | (N,) | int8 | 1 for buffers that exist |
    | `context` | (7,) | float32 | shares placed and left, height, bound, load, number of buffers |
    | `action_mask` | (N,) | int8 | legal actions; all ones in a terminal observation |

    `observation="sections"` adds the stretches of time between neighbouring starts and ends, in which the live buffers
    are the same: `section` (E, 4), `section_static` (E, 2), `section_mask`, and the pointers `begins_index` and
    `ends_index` (N,) int32 from a buffer to its first and last section. `static="index"` replaces what is constant
    within an episode (`buffer_static`, the masks of nodes, `section_static` and the pointers) by `instance_id` (1,), to
    be looked up with `static(ids)`.

    ## Rewards
    | reward | per step | undiscounted return |
    |---|---|---|
    | `height` | minus the increase of h, / M | (first h - height) / M |
    | `bound` | minus the increase of the bound, / M | (first bound - height) / M |
    | `terminal` | 0, at the end the sum of `height` | (first h - height) / M |

    The first h is 0, or the end of the highest fixed buffer. The bound is the greatest of the load, h and low_k + s_k
    of all buffers not placed: no order from here on ends below it. These hold for legal play; each illegal action
    subtracts its penalty.

    ## Starting State
    No buffer but the fixed ones is placed. The instance is the given one; or drawn by seed and episode number: among
    `instances`, from a pool of `pool_size` generated ones, or afresh by the generator (default: `cut`, 20 to 40
    buffers).

    ## Episode End
    Terminated when every buffer is placed, at any height. Truncated after `max_episode_steps` actions, by default 4 N,
    which only illegal actions can reach.

    ## Information
    `action_mask`; `illegal_action`; `discount`, `gamma` per decision; `objectives`: `height` so far in the instance's
    unit of size, `ratio` of it to the load, and `fits`, 1 while it is at most the capacity: at the end, success.

    ## Arguments
    * `instance`: a name (`"minimalloc:A"`, `"idealloc:resnet50"`), file, mapping or AllocationInstance; `instances`: a
      list of them; `generator`: settings as for `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `reward`: as above; `observation`: `buffers` or `sections`.
    * `max_buffers`, `max_sections`: a larger padded space than the instances need, for instances given to
      `reset(options={"instance": …})`; `max_sections` with `observation="sections"` only.
    * `strict` (raise on an illegal action), `illegal_penalty` (1.0), `gamma` (1.0, only reported), `max_episode_steps`,
      `copy` (False returns live buffers), `static`, `render_mode` (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    The problem and the instances A … K: M. D. Moffitt, MiniMalloc, ASPLOS 2023 (vol. 4), and google/minimalloc. The
    decision process is this project's own.

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = MemoryAllocationVectorEnv
