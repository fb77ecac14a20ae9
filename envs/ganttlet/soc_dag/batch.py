"""The batched environment of SoC task graphs; its documentation stands at the single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number, split_options
from ganttlet.core.pool import InstancePool, Ints
from ganttlet.core.sources import SOURCE_OPTIONS, padded_sizes, read_sources
from ganttlet.core.vector_env import BatchEnv
from ganttlet.soc_dag.dispatch import CAN_BE_LATE, RULES
from ganttlet.soc_dag.features import ACTIONS, OBSERVATIONS, graph_spec
from ganttlet.soc_dag.future import resample_rows
from ganttlet.soc_dag.generator import make_generator
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.kernel import OBJECTIVES, REWARDS, load_rows, measure_rows, step_rows
from ganttlet.soc_dag.layout import ACCEPTED, NOW, WORLD, Sizes, make_state
from ganttlet.soc_dag.library import resolve
from ganttlet.soc_dag.planners import PLANNERS
from ganttlet.soc_dag.play import DISPATCH, HEFT_RT, TABLE, advise_rows, play_rows
from ganttlet.soc_dag.presets import PRESETS
from ganttlet.soc_dag.show import show_rows
from ganttlet.soc_dag.solution import Run
from ganttlet.soc_dag.storage import OPTIONS, SoCStorage, sizes_of

DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "action": "pe",
    "wait": False,
    "binding": "early",
    "observation": "graph",
    "window": 16,
    "objective": "latency",
    "reward": "jobs",
    "weight": 0.5,
    "stale_estimates": False,
    **dict.fromkeys(OPTIONS),
}
BINDINGS = ("early", "late")
DEFAULT_GENERATOR: Mapping[str, Any] = {"name": "stream", "base": "top_mix5"}
_KEYS = (
    "task",
    "task_mask",
    "precedes_index",
    "task_job_index",
    "task_pe_index",
    "job",
    "job_mask",
    "pe",
    "pe_mask",
    "ready",
    "ready_mask",
    "ready_task_index",
    "ready_job_index",
    "ready_pe",
    "focus_task",
    "focus_job",
    "context",
    "action_mask",
)


class SoCDAGVectorEnv(BatchEnv):
    """A native batch of systems on chip; see :class:`ganttlet.soc_dag.env.SoCDAGEnv`."""

    family: ClassVar[str] = "soc_dag"

    def __init__(self, num_envs: int = 1, *, preset: str | None = None, **options: Any) -> None:
        num_envs = as_count("num_envs", num_envs)
        own, common = split_options("SoCDAG-v0", options, DEFAULTS, preset, PRESETS)
        _check_options(own)
        instances, generator = read_sources(
            own, resolve=resolve, make_generator=make_generator, default=DEFAULT_GENERATOR
        )
        if generator is not None:
            needed: Sizes = generator.sizes
        else:
            needed = Sizes(*(max(column) for column in zip(*map(sizes_of, instances), strict=True)))
        sizes = Sizes(*padded_sizes(own, dict(zip(OPTIONS, needed, strict=True))).values())
        self._storage = SoCStorage(sizes, generator)
        self._action = ACTIONS.index(own["action"])
        self._wait, self._window = bool(own["wait"]), int(own["window"])
        self._late = own["binding"] == "late"
        self._shows_tasks = own["observation"] == "graph"
        self._stale = bool(own["stale_estimates"])
        self._reward, self._weight = REWARDS.index(own["reward"]), float(own["weight"])
        self._value = OBJECTIVES.index(own["objective"])
        # Every wait passes an end, a later ready time, an entry or a boundary of an outage.
        waits = sizes.jobs * (2 * sizes.tasks + 1) + sizes.outages if self._wait else 0
        super().__init__(
            num_envs,
            graph=graph_spec(
                sizes, action=own["action"], wait=self._wait, window=self._window, kind=own["observation"]
            ),
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, sizes),
            objectives=OBJECTIVES,
            objective_rows=len(OBJECTIVES),
            objective=own["objective"],
            longest_episode=sizes.jobs * sizes.tasks + waits,
            solution_fields=("totals", "log_job", "log_pe", "log_start", "log_finish"),
            options=common,
        )
        self._gamma = float(self.flags.discount[0])
        self._out = tuple(self._obs[key] if key in self._obs else _absent(key, num_envs) for key in _KEYS)

    def play(
        self, rule: str, *, late: bool = False, stale_estimates: bool = False, data: str = "ignored", seed: int = 0
    ) -> int:
        """Play every row, just reset, to the end of its run inside the kernel; return the number of decisions.

        Args:
            rule: a name of dispatch.RULES, ``heft_rt``, or a name of planners.PLANNERS: a table per job.
            late: late binding, for the rules of dispatch.CAN_BE_LATE.
            stale_estimates: estimates as promised at the last assignment, for the rules of dispatch.RULES.
            data: ``ignored`` or ``counted``, for ``heft_rt``: whether the time at which data arrives matters.
            seed: of rule ``random``.

        Raises:
            InputError: for an unknown rule, or an option that it does not have.
        """
        kind, number = _rule(rule, late, stale_estimates, data)
        rows = np.flatnonzero(~self.done)
        decisions: int = play_rows(
            rows,
            self._slot,
            kind,
            number,
            late,
            stale_estimates,
            data == "counted",
            np.uint64(seed),
            tuple(self._storage.arrays),
            tuple(self._state),
        )
        self._flags.terminated[rows] = True
        self._flags.done[rows] = True
        self._n_done = len(self._rows)
        measure_rows(rows, self._slot, tuple(self._storage.arrays), tuple(self._state), self._objectives)
        self._observe(rows)
        return decisions

    def advise(self, rule: str, *, late: bool = False, seed: int = 0) -> np.ndarray[Any, Any]:
        """Return the action (B,) int64 that a rule of dispatch.RULES takes at the decision of every row, -1 where done.

        In action mode ``task`` the rule's choice of the PE is the environment's. ``late`` needs ``wait=True``.
        """
        check_choice("rule", rule, RULES)
        _, number = _rule(rule, late, False, "ignored")
        if late and not self._wait:
            raise InputError("late=True: the rule waits; make the environment with wait=True")
        out = np.full(self.num_envs, -1, np.int64)
        advise_rows(
            np.flatnonzero(~self.done),
            self._slot,
            number,
            late,
            self._stale,
            np.uint64(seed),
            self._action,
            self._window,
            self._mask,
            tuple(self._storage.arrays),
            tuple(self._state),
            out,
        )
        return out

    def _load(self, rows: Ints) -> None:
        load_rows(
            rows,
            self._slot,
            self._action,
            self._late,
            self._window,
            self._stale,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._objectives,
        )
        self._flags.discount[rows] = 1.0
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self._action,
            self._wait,
            self._late,
            self._shows_tasks,
            self._window,
            self._stale,
            self._reward,
            self._weight,
            self._value,
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
        show_rows(
            rows,
            self._slot,
            self._action,
            self._wait,
            self._late,
            self._shows_tasks,
            self._window,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._out,
        )

    def _resample(self, rows: Ints, keys: np.ndarray[Any, Any]) -> None:
        resample_rows(rows, keys, self._slot, self._wait, self._storage.arrays, self._state)

    def picture(self, row: int, mode: str) -> Any:
        """Return a picture of the run of ``row`` so far, "rgb_array" or "ansi", whichever future it plays."""
        instance: Any = self.instance(row)
        parts = {name: getattr(self._state, name)[row] for name in self._last}
        return self._draw(instance, _run_of(instance, parts), mode)

    def _make_solution(self, instance: Workload, parts: Mapping[str, np.ndarray[Any, Any]]) -> Run:
        if parts["totals"][WORLD] != instance.seed:
            raise InputError(
                "solution: restore(resample_future=…) gave this run another future than its instance has; read its "
                "objectives from objective_values"
            )
        return _run_of(instance, parts)

    def _draw(self, instance: Workload, solution: Run, mode: str) -> Any:
        from ganttlet.soc_dag.render import run_ansi, run_rgb

        return (run_rgb if mode == "rgb_array" else run_ansi)(instance, solution)


def _run_of(instance: Workload, parts: Mapping[str, np.ndarray[Any, Any]]) -> Run:
    """Return the run that one row's state arrays log."""
    n, tasks = int(parts["totals"][ACCEPTED]), instance.exec_time.shape[1]
    width = min(tasks, parts["log_pe"].shape[1])
    found = {}
    for field in ("pe", "start", "finish"):
        found[field] = np.full((n, tasks), -1, np.int64)
        found[field][:, :width] = parts[f"log_{field}"][:n, :width]
    job = parts["log_job"][:n]
    return Run(
        app=job[:, 0],
        arrival=job[:, 1],
        inject=job[:, 2],
        **found,
        end=int(parts["totals"][NOW]),
        instance_digest=instance.digest,
    )


def _check_options(own: Mapping[str, Any]) -> None:
    check_choice("action", own["action"], ACTIONS)
    check_choice("binding", own["binding"], BINDINGS)
    if own["binding"] == "late" and (own["action"] == "pe" or not own["wait"]):
        raise InputError("binding='late': needs action 'task' or 'joint', and wait=True")
    check_choice("observation", own["observation"], OBSERVATIONS)
    check_choice("objective", own["objective"], OBJECTIVES)
    check_choice("reward", own["reward"], REWARDS)
    as_count("window", own["window"])
    as_number("weight", own["weight"], 0.0, 1.0)
    for key in ("wait", "stale_estimates"):
        if not isinstance(own[key], bool):
            raise InputError(f"{key}: expected True or False, got {own[key]!r}")
    if own["objective"] != "latency" and own["reward"] != "terminal":
        raise InputError(
            f"objective={own['objective']!r}: only reward='terminal' measures it; got reward={own['reward']!r}"
        )


def _rule(rule: str, late: bool, stale: bool, data: str) -> tuple[int, int]:
    check_choice("rule", rule, [*RULES, "heft_rt", *PLANNERS])
    check_choice("data", data, ("ignored", "counted"))
    if late and rule not in CAN_BE_LATE:
        raise InputError(f"late=True: rule {rule!r} cannot bind late; use one of {', '.join(CAN_BE_LATE)}")
    if data != "ignored" and rule != "heft_rt":
        raise InputError(f"data={data!r}: only rule 'heft_rt' has this option")
    if stale and rule not in RULES:
        raise InputError(f"stale_estimates=True: rule {rule!r} does not use them")
    if rule == "heft_rt":
        return HEFT_RT, 0
    return (TABLE, PLANNERS[rule]) if rule in PLANNERS else (DISPATCH, RULES.index(rule))


def _absent(key: str, num_envs: int) -> np.ndarray[Any, Any]:
    """Return an empty array of the rank and type of a block that is not shown, for the kernel's signature."""
    if key in ("task", "job", "pe", "ready"):
        return np.zeros((num_envs, 0, 0), np.float32)
    if key == "ready_pe":
        return np.zeros((num_envs, 0, 0, 0), np.float32)
    if key == "precedes_index":
        return np.zeros((num_envs, 0, 0), np.int32)
    return np.zeros((num_envs, 0), np.int8 if key.endswith("_mask") else np.int32)
