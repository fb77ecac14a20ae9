"""Seeded random workloads: named distributions with settings that are checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.soc_dag.layered import LayeredGenerator
from ganttlet.soc_dag.sampling import Generator
from ganttlet.soc_dag.streams import StreamGenerator
from ganttlet.soc_dag.tiled import TiledGenerator
from ganttlet.soc_dag.toy import ToyGenerator

__all__ = ["GENERATORS", "Generator", "make_generator"]

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "stream": "episodes of workloads by name, under drawn rates, noise, platforms and outages",
        "layered": "random layered task graphs on unrelated PEs, by the parameters of the list-scheduling literature",
        "tiled": "tiled Cholesky, LU and QR factorisations on CPUs and GPUs",
        "toy": "a few jobs of a few tasks on a few PEs, for tests",
    }
)
_CLASSES: Mapping[str, type[Generator]] = {
    "stream": StreamGenerator,
    "layered": LayeredGenerator,
    "tiled": TiledGenerator,
    "toy": ToyGenerator,
}


def make_generator(settings: Mapping[str, Any]) -> Generator:
    """Return the generator that ``settings`` describe.

    A number fixes a key; [low, high] is a range, drawn uniformly, of ``scale`` and ``rate`` uniform in the logarithm;
    three or more numbers, or several words, are chosen among. All draws belong to the instance's seed.

    Args:
        settings: ``name`` (one of GENERATORS) and, all of them optional:

            ``stream``: ``base`` (workloads by name, see ``ganttlet.soc_dag.library.names``; top_mix5), ``platform``
            (G1 … G5 or another by name; each base's own), ``without`` (applications left out, several joined by "+"; a
            list is chosen among). What no key of the scenario says is as in the base.

            ``layered``: per application ``tasks`` (20), ``alpha`` (shape, 1.0), ``regularity`` (0.0), ``out_degree``
            (3) or ``density`` (a share), ``jump`` (1), ``ccr`` (1.0), ``beta`` (heterogeneity, 1.0), ``mean``
            (execution time in ticks, 100); ``pes`` (4), ``apps`` (1). See LayeredGenerator for the recipe.

            ``tiled``: ``kind`` (cholesky, lu, qr; cholesky), ``tiles`` (4), ``cpus`` (2), ``gpus`` (2), ``transfer``
            (ticks per tile that changes PEs, 0), ``resolution`` (one integer, ticks per unit of the published times; 1:
            with noise, more makes rounding small). See TiledGenerator for the times.

            ``toy``: ``tasks`` ([2, 4], per application), ``pes`` ([2, 3]), ``apps`` ([1, 2]), ``time`` ([1, 9], ticks),
            ``volume`` ([0, 6]), ``support`` (probability that a cluster runs a task, 0.8), ``density`` (probability of
            an edge, 0.5); ``jobs`` ([2, 4]), ``scale`` ([3, 10]), ``capacity`` ([1, 3]), ``length`` (null; 60 where
            ``end`` may be cut), ``outage_length`` ([1, 10]); ``arrivals`` may be "trace" too.

            All four: the scenario's ``capacity``, ``full``, ``noise``, ``std``, ``communication``, ``deadline_factor``,
            ``tick_compat`` as in :class:`~ganttlet.soc_dag.scenario.Scenario`; ``outages`` (how many, of random PEs at
            random times) of ``outage_length`` ticks. And of its source ``arrivals``, ``scale`` or ``rate`` (jobs per
            1000 ticks), ``length``, ``jobs``, ``warmup``, ``cooldown``, ``end``, ``stop_after``, ``prefill``; for
            ``layered`` and ``tiled`` only together with ``scale`` or ``rate``: without, each application arrives once,
            at time 0. With neither ``length`` nor ``jobs`` these bring 100 jobs. Where ``end`` or ``arrivals`` are
            chosen among, ``stop_after`` goes with cut, ``cooldown`` with drain, and ``prefill`` with no trace. Null
            for ``length``, ``jobs``, ``stop_after`` and ``deadline_factor`` is the scenario's None.

    Raises:
        InputError: naming the key.
    """
    if not isinstance(settings, Mapping):
        raise InputError(f"generator: expected a mapping with the key 'name', got {settings!r}")
    if "name" not in settings:
        raise InputError(f"generator: key 'name' is missing; expected one of {', '.join(GENERATORS)}")
    check_choice("generator: key 'name'", settings["name"], GENERATORS)
    return _CLASSES[settings["name"]](settings)
