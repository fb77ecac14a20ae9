"""``ganttlet/JobShop-v0``: the job shop as a Markov decision process; its documentation stands at JobShopEnv."""

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
from ganttlet.job_shop.features import OBSERVATIONS, graph_spec, show_rows, write_static
from ganttlet.job_shop.generator import Generator, make_generator
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.kernel import OBJECTIVES, REWARDS, load_rows, step_rows
from ganttlet.job_shop.layout import make_state
from ganttlet.job_shop.library import resolve
from ganttlet.job_shop.presets import PRESETS
from ganttlet.job_shop.render import gantt_ansi, gantt_rgb
from ganttlet.job_shop.solution import Schedule
from ganttlet.job_shop.storage import JobShopStorage, Sizes
from ganttlet.job_shop.timing import TIMINGS
from ganttlet.job_shop.view import JobShopView

WAITING = ("wait", "wait_jssenv")
DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "timing": "nondelay",
    "objective": "makespan",
    "reward": "bound",
    "observation": "jobs",
    "window": 2,
    "skip_forced": False,
    "max_jobs": None,
    "max_machines": None,
    "max_ops": None,
    "max_machine_ops": None,
}
DEFAULT_GENERATOR: Mapping[str, Any] = {"name": "uniform", "jobs": 6, "machines": 6}
DEFAULT_DUE_FACTOR = 1.5


class JobShopVectorEnv(BatchEnv):
    """A native batch of job shops; see :class:`JobShopEnv` for the decision process and the arguments."""

    family: ClassVar[str] = "job_shop"

    def __init__(self, num_envs: int = 1, *, preset: str | None = None, **options: Any) -> None:
        num_envs = as_count("num_envs", num_envs)
        own, common = split_options("JobShop-v0", options, DEFAULTS, preset, PRESETS)
        _check_options(own)
        instances, generator = _sources(own)
        tardiness = "tardiness" in own["objective"]
        known_due = generator.has_due if generator else all(one.due is not None for one in instances)
        sizes = _sizes(own, instances, generator)
        ordered = own["timing"] == "insert"
        self._storage = JobShopStorage(sizes, generator, needs_due=tardiness or known_due, ordered=ordered)
        self._timing = TIMINGS.index(own["timing"])
        self._objective = OBJECTIVES.index(own["objective"])
        self._reward_kind = REWARDS.index(own["reward"])
        self._window = int(own["window"])
        self._due_features = tardiness
        waiting = own["timing"] in WAITING
        kind = own["observation"]
        jobs, machines, ops, machine_ops = sizes
        super().__init__(
            num_envs,
            graph=graph_spec(jobs, machines, ops, window=self._window, due=tardiness, noop=waiting, kind=kind),
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, jobs, machines, ops, machine_ops, insert=ordered, graph=kind == "graph"),
            objectives=OBJECTIVES if tardiness or known_due else OBJECTIVES[:2],
            objective_rows=len(OBJECTIVES),
            objective=own["objective"],
            # Each wait passes the end of an operation or a release.
            longest_episode=2 * jobs * ops + jobs if waiting else jobs * ops,
            solution_fields=("start",),
            options=common,
        )
        self._skip = bool(own["skip_forced"])
        self._scratch = np.zeros((3, num_envs), np.int64)
        obs = self._obs
        nodes, pointers, marks = (
            np.zeros((0, 0, 0), np.float32),
            np.zeros((0, 0), np.int32),
            np.zeros((0, 0), np.int8),
        )
        self._out = (
            obs["job"],
            obs["job_mask"],
            obs["context"],
            obs["action_mask"],
            obs.get("op", nodes),
            obs.get("machine", nodes),
            obs.get("job_next_index", pointers),
            obs["machine_mask"] if kind == "machines" else marks,
            obs.get("needs_index", pointers),
            obs.get("needs_after_index", pointers),
        )

    def view(self) -> JobShopView:
        """Return what rules see of this batch; it follows the live state until the next reset."""
        return JobShopView(self._state, self._storage, self._slot)

    def _load(self, rows: Ints) -> None:
        load_rows(rows, self._slot, self._timing, tuple(self._storage.arrays), tuple(self._state), self._objectives)
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self._timing,
            self._objective,
            self._reward_kind,
            self.illegal_penalty,
            self._window,
            self._due_features,
            self._skip,
            self.max_episode_steps,
            tuple(self._storage.arrays),
            tuple(self._state),
            tuple(self._flags),
            self._objectives,
            self._out,
            self._scratch,
        )
        return done

    def _observe(self, rows: Ints) -> None:
        show_rows(
            rows,
            self._slot,
            self._window,
            self._due_features,
            True,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._objectives,
            self._out,
        )

    def _write_static(self, rows: Ints, slots: Ints, arrays: Obs) -> None:
        write_static(
            slots,
            rows,
            tuple(self._storage.arrays),
            arrays["op_mask"],
            arrays["machine_mask"],
            arrays["op_static"],
            arrays["precedes_index"],
            arrays["op_job_index"],
            arrays["op_machine_index"],
        )

    def _make_solution(self, instance: JobShopInstance, parts: Mapping[str, np.ndarray[Any, Any]]) -> Schedule:
        n, o = instance.machine.shape
        start = np.full((n, o), -1, np.int64)
        width = min(o, parts["start"].shape[1])
        start[:, :width] = parts["start"][:n, :width]
        return Schedule(start, instance.digest)

    def _draw(self, instance: JobShopInstance, solution: Schedule, mode: str) -> Any:
        draw = gantt_rgb if mode == "rgb_array" else gantt_ansi
        return draw(instance, solution.start)


def _check_options(own: Mapping[str, Any]) -> None:
    check_choice("timing", own["timing"], TIMINGS)
    check_choice("objective", own["objective"], OBJECTIVES)
    check_choice("reward", own["reward"], REWARDS)
    check_choice("observation", own["observation"], OBSERVATIONS)
    if own["reward"] in ("idle", "load_bound") and own["objective"] != "makespan":
        raise InputError(
            f"reward={own['reward']!r} measures the makespan; with objective={own['objective']!r} "
            "use 'bound' or 'terminal'"
        )
    as_count("window", own["window"])
    if not isinstance(own["skip_forced"], bool):
        raise InputError(f"skip_forced: expected True or False, got {own['skip_forced']!r}")
    if own["max_machine_ops"] is not None and own["timing"] != "insert":
        raise InputError("max_machine_ops: only timing='insert' limits the operations of a machine")


def _sources(own: Mapping[str, Any]) -> tuple[list[JobShopInstance], Generator | None]:
    due = {"due_factor": DEFAULT_DUE_FACTOR} if "tardiness" in own["objective"] else {}
    instances, generator = read_sources(
        own, resolve=resolve, make_generator=make_generator, default={**DEFAULT_GENERATOR, **due}
    )
    if generator is not None and due and not generator.has_due:
        raise InputError(
            f"objective={own['objective']!r} needs due dates; give the generator a 'due_factor', for example 1.5"
        )
    return instances, generator


def _sizes(own: Mapping[str, Any], instances: list[JobShopInstance], generator: Generator | None) -> Sizes:
    if generator is not None:
        needed = [generator.max_jobs, generator.max_machines, generator.max_ops, generator.max_jobs]
    else:
        needed = [max(column) for column in zip(*(Sizes.of(one) for one in instances), strict=True)]
    names = ("max_jobs", "max_machines", "max_ops", "max_machine_ops")
    sizes = padded_sizes(own, dict(zip(names, needed, strict=True)))
    if own["max_machine_ops"] is None:
        sizes["max_machine_ops"] = max(needed[3], sizes["max_jobs"])
    return Sizes(*sizes.values())


class JobShopEnv(SingleEnv):
    """The job shop as a decision process: one operation placed per step.

    ## Description
    n jobs visit machines, each job in its own fixed order; a machine works on one operation at a time and operations
    are not interrupted. A decision chooses a job, whose next operation is placed on its machine; the start follows
    from the timing discipline. Times are integers, in ticks. Notation: R_j end of job j's last placed operation (its
    release at first), F_k end of the last operation on machine k, p_j and W_j the time of j's next operation and of
    all its remaining ones, est_j its earliest start, t the clock.

    | timing | jobs that may be chosen | start | schedules reached |
    |---|---|---|---|
    | `nondelay` | est_j = t = min est | est_j = max(R_j, F_k) | non-delay; may exclude every optimum |
    | `active` | on the machine of the earliest completion, est_j before it | est_j | active; with an optimum |
    | `wait` | est_j = t, or wait until the next est | est_j ≥ the time waited for | semi-active; with an optimum |
    | `wait_jssenv` | JSSEnv 1.1.0's clock with its two pruning rules | t | a subset of semi-active |
    | `append` | any unfinished job | est_j, after all of its machine | semi-active; with an optimum |
    | `insert` | any unfinished job | the earliest gap of its machine that fits | with an optimum |

    ## Action Space
    `Discrete(N)`: a job of the padded space of N jobs. `wait` and `wait_jssenv` add action N, to wait. The mask is in
    `obs["action_mask"]`, `info["action_mask"]` and `action_masks()`. An illegal action changes nothing, costs
    `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays padded to N jobs, M machines and O operations per job. Times are divided by the mean duration of
    the instance and clipped at 1000; `env.unwrapped.graph` lists every feature with its range and unit.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `job` | (N, 11 + 2 (window - 1)), + 2 for tardiness | float32 | one row per unfinished job, else zeros |
    | `job_mask` | (N,) | int8 | 1 for unfinished jobs |
    | `context` | (4,) | float32 | share of operations and of jobs left, horizon, jobs per machine |
    | `action_mask` | (N,) or (N + 1,) | int8 | legal actions; all ones in a terminal observation |

    `observation="machines"` adds to `job` what sets a job against its rivals and the machines' loads (19 features), to
    `context` four, and `machine` (M, 5), `machine_mask` and the pointers `needs_index`, `needs_after_index` (N,) int32
    to the machines of a job's next operation and of the one after it, -1 for none.

    `observation="graph"` adds `op` (N·O, 3), `op_static` (N·O, 4), `op_mask`, `machine` (M, 3), `machine_mask` and the
    pointers `precedes_index`, `op_job_index`, `op_machine_index` (N·O,), `job_next_index` (N,) int32, -1 for none;
    operation i of job j is node j·O + i. `static="index"` replaces what is constant within an episode (`op_static`,
    `op_mask`, `machine_mask` and the first three pointers) by `instance_id` (1,), to be looked up with `static(ids)`.

    ## Rewards
    | reward | per step | undiscounted return |
    |---|---|---|
    | `bound` | minus the increase of the objective at est_j + W_j | first bound - objective |
    | `terminal` | 0, at the end - objective | - objective |
    | `load_bound` | minus the increase of the load bound | first load bound - makespan |
    | `idle` | (time placed - machine idle time created) / p_max | (2 Σp - m · makespan) / p_max |

    `idle` and `load_bound` need `objective="makespan"`; p_max is the longest operation's time. The load bound is the
    greatest of the makespan bound and, for each machine with work left, max(F_k, t) + its time not yet placed (under
    `insert`, which fills gaps, no bound). These hold for legal play; each illegal action subtracts its penalty.

    ## Starting State
    Nothing is placed. The instance is the given one; or drawn by seed and episode number: among `instances`, from a
    pool of `pool_size` generated ones, or afresh by the generator (default: uniform 6x6).

    ## Episode End
    Terminated when every operation is placed. Truncated after `max_episode_steps` actions, by default four times the
    longest legal episode of the padded space, which only illegal actions can reach.

    ## Information
    `action_mask`; `illegal_action`; `discount`, `gamma` per decision; `objectives`: `makespan` and `flow_time`, with
    due dates `total_tardiness` and `weighted_tardiness` too, in ticks: lower bounds on what can still be reached, and
    the values themselves at the end.

    ## Arguments
    * `instance`: a name (`"ta01"`, `"ft06"`, `"ta01:due_factor=1.5"`), file, mapping or JobShopInstance;
      `instances`: a list of them; `generator`: settings as for `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `preset`: `l2d`, `slim`, `cp` or `jssenv`; other arguments override it.
    * `timing`, `objective` (`makespan`, `flow_time`, `total_tardiness`, `weighted_tardiness`), `reward`: as above.
    * `observation`: `jobs`, `machines` or `graph`; `window`: operations shown per job, with the next (default 2).
    * `skip_forced` (False): after a step, play on while a single action is legal, so that an episode holds real choices
      and the first decision only; rewards add up, `discount` stays that of one decision.
    * `max_jobs`, `max_machines`, `max_ops`, `max_machine_ops`: a larger padded space than the instances need, for
      instances given to `reset(options={"instance": …})`.
    * `strict` (raise on an illegal action), `illegal_penalty` (1.0), `gamma` (1.0, only reported), `max_episode_steps`,
      `copy` (False returns live buffers), `static`, `render_mode` (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    Taillard 1993 (instances). Giffler and Thompson 1960 (`active`). Presets follow the public code of zcaicaros/L2D
    (`l2d`), prosysscience/JSSEnv (`jssenv`), ingambe/JobShopCPEnv (`cp`) and the decisions of SLIM (`slim`).

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = JobShopVectorEnv
