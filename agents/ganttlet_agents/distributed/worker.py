"""What runs on a node: an actor that attempts rows of an evaluation and streams them back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, get_family
from ganttlet.core.record import Instance
from ganttlet_agents.distributed.carried import file_facts, unpack
from ganttlet_agents.distributed.identity import Facts, facts_here
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.attempt import Attempt
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.workers import Job, Station

# A worker gives back what it has not begun after so long, lest others are idle at the end.
SHARD_SECONDS = 1.0
# Rows that are done are sent together, at most so long after the first: a message costs more than many a row.
FLUSH_SECONDS = 0.05

Answer = list[tuple[int, Attempt | None]] | InputError
"""Rows that are done, by the job's index; None for one that has been loaded and begins. Or why no row can be made."""


@dataclass(frozen=True)
class Setup:
    """What a worker is told once.

    Fields:
        family: name of the family.
        methods: labels of all methods of the run.
        folder: current directory of the driver.
        carried: files of the methods below it, relative path -> content.
    """

    family: str
    methods: tuple[str, ...]
    folder: str
    carried: Mapping[str, bytes]

    def facts(self) -> Facts:
        """Return what must agree, as this process sees it: versions, code, configurations, the methods' files."""
        methods = parse_methods(self.methods, get_family(self.family))
        code = {f"code of {method.label}": method.code for method in methods if method.code}
        return facts_here(lambda: {**code, **file_facts(methods)})


class EvaluationWorker:
    """A Ray actor; methods are loaded once, and stay."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.station = Station(setup.family)

    def begin(self) -> tuple[str, Facts | InputError]:
        """Return the node's id, and what must agree with the driver."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        try:
            unpack(self.setup.folder, self.setup.carried)
            return node, self.setup.facts()
        except InputError as error:
            # Returned, not raised: Ray would wrap it into a traceback.
            return node, error
        except Exception as error:
            # Something is wrong with what is installed there, which the driver has found in order here.
            return node, InputError(f"{type(error).__name__}: {error}")

    def attempt(self, jobs: Sequence[Job], instances: Mapping[str, bytes], timed: bool) -> Iterator[Answer]:
        """Yield jobs as they are done; those that are not reached in SHARD_SECONDS are left undone.

        Args:
            jobs: of one or several instances.
            instances: digest -> JSON, of those.
            timed: also tell when a job begins.
        """
        begun = sent = time.perf_counter()
        done: list[tuple[int, Attempt | None]] = []
        for number, job in enumerate(jobs):
            if number and time.perf_counter() - begun > SHARD_SECONDS:
                break
            try:
                attempt = self.station.prepare(job, partial(_read, job, instances))
            except InputError as error:
                yield error
                return
            if attempt is None:
                if timed:
                    yield [(job.index, None)]
                attempt = self.station.solve(job)
            done.append((job.index, replace(attempt, device=provenance.device())))
            # One that is timed must not wait for the next one to be loaded.
            if timed or time.perf_counter() - sent > FLUSH_SECONDS:
                yield done
                done, sent = [], time.perf_counter()
        if done:
            yield done


def _read(job: Job, instances: Mapping[str, bytes], family: Family) -> Instance:
    return family.instance.from_dict(json.loads(instances[job.digest]), f"instance {job.digest}")
