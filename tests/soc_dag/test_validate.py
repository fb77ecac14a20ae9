"""validate: every rule broken once in a hand-made run, and objectives equal to sums done by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application, topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.metrics import cluster_profile, counted, latencies, measure
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.solution import OBJECTIVES, Run, validate
from ganttlet.soc_dag.world import cumulative, draw_app, draw_duration, draw_gap

FORK = Application("fork", ("a", "b", "c", "d"), ((0, 1, 4), (0, 2, 10), (1, 3, 0), (2, 3, 6)))
ONE = Application("one", ("long",))
TAIL = Application("tail", ("long", "nil"), ((0, 1, 0),))
STEPS = Application("steps", ("tick", "tick"), ((0, 1, 8),))
TIMES = {"a": [3, 4], "b": [5, None], "c": [None, 6], "d": [2, 2], "long": [15, 15], "nil": [0, 0], "tick": [1, 1]}
# PE 0 is cluster A: 0.25 W idle, 1.25 W busy. PEs 1 and 2 are cluster B: 1 W idle, 2 W with one busy, 3 W with two.
PLATFORM = Platform(
    "tiny",
    (Cluster("A", 1, power={1: [1.25]}, leak_w=0.25), Cluster("B", 2, power={1: [2.0, 3.0]}, leak_w=0.5)),
    bandwidth=[[10, 2], [2, 5]],
    bandwidth_same_pe=100,
    bandwidth_to_memory=[4, 1],
    times={"*": TIMES},
)
DRAIN = Scenario(arrivals="periodic", scale=10, capacity=2, length=31)
CUT = replace(DRAIN, end="cut", length=40)
HELD = replace(DRAIN, capacity=1, warmup=15)
PE = [[0, 0, 1, 1], [0, 0, 2, 0], [1, 0, 1, 0]]
START = [[10, 13, 18, 24], [20, 23, 28, 37], [30, 39, 34, 44]]
FINISH = [[13, 18, 24, 26], [23, 28, 34, 39], [34, 44, 40, 46]]
ENTRY = [10, 20, 30]
CUT_AT_40 = {("finish", 2, 1): -1, ("pe", 2, 3): -1, ("start", 2, 3): -1, ("finish", 2, 3): -1}


def workload(scenario=DRAIN, *apps, **options):
    return Workload.build(PLATFORM, apps or (FORK,), scenario, **options)


def record(entry=ENTRY, pe=PE, start=START, finish=FINISH, end=46, arrival=None, app=None, change=None):
    """A run, with single entries changed: {(field, job[, task]): value}."""
    fields = {
        "app": np.zeros(len(entry), int) if app is None else np.array(app),
        "arrival": np.array(entry if arrival is None else arrival),
        "inject": np.array(entry),
        "pe": np.array(pe),
        "start": np.array(start),
        "finish": np.array(finish),
    }
    for (field, *place), value in (change or {}).items():
        fields[field][tuple(place)] = value
    return Run(**fields, end=end)


def move(job, task, start, finish, pe=None):
    change = {("start", job, task): start, ("finish", job, task): finish}
    return change if pe is None else change | {("pe", job, task): pe}


def singles(entry, start, finish, end, **more):
    """A run of jobs of one task, all on PE 0."""
    return record(entry, [[0]] * len(entry), [[at] for at in start], [[at] for at in finish], end, **more)


def found(scenario, run, *apps):
    return [(violation.rule, violation.message) for violation in validate(workload(scenario, *apps), run).violations]


def assert_broken(scenario, run, rule, message, *apps):
    complaints = found(scenario, run, *apps)
    assert {name for name, _ in complaints} == {rule}
    assert message in complaints[0][1]


def test_objectives():
    verdict = validate(workload(replace(DRAIN, deadline_factor=1.5)), record())
    assert verdict.violations == ()
    assert verdict.values == pytest.approx(
        {
            "latency": 17,  # of 16, 19 and 16
            "makespan": 46,
            "p50": 16,
            "p95": 18.7,
            "p99": 18.94,
            "slowdown": 17 / 11,
            "energy": 35.5,  # A: 21 idle, 25 busy; B: 26 with none, 16 with one, 4 with two
            "edp": 35.5 * 17,
            "missed": 1 / 3,  # due after ceil(16.5)
            "utilisation": 49 / 138,
            "throughput": 3000 / 46,
            "completed": 3,
            "lost": 0,
            "blocked": 0,
        },
        abs=1e-12,
    )
    assert list(verdict.values) == list(OBJECTIVES)
    assert cluster_profile(workload(), record()).tolist() == [[21, 25, 0], [26, 16, 4]]


def test_warm_up_and_cool_down_choose_the_jobs_that_count():
    instance = workload(replace(DRAIN, warmup=20, cooldown=1))
    assert counted(instance, record()).tolist() == [False, True, False]
    assert latencies(instance, record()).tolist() == [19]
    instance = workload(replace(DRAIN, warmup=11))
    assert counted(instance, record()).tolist() == [False, True, True]
    assert measure(instance, record())["latency"] == 17.5


def test_cut_run_counts_what_is_done_and_the_energy_of_what_runs():
    verdict = validate(workload(CUT), record(end=40, change=CUT_AT_40))
    assert verdict.violations == ()
    assert verdict.values["latency"] == 17.5
    assert verdict.values["completed"] == 2
    assert verdict.values["energy"] == (21 * 0.25 + 19 * 1.25 + 20 * 1 + 16 * 2 + 4 * 3) / 2
    instance = workload(replace(CUT, warmup=27))
    assert counted(instance, record(end=40, change=CUT_AT_40)).tolist() == [False, True, False]


def test_run_without_jobs_has_no_latency_and_leaks():
    run = Run(app=[], arrival=[], inject=[], pe=[], start=[], finish=[], end=10)
    values = validate(workload(replace(CUT, length=10)), run).values
    assert values == {name: 12.5 if name == "energy" else 0.0 for name in OBJECTIVES}


EXTRA = {"pe": [*PE, [-1] * 4], "start": [*START, [-1] * 4], "finish": [*FINISH, [-1] * 4]}
SLOW = {**move(2, 0, 32, 36), **move(2, 2, 36, 42), **move(2, 3, 45, 47)}
BROKEN = {
    "width": (DRAIN, record([10], [[0]], [[10]], [[13]]), "shape", "has 1 tasks per job, expected 4"),
    "app": (DRAIN, record(app=[0, 1, 0]), "shape", "job 1 is of application 1; expected 0 … 0"),
    "no pe": (DRAIN, record(change={("pe", 1, 2): -1}), "shape", "job 1 task 2 starts at 28 on no PE"),
    "no start": (DRAIN, record(change={("start", 1, 2): -1}), "shape", "job 1 task 2 on PE 2 finishes at 34 without"),
    "negative": (DRAIN, record(change=move(0, 0, -2, -1)), "shape", "job 0 task 0 on PE 0 has PE 0, start -2"),
    "negative arrival": (DRAIN, record(arrival=[-1, 20, 30]), "shape", "job 0 has arrival -1"),
    "unknown pe": (DRAIN, record(change={("pe", 0, 3): 3}), "support", "job 0 task 3 on PE 3 is on none of PEs 0 … 2"),
    "support": (DRAIN, record(change=move(1, 1, 25, 28, pe=2)), "support", "job 1 task 1 on PE 2 is on a PE that does"),
    "long": (
        DRAIN,
        record(end=47, change=move(2, 3, 44, 47)),
        "duration",
        "job 2 task 3 on PE 0 runs from 44 to 47; its 2 ticks and the pauses end at 46",
    ),
    "short": (DRAIN, record(change=move(2, 3, 44, 45)), "duration", "job 2 task 3 on PE 0 runs from 44 to 45"),
    "never ends": (
        CUT,
        record(end=40, change={**CUT_AT_40, ("finish", 2, 2): -1}),
        "duration",
        "job 2 task 2 on PE 1 starts at 34 and has no finish; its 6 ticks and the pauses end at 40",
    ),
    "in outage": (
        replace(DRAIN, outages=((2, 27, 29),)),
        record(),
        "outage",
        "job 1 task 2 on PE 2 starts at 28, in an outage",
    ),
    "not paused": (
        replace(DRAIN, outages=((1, 20, 22),)),
        record(change=move(0, 3, 26, 28) | {("start", 2, 0): 30}),
        "duration",
        "job 0 task 2 on PE 1 runs from 18 to 24; its 6 ticks and the pauses end at 26",
    ),
    "before data": (
        DRAIN,
        record(change=move(0, 2, 17, 23)),
        "precedence",
        "job 0 task 2 on PE 1 starts at 17, before data of task 0 comes at 18",
    ),
    "before entry": (
        DRAIN,
        record(change=move(0, 0, 9, 12)),
        "precedence",
        "job 0 task 0 on PE 0 starts at 9, before its job enters at 10",
    ),
    "before end": (
        CUT,
        record(end=40, change=CUT_AT_40 | {("pe", 2, 3): 2, ("start", 2, 3): 40}),
        "precedence",
        "job 2 task 3 on PE 2 starts at 40, but task 1 has not finished",
    ),
    "overlap": (
        DRAIN,
        record(change=move(2, 1, 38, 43)),
        "overlap",
        "PE 0: job 2 task 1 starts at 38, before job 1 task 3 ends at 39",
    ),
    "other arrival": (DRAIN, record(arrival=[10, 19, 30]), "source", "job 1 arrives at 19; the source brings it at 20"),
    "late entry": (
        DRAIN,
        record([10, 20, 32], arrival=ENTRY, change=SLOW, end=47),
        "source",
        "job 2 enters at 32; it had to enter at 30",
    ),
    "missing": (
        DRAIN,
        record(ENTRY[:2], PE[:2], START[:2], FINISH[:2]),
        "source",
        "job 2 is missing: application 0 arrives at 30",
    ),
    "too many": (
        DRAIN,
        record([*ENTRY, -1], arrival=[*ENTRY, 40], **EXTRA),
        "source",
        "job 3 is recorded, but the source has brought 3 jobs by 46",
    ),
    "full": (
        replace(DRAIN, capacity=1),
        record(),
        "capacity",
        "job 1 enters at 20, but the system is full until 26",
    ),
    "not done": (
        DRAIN,
        record(change={(field, 2, 3): -1 for field in ("pe", "start", "finish")}),
        "complete",
        "job 2 counts, but is not done when the run ends at 46",
    ),
    "after the end": (DRAIN, record(end=45), "end", "job 2 task 3 on PE 0 finishes at 46, after the run's end at 45"),
    "entry after the end": (DRAIN, record(arrival=[10, 20, 47]), "end", "job 2 has arrival 47, after the run's end"),
    "no end": (DRAIN, record(end=-1), "end", "the run ends at -1; expected 0 …"),
    "jobs may come": (
        replace(DRAIN, warmup=20),
        record(np.zeros(0, int), np.zeros((0, 4), int), np.zeros((0, 4), int), np.zeros((0, 4), int), end=9),
        "end",
        "the run ends at 9, but a job that counts may come at 10",
    ),
    "cut late": (CUT, record(end=42, change=CUT_AT_40), "end", "the run ends at 42; expected its length, 40"),
    "cut at length": (
        replace(CUT, stop_after=2),
        record(end=40, change=CUT_AT_40),
        "end",
        "the run ends at 40; expected the completion of 2 jobs, 39",
    ),
    "cut before": (
        replace(CUT, length=None, jobs=3, stop_after=3),
        record(end=40, change=CUT_AT_40),
        "end",
        "the run ends at 40; expected the completion of 3 jobs",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_rule_broken_once_is_seen_alone(case):
    assert_broken(*BROKEN[case])


def test_verdict_on_another_workload_and_on_a_broken_run_has_no_values():
    verdict = validate(workload(), replace(record(), instance_digest="0" * 16))
    assert [violation.rule for violation in verdict.violations] == ["instance"]
    assert verdict.values == {}
    assert validate(workload(), replace(record(), instance_digest=workload().digest)).feasible


def test_entries_of_tasks_that_do_not_exist_are_seen():
    scenario = Scenario(arrivals="trace", trace=((0, 1),), length=None)
    run = record([0], [[0, -1, -1, -1]], [[0, -1, -1, -1]], [[15, -1, -1, -1]], 15, app=[1])
    assert found(scenario, run, FORK, ONE) == []
    run = replace(run, pe=[[0, 1, -1, -1]])
    assert_broken(scenario, run, "shape", "job 0 task 1 on PE 1 has entries, but does not exist", FORK, ONE)


def test_at_most_twenty_violations_are_reported():
    entry = list(range(10, 400, 10))
    run = singles(entry, [at - 1 for at in entry], [at + 14 for at in entry], 500)
    assert len(found(replace(DRAIN, length=400, capacity=99), run, ONE)) == 20


def test_outage_pauses_the_running_task_and_its_power():
    scenario = replace(DRAIN, outages=((1, 20, 22), (1, 25, 26)))
    # The first pause pushes the task into the second: 18 … 20, 22 … 25, 26 … 27. It then holds task 3 up, too.
    change = move(0, 2, 18, 27) | move(0, 3, 27, 29)
    assert found(scenario, record(change=change)) == []
    assert cluster_profile(workload(scenario), record(change=change)).tolist() == [[21, 25, 0], [27, 14, 5]]
    # An outage that begins when the task ends does not pause it, and one that ends lets a task start.
    assert found(replace(DRAIN, outages=((1, 16, 18), (1, 26, 30))), record()) == []


@pytest.mark.parametrize(("end", "feasible"), [(29, False), (30, True)])
def test_blocked_job_keeps_a_run_open_while_it_may_count(end, feasible):
    nothing = [-1] * 4
    run = record(
        [10, -1], [[0, 0, 1, -1], nothing], [[10, 13, 18, -1], nothing], [[13, 18, 24, -1], nothing], end, [10, 20]
    )
    expected = [] if feasible else [("end", f"the run ends at {end}, but job 1 may still enter and count")]
    assert found(HELD, run) == expected
    assert measure(workload(HELD), run)["blocked"] == end - 20


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"length": 100, "jobs": 3}, 46),
        ({"length": 100, "jobs": 3}, 100),
        ({"length": 100, "jobs": 3, "stop_after": 3}, 46),
        ({"length": None, "jobs": 3, "stop_after": 4}, 46),
    ],
)
def test_cut_run_may_end_when_nothing_more_can_happen(change, end):
    assert found(replace(CUT, **change), record(end=end)) == []


def test_cut_run_that_ends_before_its_last_job_is_too_short():
    assert_broken(
        replace(CUT, length=100, jobs=3), record(end=46, change=CUT_AT_40 | {("finish", 2, 1): 44}), "end", "100"
    )


BLOCK = replace(DRAIN, capacity=1, length=36)


def test_block_holds_the_source_until_the_job_is_in():
    run = singles([10, 25, 40], [10, 25, 40], [25, 40, 55], 55, arrival=[10, 20, 35])
    assert found(BLOCK, run, ONE) == []
    values = measure(workload(BLOCK, ONE), run)
    assert (values["latency"], values["blocked"], values["lost"]) == (15, 10, 0)
    assert_broken(
        BLOCK, replace(run, arrival=[10, 20, 30]), "source", "job 2 arrives at 30; the source brings it at 35", ONE
    )


QUEUE = replace(DRAIN, capacity=1, full="queue")


def test_queue_lets_the_source_go_on_and_counts_from_arrival():
    run = singles([10, 25, 40], [10, 25, 40], [25, 40, 55], 55, arrival=[10, 20, 30])
    assert found(QUEUE, run, ONE) == []
    values = measure(workload(QUEUE, ONE), run)
    assert (values["latency"], values["blocked"]) == (20, 0)
    assert_broken(
        QUEUE, replace(run, inject=[10, 24, 40]), "capacity", "job 1 enters at 24, but the system is full until 25", ONE
    )
    late = singles([10, 25, 41], [10, 25, 41], [25, 40, 56], 56, arrival=[10, 20, 30])
    assert_broken(QUEUE, late, "source", "job 2 enters at 41; it had to enter at 40", ONE)


def test_queue_records_jobs_that_still_wait_and_they_count():
    run = singles([10, 25, -1], [10, 25, -1], [25, 40, -1], 39, arrival=[10, 20, 30])
    run = replace(run, pe=[[0], [0], [-1]], finish=[[25], [-1], [-1]])
    assert [message for _, message in found(QUEUE, run, ONE)] == [
        "job 1 counts, but is not done when the run ends at 39",
        "job 2 counts, but is not done when the run ends at 39",
    ]
    assert found(replace(QUEUE, end="cut", length=39), run, ONE) == []
    free = replace(run, end=40, finish=[[25], [40], [-1]])
    assert_broken(
        replace(QUEUE, end="cut", length=40), free, "source", "job 2 has not entered; it had to enter at 40", ONE
    )


REDRAW = replace(DRAIN, capacity=1, full="redraw", length=60)


def test_redraw_loses_arrivals_and_comes_again_a_tick_and_a_gap_later():
    run = singles([10, 31, 52], [10, 31, 52], [25, 46, 67], 67)
    assert found(REDRAW, run, ONE) == []
    values = measure(workload(REDRAW, ONE), run)
    assert (values["lost"], values["blocked"], values["latency"]) == (2, 0, 15)
    early = singles([10, 20, 52], [10, 31, 52], [25, 46, 67], 67)
    assert_broken(REDRAW, early, "capacity", "job 1 enters at 20, when 1 jobs fill the system", ONE)


def test_ends_come_before_attempts_but_for_tasks_without_length():
    scenario = replace(REDRAW, scale=15, length=31)
    assert found(scenario, singles([15, 30], [15, 30], [30, 45], 45), ONE) == []
    tail = record([15], [[0, 0]], [[15, 30]], [[30, 30]], 45)
    assert found(scenario, tail, TAIL) == []
    assert measure(workload(scenario, TAIL), tail)["lost"] == 1
    waits = replace(scenario, full="block")
    both = record([15, 30], [[0, 0]] * 2, [[15, 30], [30, 45]], [[30, 30], [45, 45]], 45)
    assert found(waits, both, TAIL) == []


def test_prefill_comes_before_the_first_attempt():
    scenario = replace(DRAIN, prefill=True, jobs=3)
    run = record([0, 0, 15], [[0], [1], [0]], [[0], [0], [15]], [[15], [15], [30]], 30, arrival=[0, 0, 10])
    assert found(scenario, run, ONE) == []
    assert_broken(
        replace(scenario, prefill=False), run, "source", "job 0 arrives at 0; the source brings it at 10", ONE
    )
    # A source of two jobs has given all at time 0.
    two = record([0, 0], [[0], [1]], [[0], [0]], [[15], [15]], 15)
    assert found(replace(scenario, jobs=2), two, ONE) == []


def test_trace_names_times_and_applications():
    scenario = Scenario(arrivals="trace", trace=((0, 1), (3, 0), (4, 1)), capacity=1, length=None)
    pe, start, finish = [[0, 0], [0, -1], [0, 0]], [[0, 15], [15, -1], [30, 45]], [[15, 15], [30, -1], [45, 45]]
    run = record([0, 15, 30], pe, start, finish, 45, arrival=[0, 3, 15], app=[1, 0, 1])
    assert found(scenario, run, ONE, TAIL) == []
    queued = replace(run, arrival=[0, 3, 4])
    assert found(replace(scenario, full="queue"), queued, ONE, TAIL) == []
    other = replace(scenario, trace=((0, 1), (3, 1), (4, 1)))
    assert_broken(other, run, "source", "job 1 is of application 0; the source brings 1", ONE, TAIL)
    alone = record([0], pe[:1], start[:1], finish[:1], 15, app=[1])
    assert found(replace(scenario, full="redraw"), alone, ONE, TAIL) == []
    assert measure(workload(replace(scenario, full="redraw"), ONE, TAIL), alone)["lost"] == 2


def test_tick_compat_notices_short_tasks_a_tick_late():
    scenario = Scenario(arrivals="trace", trace=((0, 0),), length=None, tick_compat=True)
    assert found(scenario, record([0], [[0, 0]], [[0, 2]], [[1, 3]], 3), STEPS) == []
    early = record([0], [[0, 0]], [[0, 1]], [[1, 2]], 2)
    assert_broken(scenario, early, "precedence", "starts at 1, before data of task 0 comes at 2", STEPS)
    assert found(replace(scenario, tick_compat=False), early, STEPS) == []
    # The late notice and the way of the data do not add up: 1 + floor(8 / 2) is later than 2.
    assert found(scenario, record([0], [[0, 1]], [[0, 5]], [[1, 6]], 6), STEPS) == []
    assert_broken(scenario, record([0], [[0, 1]], [[0, 4]], [[1, 5]], 5), "precedence", "comes at 5", STEPS)
    # A task of two ticks, and the end of the job, are noticed at once.
    longer = Workload.build(replace(PLATFORM, times={"*": {"tick": [2, 2]}}), (STEPS,), scenario)
    verdict = validate(longer, record([0], [[0, 0]], [[0, 2]], [[2, 4]], 4))
    assert verdict.values["latency"] == 4


def test_shared_memory_fetches_after_the_data_is_there():
    scenario = Scenario(arrivals="trace", trace=((0, 0),), length=None, communication="shared_memory")
    # 1 + floor(8 / 4) into the memory, floor(8 / 1) out of it.
    assert found(scenario, record([0], [[0, 1]], [[0, 11]], [[1, 12]], 12), STEPS) == []
    early = record([0], [[0, 1]], [[0, 10]], [[1, 11]], 11)
    assert_broken(scenario, early, "precedence", "starts at 10, before data of task 0 comes at 11", STEPS)


@pytest.mark.parametrize(("at", "feasible"), [(15, True), (20, False), (30, True)])
def test_task_without_length_may_stand_between_others_only(at, feasible):
    scenario = Scenario(arrivals="trace", trace=((0, 0), (0, 1)), length=None)
    run = record([0, 0], [[0, 0], [0, -1]], [[0, at], [15, -1]], [[15, at], [30, -1]], 30, app=[0, 1])
    complaints = found(scenario, run, TAIL, ONE)
    assert ([rule for rule, _ in complaints] == []) if feasible else ([rule for rule, _ in complaints] == ["overlap"])


def one_by_one(instance):
    """A valid run at capacity 1, full="block": one job after the other, all its tasks on PE 1 in topological order."""
    shares, kind = cumulative(instance.probability), ("exponential", "periodic").index(instance.arrivals)
    noise, width = ("gaussian", "lognormal").index(instance.noise), instance.exec_time.shape[1]
    jobs, entry, free = [], 0, 0
    while len(jobs) < instance.jobs:
        job = len(jobs)
        arrival = entry + int(draw_gap(instance.seed, job, kind, instance.scale))
        if instance.length is not None and arrival >= instance.length:
            break
        app, entry = int(draw_app(instance.seed, job, shares)), max(arrival, free)
        row, free = np.full((3, width), -1), entry
        for task in topological_order(int(instance.n_tasks[app]), [edge[:2] for edge in instance.edges_of(app)]):
            mean, std = int(instance.exec_time[app, task, 1]), float(instance.std[app, task])
            row[:, task] = 1, free, free + int(draw_duration(instance.seed, job, task, mean, std, noise))
            free = int(row[2, task])
        jobs.append((app, arrival, entry, row))
    app, arrival, entries, rows = zip(*jobs, strict=True)
    pe, start, finish = np.array(rows).transpose(1, 0, 2)
    return Run(app, arrival, entries, pe, start, finish, int(finish.max()), instance.digest)


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
def test_arrivals_applications_and_durations_are_the_drawn_ones(noise):
    scenario = Scenario(scale=12.5, capacity=1, length=900, noise=noise, std=0.3, seed=7)
    instance = workload(scenario, ONE, TAIL, STEPS, probability=[1, 2, 3])
    run = one_by_one(instance)
    assert validate(instance, run).violations == ()
    assert set(run.app.tolist()) == {0, 1, 2}
    for seed in (8, 9):
        other = replace(run, instance_digest="")
        assert validate(replace(instance, seed=seed), other).violations[0].rule == "source"
    louder = validate(replace(instance, std=instance.std * 1.5), replace(run, instance_digest=""))
    assert {violation.rule for violation in louder.violations} == {"duration"}


def test_long_run_is_judged_whole():
    """2,000 jobs of 34 tasks; the last task of the last job is as well looked at as the first."""
    chain = Application("chain", ("d",) * 34, tuple((task, task + 1, 3) for task in range(33)))
    instance = workload(Scenario(scale=50.0, capacity=1, length=None, jobs=2000, std=0.2), chain)
    run = one_by_one(instance)
    verdict = validate(instance, run)
    assert verdict.violations == ()
    assert verdict.values["completed"] == 2000
    assert verdict.values["latency"] == (run.finish.max(axis=1) - run.inject).mean()
    start = run.start.copy()
    start[-1, -1] -= 1
    rules = [violation.rule for violation in validate(instance, replace(run, start=start)).violations]
    assert rules == ["duration", "precedence", "overlap"]


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_run_saves_and_loads(tmp_path, ending):
    for name, run in (("full", record()), ("empty", Run([], [], [], [], [], [], 10))):
        run.save(tmp_path / f"{name}{ending}")
        assert Run.load(tmp_path / f"{name}{ending}") == run


def test_run_of_unequal_lengths_is_refused():
    with pytest.raises(InputError, match="'arrival': shape"):
        record(arrival=[10, 20])
    with pytest.raises(InputError, match="'start': shape"):
        record(start=START[:2])
