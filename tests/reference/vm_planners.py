"""Slow planners for VM rescheduling in plain Python: they try every move and add up the whole cluster after each.

They read the fields of a Cluster and share no code with the package. Costs are whole numbers: 2^20 for a core that is a
fragment; with objective ``mixed`` 2^40 times what a core and a MB weigh in it, rounded; the convex term is rounded too.
"""

from functools import partial

SLACK = 1e-9


class Planner:
    """A cluster on which moves are played; ``at`` holds (host, NUMA node) of every VM, None for one taken off."""

    def __init__(self, cluster, objective="fr16", eps=0.0, p=2.0):
        self.cluster, self.objective, self.eps, self.p = cluster, objective, eps, p
        self.cpu, self.mem = cluster.cpu.tolist(), cluster.mem.tolist()
        self.cores, self.memory, self.split = (getattr(cluster, name).tolist() for name in ("cores", "memory", "split"))
        self.at = list(zip(cluster.host.tolist(), cluster.numa.tolist(), strict=True))
        self.groups = [{g for g, v in cluster.groups.tolist() if v == vm} for vm in range(len(self.cores))]
        self.vms, self.hosts = range(len(self.cores)), range(len(self.cpu))
        self.moves = []
        self.weights = (2**20, 0)
        if objective == "mixed":
            free = self.free()
            cores, megabytes = (sum(node[i] for host in free for node in host) for i in (0, 1))
            self.weights = (
                round(2**40 * cluster.mix / max(1, cores)),
                round(2**40 * (1 - cluster.mix) / max(1, megabytes)),
            )

    def takes(self, vm, numa):
        """NUMA node -> (cores, MB)."""
        share = 2 if numa == 2 else 1
        return {
            node: (self.cores[vm] // share, self.memory[vm] // share) for node in ((0, 1) if numa == 2 else (numa,))
        }

    def free(self):
        free = [[[c, m] for c, m in zip(*rows, strict=True)] for rows in zip(self.cpu, self.mem, strict=True)]
        for vm, place in enumerate(self.at):
            if place is not None:
                for node, (cores, memory) in self.takes(vm, place[1]).items():
                    free[place[0]][node][0] -= cores
                    free[place[0]][node][1] -= memory
        return free

    def cost(self, eps=0.0, hosts=None):
        total = 0
        for host, nodes in enumerate(self.free()):
            for node in nodes if hosts is None or host in hosts else ():
                for free, weight, block in zip(
                    node, self.weights, (self.cluster.block, self.cluster.memory_block), strict=True
                ):
                    rest = free % block
                    total += weight * rest + round(-eps * block * (rest / block) ** self.p * weight)
        return total

    def places(self, vm):
        """All places of a VM's kind, by host and NUMA node."""
        return [(i, k) for i in self.hosts for k in ((2,) if self.split[vm] else range(len(self.cpu[0])))]

    def room(self, vm, place, memory=True):
        """Whether a VM that is not there fits."""
        free = self.free()[place[0]]
        return all(
            free[node][0] >= cores and (not memory or free[node][1] >= size)
            for node, (cores, size) in self.takes(vm, place[1]).items()
        )

    def clear(self, vm, host):
        return not any(
            self.groups[vm] & self.groups[other]
            for other in self.vms
            if other != vm and self.at[other] is not None and self.at[other][0] == host
        )

    def legal(self, vm, memory=True):
        return [
            place
            for place in self.places(vm)
            if place != self.at[vm] and self.room(vm, place, memory) and self.clear(vm, place[0])
        ]

    def gain(self, vm, place, eps=0.0):
        """By how much the cost falls if a VM goes to a place, or off its own if that is None."""
        before, own = self.cost(eps), self.at[vm]
        self.at[vm] = place
        after = self.cost(eps)
        self.at[vm] = own
        return before - after

    def move(self, vm, place):
        self.at[vm] = place
        self.moves.append((vm, *place))

    @property
    def spent(self):
        """Whether the limit or the goal is reached."""
        if self.objective == "goal":
            cores = [node[0] for host in self.free() for node in host]
            rate = sum(one % self.cluster.block for one in cores) / sum(cores) if sum(cores) else 0.0
            if rate <= self.cluster.goal + SLACK:
                return True
        return len(self.moves) == self.cluster.limit

    def first_best(self, pairs, key):
        """The first of the pairs with the greatest key, and the key; (None, None) if there are none."""
        best, top = None, None
        for pair in pairs:
            value = key(pair)
            if top is None or value > top:
                best, top = pair, value
        return best, top


def descend(cluster, objective="fr16", eps=0.0, p=2.0, once=False):
    """Best one-step moves while they gain, cut where the objective is least: ``greedy``, or with eps ``potential``."""
    board = Planner(cluster, objective, eps, p)
    costs = [board.cost()]
    while not board.spent:
        moved = {vm for vm, *_ in board.moves} if once else set()
        pairs = [(vm, place) for vm in board.vms if vm not in moved for place in board.legal(vm)]
        pair, gain = board.first_best(pairs, lambda pair: board.gain(*pair, eps))
        if pair is None or gain < 0 or (gain == 0 and not once):
            break
        board.move(*pair)
        costs.append(board.cost())
    return board.moves[: costs.index(min(costs))]


def ha(cluster, memory=True, objective="fr16"):
    """The published heuristic: the VM by what leaving gains, then another host."""
    board = Planner(cluster, objective)
    if not memory:
        board.weights = (2**20, 0)
    while not board.spent:
        small = [vm for vm in board.vms if board.cores[vm] <= cluster.block]
        vm, _ = board.first_best(small, lambda vm: board.gain(vm, None))
        if vm is None:
            break
        there = [place for place in board.legal(vm, memory) if place[0] != board.at[vm][0]]
        place, gain = board.first_best(there, partial(board.gain, vm))
        if place is None or gain <= 0 or place not in board.legal(vm):
            break
        board.move(vm, place)
    return board.moves


def keep_best(board, places, start, costs):
    """Undo what came after the least cost; ``places`` are where everything lay before each of the moves."""
    keep = costs.index(min(costs))
    board.at = places[keep]
    del board.moves[start + keep :]
    return keep > 0


def best_fit_repack(cluster, objective="fr16"):
    """Empty the worst host best-fit, keep what helps, begin anew."""
    board = Planner(cluster, objective)
    helped = True
    while helped and not board.spent:
        helped = False
        for host in sorted(board.hosts, key=lambda host: -board.cost(hosts=[host])):
            start, places, costs = len(board.moves), [list(board.at)], [board.cost()]
            here = [vm for vm in board.vms if board.at[vm][0] == host]
            for vm in sorted(here, key=lambda vm: -board.cores[vm]):
                there = [place for place in board.legal(vm) if place[0] != host]
                free = board.free()
                left = lambda place: -sum(free[place[0]][k][0] - c for k, (c, _) in board.takes(vm, place[1]).items())  # noqa: B023, E731
                place, _ = board.first_best(there, left)
                if place is not None and not board.spent:
                    board.move(vm, place)
                    places.append(list(board.at))
                    costs.append(board.cost())
            helped = keep_best(board, places, start, costs)
            if helped:
                break
    return board.moves


def alpha_vbpp(cluster, objective="fr16", alpha=10):
    """Take off the worst VMs, pack them by the least dot product, carry out what can be."""
    board = Planner(cluster, objective)
    largest = max(map(max, board.cpu)), max(1, max(map(max, board.mem)))
    while alpha > 0 and not board.spent:
        thought = Planner(cluster, objective)
        thought.at, off = list(board.at), []
        while len(off) < min(alpha, cluster.limit - len(board.moves)):
            left = [vm for vm in board.vms if vm not in off]
            vm, gain = thought.first_best(left, lambda vm: thought.gain(vm, None))  # noqa: B023
            if vm is None or gain <= 0:
                break
            thought.at[vm] = None
            off.append(vm)
        wishes = {}
        for vm in sorted(off, key=lambda vm: -board.cores[vm]):
            free = thought.free()

            def dot(place):
                return -sum(
                    part / whole * (have / whole)
                    for node, need in thought.takes(vm, place[1]).items()  # noqa: B023
                    for part, have, whole in zip(need, free[place[0]][node], largest, strict=True)  # noqa: B023
                )

            there = [one for one in thought.places(vm) if thought.room(vm, one) and thought.clear(vm, one[0])]
            wishes[vm], _ = thought.first_best(there, dot)
            thought.at[vm] = wishes[vm]
        start, places, costs, moved = len(board.moves), [list(board.at)], [board.cost()], True
        while moved:
            moved = False
            for vm, place in wishes.items():
                if place is not None and not board.spent and place in board.legal(vm):
                    board.move(vm, place)
                    places.append(list(board.at))
                    costs.append(board.cost())
                    moved = True
        if not keep_best(board, places, start, costs):
            alpha //= 2
    return board.moves
