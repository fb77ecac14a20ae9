"""``ganttlet/PodPacking-v0``: placing pending pods by moving and evicting others, on the core of VM rescheduling."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganttlet.core.env import SingleEnv
from ganttlet.core.vector_env import BatchEnv
from ganttlet.vm_rescheduling.batch import PodPackingVectorEnv

__all__ = ["PodPackingEnv", "PodPackingVectorEnv"]


class PodPackingEnv(SingleEnv):
    """Pod packing as a decision process: choose a pod, then the node it goes to, or evict it.

    ## Description
    P nodes with cpu (millicores) and memory hold V pods with requests and priorities; some pods are pending although
    the sum of requests may fit. Moves place, move and evict pods, at most MNL of them (the instance's ``limit``;
    placing a pending pod counts unless the instance says ``count_placements`` False), so that more pods run, by
    priority first. It is a VM rescheduling with one NUMA node per host. A pod's tier is the rank of its priority among
    those that occur.

    ## Action Space
    `Discrete(V + P + 2)` over the padded counts: 0 … V-1 choose a pod (phase `pod`); V + i moves it to node i, V + P
    evicts it (phase `node`); V + P + 1 stops (phase `pod`). A pod is legal if it runs (it may be evicted) or fits on
    some node; a node is legal if the pod fits there, does not run there already, and the node holds no pod of one of
    its anti-affinity groups; evicting is legal for a running pod. Stopping is always legal in phase `pod`. Once MNL
    counted moves are made, only pending pods that fit are legal where placing is free, and only nodes for them. An
    illegal action changes nothing, costs `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays padded to P nodes and V pods; cpu and memory as shares of the largest node's.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `pod` | (V, 6) | float32 | cpu, memory, tier / (tiers - 1), pending, moved, share of nodes that fit |
    | `node` | (P, 4) | float32 | free cpu and memory, and both as shares of its own |
    | `pod_mask`, `node_mask` | (V,), (P,) | int8 | 1 for those that exist |
    | `on_index` | (V,) | int32 | pointer to the pod's node, -1 while it is pending |
    | `context` | (6,) | float32 | moves made (share of MNL) and left, pods, nodes, pending share, free share of cpu |
    | `focus_pod` | (1,) | int32 | the chosen pod in phase `node`, else -1 |
    | `phase` | (1,) | int8 | 0: `pod`, 1: `node` |
    | `action_mask` | (V + P + 2,) | int8 | legal actions; all ones in a terminal observation |

    The share of nodes that fit counts nodes with room for a pod of these requests beside what they hold now, over P.

    ## Rewards
    The objective `unplaced` is Σ (V + 1)^tier over pending pods + disruption / (2 V + 1), where disruption counts 1 for
    each pod that ran at the start and is pending, 2 for each that runs on another node: lexicographic, from the highest
    tier down, then the least disruption. `dense` pays its decrease by each move, `terminal` the whole decrease at the
    end; the undiscounted return of legal play is first - last `unplaced`.

    ## Starting State
    The instance's placement, chosen as in VMRescheduling-v0 (default generator: `pods` with 4 nodes, 4 pods per node).

    ## Episode End
    Terminated by stopping, and after MNL counted moves where placing counts (where it is free, by stopping only).
    Truncated after `max_episode_steps` actions, by default four times 2 MNL + 1, or 2 (2 MNL + V) + 1 where placing is
    free. A pod that was evicted may be placed again; where placing is free, each such placement follows a counted
    eviction.

    ## Information
    `action_mask`; `illegal_action`; `discount`: `gamma` for a step that completes a move or stops, else 1;
    `objectives`: `unplaced`, `pending` pods, `disruption`, `moves` that count.

    ## Arguments
    `instance`, `instances`, `generator`, `pool_size`, `pool_seed`; `reward` (`dense`, `terminal`); `max_hosts`,
    `max_vms`, `max_moves`, `max_kinds`, `max_groups`, `max_members`; and the common ones, as in VMRescheduling-v0.

    ## References
    The problem of "Priority-aware pod packing" as in arXiv 2511.08373 and its public code
    (henrikdchristensen/scheduler-plugins).

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = PodPackingVectorEnv
