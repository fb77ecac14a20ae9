"""Small random clusters and pod packings, and random plans of feasible moves."""

import numpy as np

from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan

FLAVOURS = ((2, 0), (4, 0), (8, 0), (8, 1), (16, 0), (16, 1), (32, 1))


def sample_cluster(seed=0, hosts=6, vms=24, limit=8, **fields):
    """Place VMs at random on hosts of 2 x 44 cores, as many as fit."""
    rng = np.random.default_rng(seed)
    cpu, mem = np.full((hosts, 2), 44), np.full((hosts, 2), 100_000)
    free, columns = cpu.copy(), []
    for _ in range(vms):
        cores, split = FLAVOURS[rng.integers(len(FLAVOURS))]
        places = [(i, 2) for i in range(hosts)] if split else [(i, k) for i in range(hosts) for k in (0, 1)]
        need = cores // 2 if split else cores
        fits = [(i, k) for i, k in places if all(free[i, n] >= need for n in ((0, 1) if k == 2 else (k,)))]
        if fits:
            i, k = fits[rng.integers(len(fits))]
            for n in (0, 1) if k == 2 else (k,):
                free[i, n] -= need
            columns.append((cores, 2048 * cores, split, i, k))
    cores, memory, split, host, numa = zip(*columns, strict=True)
    return Cluster(f"sample {seed}", cpu, mem, cores, memory, split, host, numa, limit=limit, **fields)


def sample_pods(seed=0, nodes=4, per_node=5, tiers=3, limit=8, **fields):
    """Place pods of random requests first-fit on nodes of half a pod more than what they ask; the rest are pending."""
    rng = np.random.default_rng(seed)
    count = nodes * per_node
    cores, memory = rng.integers(100, 1000, count), rng.integers(100, 1000, count)
    room = np.array([cores.sum() // nodes, memory.sum() // nodes]) + 100
    free, host = np.tile(room, (nodes, 1)), np.full(count, -1)
    for pod in range(count):
        fits = np.flatnonzero((free >= (cores[pod], memory[pod])).all(axis=1))
        if len(fits):
            host[pod] = fits[0]
            free[fits[0]] -= (cores[pod], memory[pod])
    cpu, mem = np.full((nodes, 1), room[0]), np.full((nodes, 1), room[1])
    split, numa, priority = np.zeros(count, int), np.where(host < 0, -1, 0), rng.integers(0, tiers, count)
    return Cluster(f"pods {seed}", cpu, mem, cores, memory, split, host, numa, priority=priority, limit=limit, **fields)


def sample_plan(instance, moves, seed=0):
    """Draw moves until that many are feasible, one after the other."""
    rng = np.random.default_rng(seed)
    usage, rows = instance.usage(), []
    while len(rows) < moves:
        vm = int(rng.integers(instance.n_vms))
        host, numa = int(rng.integers(instance.n_hosts)), int(rng.integers(instance.n_numa))
        if instance.split[vm]:
            numa = 2
        if instance.is_pods and rng.random() < 0.3:
            host = numa = -1
        if usage.complaint(vm, host, numa) is None:
            usage.move(vm, host, numa)
            rows.append((vm, host, numa))
    return Plan(np.array(rows), instance.digest)
