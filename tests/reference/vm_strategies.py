"""Hypothesis strategies for small clusters and pod-packing problems, full and empty hosts among them."""

from hypothesis import strategies as st

from ganttlet.vm_rescheduling.instance import Cluster

GOALS = st.sampled_from([0.0, 0.123, 0.287, 0.531, 1.0])


def _keep_apart(draw, host):
    """Draw pairs (group, VM) of which no two VMs of a group share a host, pending ones apart."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, len(host) - 1)), max_size=6, unique=True))
    kept, seen = [], set()
    for group, vm in pairs:
        if host[vm] < 0 or (group, host[vm]) not in seen:
            seen.add((group, host[vm]))
            kept.append((group, vm))
    return kept


@st.composite
def clusters(draw, least_limit=0):
    """Draw clusters of up to 4 unlike hosts and 9 VMs of up to 4 kinds."""
    n = draw(st.integers(1, 4))
    capacity = lambda top: [[draw(st.integers(0, top)) for _ in range(2)] for _ in range(n)]  # noqa: E731
    cpu, mem = capacity(40), capacity(60)
    cpu[0][0] += 1
    kinds = [(1, 0, 0)]
    for _ in range(draw(st.integers(1, 3))):
        split = draw(st.booleans())
        cores, memory = draw(st.integers(1, 12)), draw(st.integers(0, 14))
        kinds.append((2 * cores, 2 * memory, 1) if split else (cores, memory, 0))
    free = [[[cpu[i][k], mem[i][k]] for k in range(2)] for i in range(n)]
    vms = []
    for _ in range(draw(st.integers(1, 9))):
        cores, memory, split = draw(st.sampled_from(kinds))
        host, numa = draw(st.integers(0, n - 1)), 2 if split else draw(st.integers(0, 1))
        on, part = ((0, 1), 2) if split else ((numa,), 1)
        if all(free[host][k][0] >= cores // part and free[host][k][1] >= memory // part for k in on):
            for k in on:
                free[host][k][0] -= cores // part
                free[host][k][1] -= memory // part
            vms.append((cores, memory, split, host, numa))
    if not vms:
        vms = [(1, 0, 0, 0, 0)]
    cores, memory, split, host, numa = zip(*vms, strict=True)
    if draw(st.booleans()):  # hosts so full that few VMs have more than one place to go to
        spare = st.sampled_from([0, 0, *cores])
        cpu, mem = (
            [[row[k] - free[i][k][r] for k in range(2)] for i, row in enumerate(have)]
            for r, have in enumerate((cpu, mem))
        )
        cpu = [[one + draw(spare) for one in row] for row in cpu]
        mem = [[one + draw(st.integers(0, 30)) for one in row] for row in mem]
        cpu[0][0] = max(1, cpu[0][0])
    return Cluster(
        "drawn",
        cpu,
        mem,
        cores,
        memory,
        split,
        host,
        numa,
        limit=draw(st.integers(least_limit, 4)),
        block=draw(st.sampled_from([1, 4, 16])),
        memory_block=draw(st.sampled_from([1, 8, 50])),
        mix=draw(st.sampled_from([0.0, 0.3, 1.0])),
        goal=draw(GOALS),
        groups=_keep_apart(draw, host),
    )


@st.composite
def pod_problems(draw):
    """Draw pods of up to 4 priorities on up to 4 unlike nodes, some pending."""
    n = draw(st.integers(1, 4))
    cpu, mem = ([draw(st.integers(0, 30)) for _ in range(n)] for _ in range(2))
    free = [list(pair) for pair in zip(cpu, mem, strict=True)]
    pods = []
    for _ in range(draw(st.integers(1, 8))):
        cores, memory, host = draw(st.integers(1, 12)), draw(st.integers(0, 12)), draw(st.integers(-1, n - 1))
        if host >= 0 and (free[host][0] < cores or free[host][1] < memory):
            host = -1
        if host >= 0:
            free[host][0] -= cores
            free[host][1] -= memory
        pods.append((cores, memory, host, draw(st.sampled_from([0, 2, 3, 90]))))
    cores, memory, host, priority = zip(*pods, strict=True)
    return Cluster(
        "drawn",
        [[one] for one in cpu],
        [[one] for one in mem],
        cores,
        memory,
        [0] * len(pods),
        host,
        [min(one, 0) for one in host],
        limit=draw(st.integers(0, 4)),
        groups=_keep_apart(draw, host),
        priority=priority,
        count_placements=draw(st.booleans()),
    )
