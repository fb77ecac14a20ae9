"""Generator ``stream``: episodes of published workloads under other rates, noise, platforms and applications."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.draws import SOURCE, SYSTEM, Draws
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.profiles import find_platform
from ganttlet.soc_dag.sampling import Generator
from ganttlet.soc_dag.scenario import Scenario

Choice = tuple[str, str | None, str | None]


class StreamGenerator(Generator):
    """Streams of jobs; for the keys see :func:`ganttlet.soc_dag.generator.make_generator`."""

    name = "stream"
    keys = ("base", "platform", "without", *SOURCE, *SYSTEM)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._spans = (self.labels("base", "top_mix5"), self.labels("platform", None), self.labels("without", None))
        self._draws = Draws(self, (*SOURCE, *SYSTEM), {})
        choices = product(*(dict.fromkeys(span.ends) for span in self._spans))
        self._made = {choice: self._make(*choice) for choice in choices}
        workloads = [workload for workload, _ in self._made.values()]
        scenarios = [scenario for _, scenario in self._made.values()]
        for scenario in scenarios:
            self._draws.check(scenario)
        self.sizes = Sizes(
            max(one.n_apps for one in workloads),
            max(int(one.n_tasks.max()) for one in workloads),
            max(1, *(int((one.edges[:, :, 0] >= 0).sum(axis=1).max()) for one in workloads)),
            max(one.n_pes for one in workloads),
            max(one.n_clusters for one in workloads),
            max(self._draws.most_slots(scenario) for scenario in scenarios),
            max(self._draws.most_jobs(scenario) for scenario in scenarios),
            max(1, *(len(scenario.trace) for scenario in scenarios)),
            max(1, 2 * self._draws.most_outages, *(2 * len(scenario.outages) for scenario in scenarios)),
        )

    def _make(self, base: str, platform: str | None, without: str | None) -> tuple[Workload, Scenario]:
        """Return the workload of one choice under its base's scenario, and that scenario."""
        # The library makes instances of generators, so it cannot be imported before them.
        from ganttlet.soc_dag.library import base as base_of

        try:
            soc, apps, shares, scenario = base_of(base)
        except InputError as error:
            raise InputError(f"generator 'stream': key 'base': {error}") from None
        try:
            soc = soc if platform is None else find_platform(platform)
        except InputError as error:
            raise InputError(f"generator 'stream': key 'platform': {error}") from None
        if scenario.trace and "arrivals" not in self._draws.spans and {"scale", "rate"} & self._draws.spans.keys():
            raise InputError(
                f"generator 'stream': keys 'scale' and 'rate' mean nothing for base {base!r}, whose arrivals are a "
                "trace; give 'arrivals' too"
            )
        absent = [] if without is None else without.split("+")
        known = [app.name for app in apps]
        for name in absent:
            if name not in known:
                raise InputError(
                    f"generator 'stream': key 'without': {base} has no application {name!r}; expected some of "
                    f"{', '.join(known)}, joined by '+'"
                )
        kept = [number for number, name in enumerate(known) if name not in absent]
        if not kept:
            raise InputError(f"generator 'stream': key 'without': {without!r} leaves no application of {base}")
        name = "-".join([base, *([platform] if platform else []), *(f"no_{one}" for one in absent)])
        try:
            workload = Workload.build(
                soc, [apps[k] for k in kept], scenario, probability=[shares[k] for k in kept], name=name
            )
        except InputError as error:
            raise InputError(f"generator 'stream': {name}: {error}") from None
        return workload, scenario

    def draw(self, key: Any, suffix: str) -> Workload:
        """Return the instance of ``key``."""
        base, platform, without = (span.draw(key, slot) for slot, span in enumerate(self._spans))
        workload, scenario = self._made[base, platform, without]
        return self._draws.apply(workload, scenario, key, f"stream-{workload.name}-{suffix}")
