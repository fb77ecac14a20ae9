"""The batched environments of VM rescheduling and pod packing; their documentation stands at the single ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number, split_options
from ganttlet.core.pool import InstancePool, Ints
from ganttlet.core.sources import SOURCE_OPTIONS, padded_sizes, read_sources
from ganttlet.core.vector_env import BatchEnv
from ganttlet.vm_rescheduling import features, pods
from ganttlet.vm_rescheduling.generator import make_generator
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.kernel import OBJECTIVES, REWARDS, load_rows, step_rows
from ganttlet.vm_rescheduling.layout import KEPT, Sizes, make_state
from ganttlet.vm_rescheduling.library import resolve
from ganttlet.vm_rescheduling.presets import PRESETS
from ganttlet.vm_rescheduling.render import cluster_ansi, cluster_rgb
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.storage import OPTIONS, VMStorage, sizes_of

MASKINGS = ("exact", "penalty")
ENDINGS = ("stop", "cut")
SIZE_OPTIONS: Mapping[str, Any] = dict.fromkeys(OPTIONS)
VM_DEFAULTS: Mapping[str, Any] = {
    **SOURCE_OPTIONS,
    "objective": "fr16",
    "reward": "dense",
    "masking": "exact",
    "infeasible_penalty": 5.0,
    "observation": "plain",
    "merge": False,
    "ending": "stop",
    **SIZE_OPTIONS,
}
POD_DEFAULTS: Mapping[str, Any] = {**SOURCE_OPTIONS, "reward": "dense", **SIZE_OPTIONS}
VM_GENERATOR: Mapping[str, Any] = {"name": "level", "level": "H", "hosts": 20, "mnl": 10}
POD_GENERATOR: Mapping[str, Any] = {"name": "pods", "nodes": 4, "pods_per_node": 4}


class _ClusterBatch(BatchEnv):
    """What both environments share: the options of a family's room, the state and the hooks."""

    family: ClassVar[str] = "vm_rescheduling"
    pods: ClassVar[bool] = False

    def __init__(self, num_envs: int, own: Mapping[str, Any], common: Mapping[str, Any], objective: str) -> None:
        num_envs = as_count("num_envs", num_envs)
        default = POD_GENERATOR if self.pods else VM_GENERATOR
        if objective == "goal":
            default = {**default, "goal": 0.4}
        instances, generator = read_sources(own, resolve=resolve, make_generator=make_generator, default=default)
        if generator is not None and generator.is_pods != self.pods:
            kind = "pods" if generator.is_pods else "VMs"
            raise InputError(f"generator {generator.name!r}: draws {kind}; this environment plays the other kind")
        if generator is not None and objective == "goal" and generator.settings.get("goal") is None:
            raise InputError(f"generator {generator.name!r}: key 'goal' is missing, but objective 'goal' needs it")
        if generator is not None:
            needed = tuple(getattr(generator, option) for option in OPTIONS)
        else:
            needed = tuple(max(column) for column in zip(*map(sizes_of, instances), strict=True))
        sizes = Sizes(*padded_sizes(own, dict(zip(OPTIONS, needed, strict=True))).values())
        self._storage = VMStorage(sizes, generator, pods=self.pods, needs_goal=objective == "goal")
        gains, merge, cut = own.get("observation") == "gains", bool(own.get("merge")), own.get("ending") == "cut"
        exact = own.get("masking", "exact") == "exact"
        self._reward = REWARDS.index(own["reward"])
        # Rows of the objective values are fr16, n16, mixed, moves, goal.
        self._value = {"fr16": 0, "unplaced": 0, "mixed": 2, "goal": 4}[objective]
        self._exact, self._merge, self._cut = exact, merge, cut
        self._infeasible = float(own.get("infeasible_penalty", 0.0))
        mixed, goal = objective == "mixed", objective == "goal"
        if self.pods:
            graph, names = pods.graph_spec(sizes), ("unplaced", "pending", "disruption", "moves")
        else:
            graph = features.graph_spec(sizes, gains=gains, mixed=mixed, goal=goal, merge=merge, cut=cut)
            names = ("fr16", "n16", "mixed", "moves", *(("goal",) if goal else ()))
        super().__init__(
            num_envs,
            graph=graph,
            pool=InstancePool(self._storage, instances, num_envs),
            state=make_state(num_envs, sizes, 1 if self.pods else 2, merge=merge),
            objectives=names,
            objective_rows=5,
            objective=objective,
            longest_episode=2 * sizes.moves + 1,
            solution_fields=("plan", "totals"),
            options=common,
        )
        self._gamma = float(self.flags.discount[0])
        self._show = (self.pods, exact, gains, mixed, goal, merge, cut)
        self._scratch = np.zeros((sizes.kinds, 2, 3))
        self._work = np.zeros((5, num_envs), np.int64)
        self._spare = np.zeros_like(self._objectives)
        vm, pm = ("pod", "node") if self.pods else ("vm", "pm")
        keys = (vm, f"{vm}_mask", pm, f"{pm}_mask", "on_index", "context", f"focus_{vm}", "phase", "action_mask")
        self._out = tuple(self._obs[key] for key in keys)

    def _load(self, rows: Ints) -> None:
        load_rows(
            rows,
            self._slot,
            self.pods,
            self._value,
            self._exact,
            self._merge,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._objectives,
        )
        self._flags.discount[rows] = self._gamma
        self._observe(rows)

    def _advance(self, actions: Ints) -> int:
        done: int = step_rows(
            actions,
            self._slot,
            self.pods,
            self._value,
            self._reward,
            self._exact,
            self._merge,
            self._cut,
            self.illegal_penalty,
            self._infeasible,
            self._gamma,
            self.max_episode_steps,
            tuple(self._storage.arrays),
            tuple(self._state),
            tuple(self._flags),
            self._objectives,
            self._show,
            self._out,
            self._scratch,
            self._work,
            self._spare,
        )
        return done

    def _observe(self, rows: Ints) -> None:
        features.show_rows(
            rows,
            self._slot,
            self._flags.terminated & self._flags.done,
            tuple(self._storage.arrays),
            tuple(self._state),
            self._show,
            self._out,
            self._scratch,
        )

    def _make_solution(self, instance: Cluster, parts: Mapping[str, np.ndarray[Any, Any]]) -> Plan:
        return Plan(parts["plan"][: int(parts["totals"][KEPT])].copy(), instance.digest)

    def _draw(self, instance: Cluster, solution: Plan, mode: str) -> Any:
        return (cluster_rgb if mode == "rgb_array" else cluster_ansi)(instance, solution)


class VMReschedulingVectorEnv(_ClusterBatch):
    """A native batch of clusters; see :class:`ganttlet.vm_rescheduling.env.VMReschedulingEnv`."""

    def __init__(self, num_envs: int = 1, *, preset: str | None = None, **options: Any) -> None:
        own, common = split_options("VMRescheduling-v0", options, VM_DEFAULTS, preset, PRESETS)
        check_choice("objective", own["objective"], OBJECTIVES)
        check_choice("reward", own["reward"], REWARDS)
        check_choice("masking", own["masking"], MASKINGS)
        check_choice("observation", own["observation"], features.OBSERVATIONS)
        as_number("infeasible_penalty", own["infeasible_penalty"], 0.0, float("inf"))
        check_choice("ending", own["ending"], ENDINGS)
        if not isinstance(own["merge"], bool):
            raise InputError(f"merge: expected True or False, got {own['merge']!r}")
        if own["ending"] == "cut" and (own["objective"] == "goal" or own["reward"] == "vmr2l"):
            raise InputError("ending='cut': needs objective 'fr16' or 'mixed', and reward 'dense' or 'terminal'")
        if own["reward"] == "vmr2l" and own["objective"] != "fr16":
            raise InputError(
                f"reward='vmr2l' measures fragments; with objective={own['objective']!r} use 'dense' or 'terminal'"
            )
        super().__init__(num_envs, own, common, own["objective"])


class PodPackingVectorEnv(_ClusterBatch):
    """A native batch of pod packings; see :class:`ganttlet.vm_rescheduling.pods_env.PodPackingEnv`."""

    pods: ClassVar[bool] = True

    def __init__(self, num_envs: int = 1, **options: Any) -> None:
        own, common = split_options("PodPacking-v0", options, POD_DEFAULTS)
        check_choice("reward", own["reward"], REWARDS[:2])
        super().__init__(num_envs, own, common, "unplaced")
