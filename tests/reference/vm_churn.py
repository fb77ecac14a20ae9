"""Churn replayed on plain lists of VMs, with no running totals; shares only the random numbers with the package."""

import math

import numpy as np

from ganttlet.core.rng import key_of, uniform

KINDS = ("arrival", "exit")


def draw(seed, kind, number, count):
    key = np.uint64(key_of(np.uint64(seed), np.uint64(KINDS.index(kind)), np.uint64(number)))
    return float(uniform(key, np.uint64(count)))


def timeline(seed, delay, rate):
    """Return (seconds, kind, number), in order of time."""
    found = []
    for kind in KINDS:
        now, number = 0.0, 0
        while True:
            now += -math.log(1.0 - draw(seed, kind, number, 0)) / (rate / 60.0)
            if now > delay:
                break
            found.append((now, kind, number))
            number += 1
    return sorted(found, key=lambda event: event[0])


class PlainCluster:
    """VMs as dictionaries: index (None for arrivals), cores, memory, split, host, numa."""

    def __init__(self, instance):
        self.instance = instance
        columns = (instance.cores, instance.memory, instance.split, instance.host, instance.numa)
        self.vms = [
            dict(zip(("index", "cores", "memory", "split", "host", "numa"), (v, *map(int, row)), strict=True))
            for v, row in enumerate(zip(*columns, strict=True))
        ]

    def free(self, host, node, without=None):
        cpu, mem = int(self.instance.cpu[host, node]), int(self.instance.mem[host, node])
        for vm in self.vms:
            if vm is not without and vm["host"] == host and vm["numa"] in (node, 2):
                cpu -= vm["cores"] // (2 if vm["split"] else 1)
                mem -= vm["memory"] // (2 if vm["split"] else 1)
        return cpu, mem

    def fits(self, vm, host, numa):
        for node in (0, 1) if numa == 2 else (numa,):
            cpu, mem = self.free(host, node, without=vm)
            if cpu < vm["cores"] // (2 if vm["split"] else 1) or mem < vm["memory"] // (2 if vm["split"] else 1):
                return False
        return True

    def arrive(self, share):
        template = int(share * self.instance.n_vms)
        new = {
            "index": None,
            "cores": int(self.instance.cores[template]),
            "memory": int(self.instance.memory[template]),
            "split": int(self.instance.split[template]),
            "host": None,
            "numa": None,
        }
        places = []
        for host in range(self.instance.n_hosts):
            for numa in (2,) if new["split"] else (0, 1):
                if self.fits(new, host, numa):
                    left = sum(self.free(host, node)[0] for node in ((0, 1) if numa == 2 else (numa,)))
                    places.append((left, host, numa))
        if not places:
            return False
        _, new["host"], new["numa"] = min(places)
        self.vms.append(new)
        return True

    def allowed(self, vm, host, numa):
        if (vm["host"], vm["numa"]) == (host, numa) or not self.fits(vm, host, numa):
            return False
        groups = {group for group, member in self.instance.groups.tolist() if member == vm["index"]}
        others = {member for group, member in self.instance.groups.tolist() if group in groups} - {vm["index"]}
        return not any(one["index"] in others and one["host"] == host for one in self.vms)

    def rate(self):
        free = [self.free(i, k)[0] for i in range(self.instance.n_hosts) for k in (0, 1)]
        return sum(f % self.instance.block for f in free) / sum(free), sum(f // self.instance.block for f in free)


def replay(instance, plan, delay, rate, on_invalid, seed):
    """Return the fields of ChurnResult as a tuple, in their order."""
    cluster = PlainCluster(instance)
    counts = {"arrival": 0, "exit": 0, "rejected": 0}
    for _, kind, number in timeline(seed, delay, rate):
        share = draw(seed, kind, number, 1)
        if kind == "arrival":
            counts["arrival" if cluster.arrive(share) else "rejected"] += 1
        elif cluster.vms:
            cluster.vms.pop(int(share * len(cluster.vms)))
            counts["exit"] += 1
    unplanned = cluster.rate()[0]
    done = invalid = untried = 0
    aborted = False
    for index, host, numa in plan.moves.tolist():
        if aborted:
            untried += 1
            continue
        vm = next((one for one in cluster.vms if one["index"] == index), None)
        if vm is None or not cluster.allowed(vm, host, numa):
            invalid += 1
            aborted = on_invalid == "abort"
            continue
        vm["host"], vm["numa"] = host, numa
        done += 1
    rate_after, blocks = cluster.rate()
    return (rate_after, blocks, unplanned, done, invalid, untried, *counts.values())
