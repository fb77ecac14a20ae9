"""``ganttlet/SoCDAG-v0``: jobs of task graphs on a system on chip; the decision process is documented at SoCDAGEnv."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganttlet.core.env import SingleEnv
from ganttlet.core.vector_env import BatchEnv
from ganttlet.soc_dag.batch import SoCDAGVectorEnv


class SoCDAGEnv(SingleEnv):
    """Task graphs that arrive on a heterogeneous system on chip: one task assigned to a processing element per step.

    ## Description
    Jobs arrive by a ``Scenario`` (ganttlet.soc_dag.scenario). Each is a copy of an application, a directed acyclic
    graph of tasks whose edges carry volumes of data. A task runs on one of the P processing elements (PEs) that support
    it, without interruption, one at a time on a PE. Times are integers, in ticks (microseconds in the shipped data).
    Notation: w(u, p) mean execution time of task u on p, f(u) its end, vol(v, u) the volume from v to u, B bandwidth.

    A task is **outstanding** until its predecessors are done, then **ready**; a decision assigns it to a PE for
    good, and it is **queued** there; it **runs** once the PE is idle and its data has come. The data of u is on p
    at D(u, p) = max over predecessors v of f(v) + floor(vol(v, u) / B(pe of v, p)), for a task without predecessors
    at its job's entry. In communication ``shared_memory`` u is ready at max f(v) + floor(vol(v, u) / B(pe of v,
    memory)) and D(u, p) = time of assignment + max floor(vol(v, u) / B(memory, p)). Transfers do not compete.

    An idle PE starts the first task of its queue, in the order of assignment, whose data has come: a later task may
    overtake one that still waits. What happens at one instant, in this order:

    1. Tasks end, by number of PE; their successors get ready, and a job whose tasks are all done leaves the system.
    2. Outages end, then begin. During one a PE starts nothing and its running task pauses.
    3. Tasks get ready whose later ready time has come (``shared_memory``, ``tick_compat``).
    4. Jobs enter that wait for a place, longest wait first; then come the source's attempts that are due.
    5. Decisions, until no task is ready or the agent waits.
    6. Idle PEs start tasks, by number of PE.

    Then the clock moves to the next of: end of a running task, arrival of the data of a task queued at an idle PE,
    later ready time, attempt of the source, boundary of an outage. A task of no length ends at the instant of its
    start, which then repeats from 1. Ready tasks are ordered by (ready time, job number, task number).

    **Estimates** use mean execution times and what is known. A(p), when p is expected to be free: the expected end of
    its running task (start + w + pauses, at least now), or now; at least the end of an outage that has begun; then for
    each queued task q in order max(A, D(q, p)) + w(q, p). EFT(u, p) = max(now, A(p), D(u, p)) + w(u, p), with D for an
    assignment now. ``stale_estimates=True`` takes for A(p) the EFT promised at the last assignment to p, as DS3 does.

    ## Action Space
    | ``action`` | space | meaning |
    |---|---|---|
    | `pe` | `Discrete(P)` | PE for the first ready task; legal where the task is supported |
    | `task` | `Discrete(R)` | which of the first R ready tasks; it goes to the PE of least EFT, the first on ties |
    | `joint` | `Discrete(R·P)` | action r·P + p: the r-th ready task to PE p |

    `wait=True` adds a last action: decide nothing more until a task ends or gets ready, a job enters or an outage
    begins or ends. It is legal if a task runs, is queued or gets ready later, if the source has an attempt to come and
    the system a free place, or if an outage is to begin or end. The mask is in `obs["action_mask"]`,
    `info["action_mask"]` and `action_masks()`.

    `binding="late"`, for `task` and `joint` with `wait=True`, leaves a task only to an idle PE with an empty queue. As
    long as no task of the window may be assigned so, the environment waits by itself. Where no job ever comes, the
    first action, whichever, ends the run.
    An illegal action changes nothing, costs `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays padded to J job slots, T tasks per job, E edges per application, P PEs and R ready rows
    (`window`). Times are divided by the mean critical path of the applications, powers by the platform's greatest
    power; `env.unwrapped.graph` lists every feature with its range. What a slot or row does not hold is masked and
    zero.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `task` | (J·T, 13) | float32 | state, predecessors left, mean, least and spread of w, ranks, supporting PEs |
    | `task_mask` | (J·T,) | int8 | 1 for tasks of present jobs that have not ended |
    | `job` | (J, 8) | float32 | age, tasks and work left, ready, queued and running tasks, slack, whether it counts |
    | `job_mask` | (J,) | int8 | 1 for slots that hold a job |
    | `pe` | (P, 10), `pe`: (P, 16) | float32 | load and speed; for `pe` also w, D, EFT of the first ready task |
    | `pe_mask` | (P,) | int8 | 1 for PEs of this workload |
    | `precedes_index` | (2, J·E) | int32 | edges between tasks that have not ended, else -1 |
    | `task_job_index`, `task_pe_index` | (J·T,) | int32 | slot of each task, PE it is assigned to |
    | `ready` | (R, 10) | float32 | waiting time, job's age, ranks, least EFT …; not in `pe` |
    | `ready_mask`, `ready_task_index`, `ready_job_index` | (R,) | int8, int32 | which there are, and of what |
    | `ready_pe` | (R, P, 9) | float32 | w, D, EFT, energy of every pair, and a plan (SJF); `joint` only |
    | `focus_task`, `focus_job` | (1,) | int32 | the first ready task and its job; `pe` only |
    | `context` | (8,) | float32 | jobs, ready tasks, queue before the system, arrivals so far |
    | `action_mask` | (A,) | int8 | legal actions; all ones in a terminal observation |

    `observation="ready"` leaves out the task nodes and what points at them.

    ## Rewards
    c is the mean critical path in ticks, W the platform's greatest power.

    | reward | per step | undiscounted return |
    |---|---|---|
    | `jobs` | - (integral of the number of jobs that count) / c | - (sum of their latencies) / c |
    | `latency` | - latency / c at each completion that counts | - (sum of the latencies) / c |
    | `completion` | - 0.5 per tick, + 50 per completed job (SoCRATES) | 50 · completed - 0.5 · end |
    | `energy` | - energy / (c W) | - (energy until the end) / (c W) |
    | `weighted` | (1 - `weight`) of `jobs`, `weight` of `energy` | likewise |
    | `deadline` | - 1 at each completion that counts after its due date | - number of missed due dates |
    | `terminal` | 0, at the end - objective / its unit | - objective / its unit |

    With ``end="drain"`` the jobs that count are present from their entry on, with ``full="queue"`` from their arrival
    on, and mean latency = - return · c / (number of them). With ``end="cut"`` it is not known which jobs will count:
    `jobs` then integrates all jobs present from the end of the warm-up on. The units of `terminal`: latency and
    makespan c, energy c W, edp c² W, missed 1.

    ## Starting State
    An empty system at time 0, filled at once with ``prefill``, played on to the first decision. The instance is the
    given one; or drawn by seed and episode number: among `instances`, from a pool of `pool_size` generated ones, or
    afresh by the generator, whose realisation then follows from the seed (default: the mix of top_1 … top_5).

    ## Episode End
    Terminated when the run is over, as the scenario's ``end`` says. ``drain``: after 4, no job is present that
    counts and none can come. ``cut``: the next event is after ``length``, or ``stop_after`` jobs are completed
    after 4. Either: nothing more can happen. Truncated after `max_episode_steps` actions, by default four times the
    longest legal episode.

    ## Information
    `action_mask`; `illegal_action`; `discount`, `gamma` to the power of the elapsed time / c (1 within an instant);
    `objectives`: `latency`, `makespan`, `energy`, `edp`, `missed` so far, those of the whole run at the end.

    ## Search
    `restore(snapshot, resample_future=seed)` draws anew what the present does not show, given what it shows: the rest
    of running tasks, given how long they have run; the next attempt of an exponential source, given that it has not
    come; applications of jobs that wait for a place; and all that is drawn later. Times of a periodic source or a
    trace, applications of a trace and outages stay. So does the end of a run that is over. What only earlier masks
    told, that the source had closed, counts as hidden. `solution()` refuses such a run, `objective_values` does not.

    ## Arguments
    * `instance`: a name (`"top_mix5"`, `"ds3_fig12b:scale=60"`), file, mapping or Workload; `instances`: a list of
      them; `generator`: settings as for `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `preset`: other arguments override it.
    * `action`, `wait`, `binding` (`early` or `late`), `observation`, `reward`, `weight` (0.5), `stale_estimates`: as
      above.
    * `objective` (`latency`, `makespan`, `energy`, `edp`, `missed`): what `terminal` measures.
    * `window` (16): ready rows R; tasks beyond it stay ready and move up.
    * `max_apps`, `max_tasks`, `max_edges`, `max_pes`, `max_clusters`, `max_capacity`, `max_jobs`, `max_trace`,
      `max_outages`: a larger padded space than the instances need.
    * `strict`, `illegal_penalty` (1.0), `gamma` (1.0), `max_episode_steps`, `copy`, `static`, `render_mode`
      (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    Arda et al., DS3, IEEE Trans. Computers 2020. Sung et al., DeepSoCS, 2020, and SoCRATES, 2021. Krishnakumar et al.,
    IEEE TCAD 2020. Mao et al., Decima, 2019. The reconstruction and its differences: docs/environments/soc_dag.md.

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = SoCDAGVectorEnv
