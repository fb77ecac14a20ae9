"""The ``wait_jssenv`` discipline: when JSSEnv 1.1.0 offers a job or the no-op, as plain-Python state.

Behaviour restated in our own words from JSSEnv 1.1.0's source (prosysscience/JSSEnv), and held to episodes
recorded from it (``tests/fixtures/jssenv_episodes.json``).

Extensions that JSSEnv does not have, all of which leave its own instances unchanged:

* "Last operation" means the job's own last operation, so jobs may have different numbers of operations.
* An operation of zero duration is running until the clock next advances; that advance goes to the pending
  event at the current time, takes no time, and finishes the operation. Meanwhile the final-operation rule
  takes its machine for free, as any whose last end is not after the clock.
* A job released later than 0 is running a nameless operation 0 … release that needs no machine.
* Both masking rules are applied at reset too. (JSSEnv does not, but there no event is pending and no job
  is at its last operation, so the result is the same.)
"""

from __future__ import annotations


class JSSEnvRules:
    """Clock, pending events and offered jobs.

    Attributes:
        clock: current time in ticks.
        events: distinct times of completions (and releases) not yet processed, ascending.
        offered: jobs that may be placed now; empty only when every operation is placed.
        no_op: True if waiting is legal now.
    """

    def __init__(self, jobs: list[list[tuple[int, int]]], n_machines: int, release: list[int]) -> None:
        self.jobs = jobs
        self.max_p = max(p for job in jobs for _, p in job)
        self.clock = 0
        self.free_at = [0] * n_machines
        self.finished = [-1 if r > 0 else 0 for r in release]
        self.running = [r > 0 for r in release]
        self.until = list(release)
        self.events = sorted({r for r in release if r > 0})
        self.refused: set[int] = set()  # jobs passed over by a no-op, until their machine takes another job
        self.offered: set[int] = set()
        self.no_op = False
        self._offer()
        self._settle()

    def place(self, job: int) -> None:
        """Start the next operation of an offered job at the clock."""
        machine, p = self.jobs[job][self.finished[job]]
        self.running[job] = True
        self.until[job] = self.free_at[machine] = self.clock + p
        self.events = sorted({*self.events, self.clock + p})
        self.offered = {j for j in self.offered if self._machine(j) != machine}
        self.refused = {j for j in self.refused if self._machine(j) != machine}
        self._settle()

    def wait(self) -> None:
        """Refuse every offered job and go on to the next time at which another one is offered."""
        self.refused |= self.offered
        self.offered = set()
        self._settle()

    def _machine(self, job: int) -> int:
        return self.jobs[job][self.finished[job]][0]

    def _waiting(self, job: int) -> bool:
        return not self.running[job] and self.finished[job] < len(self.jobs[job])

    def _settle(self) -> None:
        while not self.offered and self.events:
            self.clock = self.events.pop(0)
            for j in range(len(self.jobs)):
                if self.running[j] and self.until[j] <= self.clock:
                    self.running[j] = False
                    self.finished[j] += 1
            self._offer()
        self._withhold_long_final_operations()
        self.no_op = self._may_wait()

    def _offer(self) -> None:
        """Offer each waiting, not refused job whose machine is free; this ends the final-operation masks."""
        for j in range(len(self.jobs)):
            if self._waiting(j) and j not in self.refused and self.free_at[self._machine(j)] <= self.clock:
                self.offered.add(j)

    def _withhold_long_final_operations(self) -> None:
        """On each machine, mask a final operation longer than some offered one that can go straight on.

        Masks last until the clock advances: a job masked here is not offered again at the same instant.
        """
        for machine in {self._machine(j) for j in self.offered}:
            final, other = [], []
            for j in sorted(self.offered):
                if self._machine(j) != machine:
                    continue
                i = self.finished[j]
                if i == len(self.jobs[j]) - 1:
                    final.append(j)
                elif self.free_at[self.jobs[j][i + 1][0]] <= self.clock:
                    other.append(self.jobs[j][i][1])
            if other:
                self.offered -= {j for j in final if self.jobs[j][-1][1] > min(other)}

    def _may_wait(self) -> bool:
        """True if each offered machine can be reached, by a job not offered, before an offered one ends."""
        offered_ends: dict[int, int] = {}
        for j in self.offered:
            machine, p = self.jobs[j][self.finished[j]]
            offered_ends[machine] = min(offered_ends.get(machine, self.clock + self.max_p), self.clock + p)
        if not self.events or not self.offered or len(offered_ends) > 3 or len(self.offered) > 4:
            return False
        if min(offered_ends.values()) < self.events[0]:
            return False
        reached = set()
        for j in range(len(self.jobs)):
            if j in self.offered or j in self.refused:
                continue
            if self.running[j]:
                first, time = self.finished[j] + 1, self.until[j]
            elif self._waiting(j):
                first, time = self.finished[j], max(self.clock, self.free_at[self._machine(j)])
            else:
                continue
            # The walk along the job's route assumes no queueing and leaves out the last operation.
            for machine, p in self.jobs[j][first:-1]:
                if machine in offered_ends and time < offered_ends[machine]:
                    reached.add(machine)
                time += p
        return reached == set(offered_ends)
