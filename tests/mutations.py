"""Ways to break a valid solution, per family: each returns what to judge and the words that the verdict must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Broken = tuple[Any, Any, list[str]]
"""Instance, solution, and the words that name what is wrong."""
Mutation = Callable[[Any, Any, np.random.Generator], Broken]


@dataclass(frozen=True)
class Case:
    """A family with instances (names or generator settings), a rule that solves them, and ways to spoil that."""

    family: str
    instances: tuple[Any, ...]
    method: str
    mutations: tuple[Mutation, ...]


def changed(solution: Any, field: str, at: Any, value: Any) -> Any:
    """Return a solution with another value at one place of one field."""
    array = getattr(solution, field).copy()
    array[at] = value
    return replace(solution, **{field: array})


def one_of(rng: np.random.Generator, where: Any) -> Any:
    """Return the index of one of the places where a condition holds; a tuple if it has several dimensions."""
    places = np.argwhere(where)
    assert len(places), "nothing to break here"
    place = tuple(places[rng.integers(len(places))].tolist())
    return place if len(place) > 1 else place[0]


# Job shop: operations are placed as early as the order lets them, so none can start a tick earlier.


def operation(place: Any) -> str:
    return f"job {place[0]} operation {place[1]}"


def operation_removed(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, shop.machine >= 0)
    return shop, changed(schedule, "start", place, -1), [f"{operation(place)} is not scheduled"]


def operation_a_tick_early(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, schedule.start > 0)
    return shop, changed(schedule, "start", place, schedule.start[place] - 1), [operation(place)]


def operation_on_its_rival(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, shop.machine == rng.integers(shop.n_machines))
    rivals = (shop.machine == shop.machine[place]) & (schedule.start != schedule.start[place])
    rival = one_of(rng, rivals)
    words = [f"machine {shop.machine[place]}", operation(place), operation(rival)]
    return shop, changed(schedule, "start", place, schedule.start[rival]), words


def operation_beside_its_predecessor(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    job, step = one_of(rng, shop.machine[:, 1:] >= 0)
    broken = changed(schedule, "start", (job, step + 1), schedule.start[job, step])
    return shop, broken, [operation((job, step + 1)), f"before {operation((job, step))} ends"]


def job_before_its_release(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    job = int(rng.integers(shop.n_jobs))
    first = int(schedule.start[job, 0])
    later = replace(shop, release=np.eye(shop.n_jobs, dtype=int)[job] * (first + 1))
    return later, replace(schedule, instance=later.digest), [operation((job, 0)), f"release {first + 1}"]


def job_missing(shop: Any, schedule: Any, rng: np.random.Generator) -> Broken:
    return shop, replace(schedule, start=schedule.start[:-1]), [f"shape {schedule.start[:-1].shape}"]


# Memory allocation.


def together(problem: Any, k: int) -> np.ndarray:
    """Which buffers live at some time together with buffer k, itself left out."""
    meets = (problem.lower < problem.upper[k]) & (problem.lower[k] < problem.upper)
    meets[k] = False
    return meets


def buffer_removed(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = int(rng.integers(len(problem.size)))
    return problem, changed(allocation, "offset", k, -1), [f"buffer {k}", "has no place"]


def buffers_share_a_byte(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = one_of(rng, [together(problem, k).any() for k in range(len(problem.size))])
    other = one_of(rng, together(problem, k))
    last_byte = allocation.offset[other] + problem.size[other] - 1
    return problem, changed(allocation, "offset", k, last_byte), [f"buffer {k}", f"buffer {other}", "both live at time"]


def buffer_on_another(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = one_of(rng, [together(problem, k).any() for k in range(len(problem.size))])
    other = one_of(rng, together(problem, k))
    broken = changed(allocation, "offset", k, allocation.offset[other])
    return problem, broken, [f"buffer {k}", f"buffer {other}", "both live at time"]


def buffer_misaligned(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = int(rng.integers(len(problem.size)))
    aligned = np.ones(len(problem.size), int)
    aligned[k] = int(allocation.offset[k]) + 2  # no offset but 0 is a multiple of more than itself
    strict = replace(problem, alignment=aligned)
    broken = changed(replace(allocation, instance=strict.digest), "offset", k, 1)
    return strict, broken, [f"buffer {k}", f"not a multiple of {aligned[k]}"]


def buffer_moved_though_fixed(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = int(rng.integers(len(problem.size)))
    top = int((allocation.offset + problem.size).max())
    fixed = np.where(np.arange(len(problem.size)) == k, allocation.offset, -1)
    strict = replace(problem, fixed=fixed, capacity=top)
    broken = changed(replace(allocation, instance=strict.digest), "offset", k, top)
    return strict, broken, [f"buffer {k}", f"it is fixed at {allocation.offset[k]}"]


def buffer_out_of_reach(problem: Any, allocation: Any, rng: np.random.Generator) -> Broken:
    k = int(rng.integers(len(problem.size)))
    return problem, changed(allocation, "offset", k, 2**53), [f"buffer {k}", "ends beyond 2**53"]


# VM rescheduling and pod packing. A broken move stands before all others.


def first_move(plan: Any, *move: int) -> Any:
    return replace(plan, moves=np.vstack([np.array([move]), plan.moves]))


def host_overcommitted(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    used = np.zeros(cluster.cpu.shape, int)
    for host, numa, cores in zip(cluster.host.tolist(), cluster.numa.tolist(), cluster.cores.tolist(), strict=True):
        if host >= 0:
            used[host, slice(None) if numa == 2 else numa] += cores // (2 if numa == 2 else 1)
    free = cluster.cpu - used
    single = np.flatnonzero(cluster.split == 0)
    fits = cluster.cores[single][:, None] <= free[:, 0]
    at, host = one_of(rng, ~fits & (cluster.host[single][:, None] != np.arange(cluster.n_hosts)))
    vm = int(single[at])
    words = [f"move 0: VM {cluster.vm_name(vm)} needs", f"on host {cluster.host_name(host)} NUMA node 0"]
    return cluster, first_move(plan, vm, host, 0), words


def unknown_vm(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    vm = cluster.n_vms + int(rng.integers(3))
    return cluster, first_move(plan, vm, 0, 0), [f"move 0: unknown VM {vm}"]


def unknown_host(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    vm = int(rng.integers(cluster.n_vms))
    return cluster, first_move(plan, vm, cluster.n_hosts, 0), [f"VM {cluster.vm_name(vm)}", "unknown host"]


def unknown_numa_node(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    vm = int(rng.integers(cluster.n_vms))
    return cluster, first_move(plan, vm, 0, 7), [f"VM {cluster.vm_name(vm)} goes to NUMA node 7"]


def move_to_where_it_is(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    vm = one_of(rng, cluster.host >= 0)
    broken = first_move(plan, vm, int(cluster.host[vm]), int(cluster.numa[vm]))
    return cluster, broken, [f"move 0: VM {cluster.vm_name(vm)} lies on host", "already"]


def too_many_moves(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    there = plan.moves[0]
    back = np.array([there[0], cluster.host[there[0]], cluster.numa[there[0]]])
    moves = np.array([there, back] * cluster.limit)
    return cluster, replace(plan, moves=moves), [f"move {cluster.limit} is one more than the limit"]


def rivals_on_one_host(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    at = one_of(rng, plan.moves[:, 1] != cluster.host[plan.moves[:, 0]])
    vm, host, _ = plan.moves[at].tolist()
    stays = ~np.isin(np.arange(cluster.n_vms), plan.moves[:, 0])
    other = one_of(rng, stays & (cluster.host == host))
    strict = replace(cluster, groups=np.array([[0, vm], [0, other]]))
    words = [f"VM {cluster.vm_name(vm)} goes", f"holds VM {cluster.vm_name(other)} of anti-affinity group 0"]
    return strict, replace(plan, instance=strict.digest), words


def pending_pod_evicted(cluster: Any, plan: Any, rng: np.random.Generator) -> Broken:
    pod = one_of(rng, cluster.host < 0)
    return cluster, first_move(plan, pod, -1, -1), [f"VM {cluster.vm_name(pod)} is pending already"]


# Memory mapping.


def buffer_of(program: Any, mapping: Any, rectangle: int) -> str:
    return str(program.buffer_label(int(mapping.rect_buffer[rectangle])))


def rectangles_overlap(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    start, end, size = mapping.rect_start, mapping.rect_end, program.aligned[mapping.rect_buffer]
    # Within the other in time and space, so that no third one is met.
    within = (
        (start[:, None] >= start) & (end[:, None] <= end) & (size[:, None] <= size) & ~np.eye(len(size), dtype=bool)
    )
    one, other = one_of(rng, within)
    broken = changed(mapping, "rect_offset", one, mapping.rect_offset[other])
    return program, broken, [buffer_of(program, mapping, one), buffer_of(program, mapping, other), "overlaps"]


def rectangle_outside_of_memory(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    one = int(rng.integers(len(mapping.rect_offset)))
    broken = changed(mapping, "rect_offset", one, program.capacity)
    return program, broken, [f"rectangle {one} ({buffer_of(program, mapping, one)}", "leaves the"]


def result_a_step_late(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    one = one_of(rng, mapping.rect_start == program.defined[mapping.rect_buffer])
    broken = changed(mapping, "rect_start", one, mapping.rect_start[one] + 1)
    label, time = buffer_of(program, mapping, one), mapping.rect_start[one]
    return program, broken, [f"({label} at instruction {time}) is written to fast memory, but no rectangle"]


def rectangle_ends_a_step_early(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    one = int(rng.integers(len(mapping.rect_end)))
    return program, changed(mapping, "rect_end", one, mapping.rect_end[one] - 1), [buffer_of(program, mapping, one)]


def copy_removed(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    gone = int(rng.integers(len(mapping.copy_buffer)))
    fields = ("copy_buffer", "copy_out", "copy_release", "copy_deadline")
    copies = {field: np.delete(getattr(mapping, field), gone) for field in fields}
    kept = mapping.move_copy != gone
    moves = {field: getattr(mapping, field)[kept] for field in ("move_time", "move_us")}
    number = mapping.move_copy[kept]
    broken = replace(mapping, **copies, **moves, move_copy=number - (number > gone))
    return program, broken, [str(program.buffer_label(int(mapping.copy_buffer[gone])))]


def copy_a_step_short_of_time(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    move = int(rng.integers(len(mapping.move_us)))
    copy = int(mapping.move_copy[move])
    broken = changed(mapping, "move_us", move, 0.5 * mapping.move_us[move])
    return program, broken, [f"copy {copy} ({program.buffer_label(int(mapping.copy_buffer[copy]))}) moves for"]


def slot_undecided(program: Any, mapping: Any, rng: np.random.Generator) -> Broken:
    slot = int(rng.integers(program.n_slots))
    return program, changed(mapping, "fast", slot, -1), [f"slot {slot} is not decided"]


# SoC task graphs: list schedules, in which no task can start a tick earlier.


def task(place: Any) -> str:
    return f"job {place[0]} task {place[1]}"


def moved(run: Any, place: Any, ticks: int) -> Any:
    later = changed(run, "start", place, run.start[place] + ticks)
    return changed(later, "finish", place, run.finish[place] + ticks)


def task_removed(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, run.start >= 0)
    broken = changed(changed(changed(run, "pe", place, -1), "start", place, -1), "finish", place, -1)
    return workload, broken, [f"job {place[0]}", "not"]


def task_a_tick_early(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, run.start >= 0)
    return workload, moved(run, place, -1), [task(place)]


def task_a_tick_short(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, run.start >= 0)
    return workload, changed(run, "finish", place, run.finish[place] - 1), [task(place), "runs from"]


def task_on_a_pe_that_does_not_exist(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    place = one_of(rng, run.start >= 0)
    return workload, changed(run, "pe", place, workload.n_pes), [task(place), "is on none of PEs"]


def task_on_a_pe_that_cannot_run_it(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    job, number = one_of(rng, run.start >= 0)
    times = workload.exec_time.copy()
    pe = int(run.pe[job, number])
    times[run.app[job], number] = np.where(np.arange(workload.n_pes) == pe, -1, times[run.app[job], number])
    strict = replace(workload, exec_time=times)
    return (
        strict,
        replace(run, instance_digest=strict.digest),
        [f"{task((job, number))} on PE {pe}", "does not support"],
    )


def tasks_on_one_pe(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    places = [tuple(place) for place in np.argwhere(run.finish > run.start).tolist()]
    pairs = [(a, b) for a in places for b in places if run.pe[a] == run.pe[b] and run.start[a] < run.start[b]]
    one, other = pairs[rng.integers(len(pairs))]
    broken = moved(run, other, int(run.start[one] - run.start[other]))
    return workload, broken, [f"PE {run.pe[one]}: ", task(one), task(other), "starts at"]


def job_that_never_arrived(workload: Any, run: Any, rng: np.random.Generator) -> Broken:
    job = int(rng.integers(len(run.app)))
    return (
        workload,
        changed(run, "arrival", job, run.arrival[job] + 1),
        [f"job {job} arrives at {run.arrival[job] + 1}"],
    )


# UAM fleet: the log is played again, and the first broken decision is told.


def with_passengers(log: Any, rng: np.random.Generator) -> int:
    return int(one_of(rng, log.passengers > 0))


def passenger_doubled(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = with_passengers(log, rng)
    return (
        scenario,
        changed(log, "passengers", at, log.passengers[at] + 1),
        [f"decision {at}: {log.passengers[at] + 1} pass"],
    )


def without(log: Any, at: int) -> Any:
    fields = ("aircraft", "origin", "destination", "passengers", "time", "departure", "arrival")
    return replace(log, **{field: np.delete(getattr(log, field), at) for field in fields})


def flight_removed(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = one_of(rng, log.origin[:-1] != log.destination[:-1])
    return scenario, without(log, at), [f"decision {at}: ", f"due is aircraft {log.aircraft[at]}"]


def last_decision_removed(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    return scenario, without(log, len(log.time) - 1), [f"the log ends, but aircraft {log.aircraft[-1]} decides"]


def flight_a_minute_early(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = one_of(rng, log.origin != log.destination)
    return scenario, changed(log, "arrival", at, log.arrival[at] - 1.0), [f"decision {at}: arrival at"]


def aircraft_elsewhere(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = int(rng.integers(len(log.origin)))
    other = (int(log.origin[at]) + 1) % scenario.n_ports
    words = [f"decision {at}: aircraft {log.aircraft[at]} decides at port {other}, but stands at port {log.origin[at]}"]
    return scenario, changed(log, "origin", at, other), words


def unknown_aircraft(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = int(rng.integers(len(log.aircraft)))
    fleet = len(scenario.start_port)
    return scenario, changed(log, "aircraft", at, fleet), [f"decision {at}: aircraft {fleet}; the scenario has {fleet}"]


def route_closed(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    at = one_of(rng, log.origin != log.destination)
    pair = int(log.origin[at]), int(log.destination[at])
    closed = scenario.closed.copy()
    closed[:, pair[0], pair[1]] = 1
    strict = replace(scenario, closed=closed)
    words = [f"the route from port {pair[0]} to {pair[1]} is closed"]
    return strict, replace(log, instance_digest=strict.digest), words


def battery_below_the_reserve(scenario: Any, log: Any, rng: np.random.Generator) -> Broken:
    longest = float(scenario.distance[log.origin, log.destination].max())
    left = scenario.battery - scenario.energy_per_mile * longest
    strict = replace(scenario, reserve=(left + 1e-6) / scenario.battery)
    return strict, replace(log, instance_digest=strict.digest), ["decision", "aircraft", "kWh left at port"]


PODS = {"name": "pods", "nodes": 4, "pods_per_node": 4, "priorities": 2, "util": 0.95}
DAY = {"name": "captain-2024", "ports": 6, "fleet": 6, "demand": 200, "area": 30.0, "day_end": 480.0, "high": 2}
CASES = {
    "job_shop": Case(
        "job_shop",
        ("ft06", "ta01", {"name": "uniform", "jobs": 5, "machines": 4}),
        "rule:spt_twkr",
        (
            operation_removed,
            operation_a_tick_early,
            operation_on_its_rival,
            operation_beside_its_predecessor,
            job_before_its_release,
            job_missing,
        ),
    ),
    "memory_allocation": Case(
        "memory_allocation",
        ({"name": "program", "buffers": 30}, {"name": "uniform", "buffers": 30}, {"name": "cut", "buffers": 20}),
        "rule:area",
        (
            buffer_removed,
            buffers_share_a_byte,
            buffer_on_another,
            buffer_misaligned,
            buffer_moved_though_fixed,
            buffer_out_of_reach,
        ),
    ),
    "memory_mapping": Case(
        "memory_mapping",
        ({"name": "hourglass"}, {"name": "random"}, {"name": "training"}),
        "rule:msa_best",
        (
            rectangles_overlap,
            rectangle_outside_of_memory,
            result_a_step_late,
            rectangle_ends_a_step_early,
            copy_removed,
            copy_a_step_short_of_time,
            slot_undecided,
        ),
    ),
    "vm_rescheduling": Case(
        "vm_rescheduling",
        (
            {"name": "level", "level": "H", "hosts": 10, "mnl": 5},
            {"name": "level", "level": "H", "hosts": 20, "mnl": 10},
        ),
        "rule:greedy",
        (
            host_overcommitted,
            unknown_vm,
            unknown_host,
            unknown_numa_node,
            move_to_where_it_is,
            too_many_moves,
            rivals_on_one_host,
        ),
    ),
    "pods": Case(
        "vm_rescheduling",
        (PODS, {**PODS, "nodes": 8}),
        "rule:ffd:repack=true",
        (host_overcommitted, unknown_vm, unknown_host, unknown_numa_node, pending_pod_evicted, too_many_moves),
    ),
    "soc_dag": Case(
        "soc_dag",
        (
            {"name": "layered", "tasks": 20},
            {"name": "tiled", "kind": "cholesky"},
            {"name": "stream", "base": "top_mix5"},
        ),
        "rule:etf",
        (
            task_removed,
            task_a_tick_early,
            task_a_tick_short,
            task_on_a_pe_that_does_not_exist,
            task_on_a_pe_that_cannot_run_it,
            tasks_on_one_pe,
            job_that_never_arrived,
        ),
    ),
    "uam_fleet": Case(
        "uam_fleet",
        (DAY, {**DAY, "ports": 8}),
        "rule:greedy",
        (
            passenger_doubled,
            flight_removed,
            last_decision_removed,
            flight_a_minute_early,
            aircraft_elsewhere,
            unknown_aircraft,
            route_closed,
            battery_below_the_reserve,
        ),
    ),
}
