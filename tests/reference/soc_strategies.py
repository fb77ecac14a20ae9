"""Small random workloads, among them every kind of source, end, noise, communication and outage."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ganttlet.soc_dag.instance import Workload


def numbers(low: int, high: int, count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=count, max_size=count)


@st.composite
def applications(draw: Any, n_apps: int, n_pes: int) -> tuple[list[Any], list[Any]]:
    """Execution times (K, T, P) and edges (K, E, 3)."""
    sizes = draw(numbers(1, 4, n_apps))
    tasks, times, edges = max(sizes), [], []
    for size in sizes:
        rows = []
        for _ in range(size):
            row = draw(numbers(0, 9, n_pes))
            for p in draw(st.sets(st.integers(0, n_pes - 1), max_size=n_pes - 1)):
                row[p] = -1
            rows.append(row)
        times.append(rows + [[-1] * n_pes] * (tasks - size))
        order = draw(st.permutations(range(size)))
        pairs = [(order[a], order[b]) for b in range(size) for a in range(b)]
        some = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=5)) if pairs else []
        edges.append([(u, v, draw(st.integers(0, 12))) for u, v in some])
    most = max(1, max(map(len, edges)))
    return times, [rows + [(-1, -1, -1)] * (most - len(rows)) for rows in edges]


@st.composite
def outages(draw: Any, n_pes: int) -> list[tuple[int, int, int]]:
    found = []
    for p in range(n_pes):
        at = draw(st.integers(0, 12))
        for _ in range(draw(st.integers(0, 2))):
            length = draw(st.integers(1, 9))
            found.append((p, at, at + length))
            at += length + draw(st.integers(1, 9))
    return found


@st.composite
def sources(draw: Any, n_apps: int) -> dict[str, Any]:
    """Arrivals, capacity, and which jobs count."""
    kind = draw(st.sampled_from(["exponential", "periodic", "trace"]))
    end = draw(st.sampled_from(["drain", "cut"]))
    facts: dict[str, Any] = {
        "arrivals": kind,
        "scale": draw(st.sampled_from([1.5, 4.0, 9.0])),
        "trace": [],
        "capacity": draw(st.integers(1, 4)),
        "full": draw(st.sampled_from(["block", "redraw", "queue"])),
        "prefill": kind != "trace" and draw(st.booleans()),
        "jobs": draw(st.integers(1, 7)),
        "end": end,
        "length": draw(st.sampled_from([None, 30, 50])),
        "warmup": draw(st.sampled_from([0, 0, 7])),
        "cooldown": 0,
        "stop_after": None,
    }
    if kind == "trace":
        times = sorted(draw(st.lists(st.integers(0, 40), min_size=1, max_size=7)))
        facts["trace"] = [(time, draw(st.integers(0, n_apps - 1))) for time in times]
        facts["jobs"] = min(facts["jobs"], len(times))
    if end == "drain" and facts["length"] is not None:
        facts["cooldown"] = draw(st.sampled_from([0, 0, 9]))
    if end == "cut" and (facts["length"] is None or draw(st.booleans())):
        facts["stop_after"] = draw(st.integers(1, 5))
    return facts


@st.composite
def workloads(draw: Any, most_pes: int = 4) -> Workload:
    n_apps, n_pes = draw(st.integers(1, 2)), draw(st.integers(1, most_pes))
    times, edges = draw(applications(n_apps, n_pes))
    cluster = [0]
    for _ in range(n_pes - 1):
        cluster.append(cluster[-1] + draw(st.integers(0, 1)))
    shares = [1.0] if n_apps == 1 else draw(st.sampled_from([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]))
    columns = max(cluster.count(c) for c in cluster) + 1
    # Quarters add up without rounding, in whatever order.
    watts = [sorted(draw(numbers(0, 12, columns))) for _ in range(cluster[-1] + 1)]
    return Workload(
        name="drawn",
        exec_time=times,
        edges=edges,
        probability=shares,
        cluster=cluster,
        bandwidth=[draw(numbers(1, 6, n_pes)) for _ in range(n_pes)],
        memory_bandwidth=draw(numbers(1, 6, n_pes)),
        power=[[watt / 4 for watt in row] for row in watts],
        std=[[draw(st.sampled_from([0.0, 0.0, 0.4, 1.5])) for _ in times[0]] for _ in times],
        deadline=draw(numbers(0, 25, n_apps)),
        outage=draw(outages(n_pes)) if draw(st.booleans()) else [],
        noise=draw(st.sampled_from(["gaussian", "lognormal"])),
        communication=draw(st.sampled_from(["pe_to_pe", "shared_memory"])),
        tick_compat=draw(st.booleans()),
        seed=draw(st.integers(0, 99)),
        **draw(sources(n_apps)),
    )
