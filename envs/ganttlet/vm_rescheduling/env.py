"""``ganttlet/VMRescheduling-v0``: moving VMs between hosts as a Markov decision process."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganttlet.core.env import SingleEnv
from ganttlet.core.vector_env import BatchEnv
from ganttlet.vm_rescheduling.batch import VMReschedulingVectorEnv

__all__ = ["VMReschedulingEnv", "VMReschedulingVectorEnv"]


class VMReschedulingEnv(SingleEnv):
    """VM rescheduling as a decision process: choose a VM, then the host it moves to.

    ## Description
    A cluster has P hosts (PMs) of two NUMA nodes and V VMs that reserve cores and memory: a single VM on one NUMA node,
    a split VM half on each node of its host. Moves free whole blocks of X cores (X = 16 unless the instance says
    otherwise), so that larger VMs fit again. At most MNL moves are made (the instance's ``limit``). Notation: f_ik and
    g_ik free cores and MB of NUMA node k of host i, T = Σ f_ik, FR = Σ (f_ik mod X) / T (0 if T = 0), MF = Σ (g_ik mod
    M) / Σ g_ik with M the instance's ``memory_block``, n the NUMA node of a single VM.

    A move takes two steps. In phase ``vm`` the agent chooses a VM, or stops. In phase ``pm`` it chooses the host. A
    migration is instantaneous; moves are carried out in the order in which they are chosen, each feasible by itself.

    ## Action Space
    `Discrete(V + 2 P + 1)` over the padded counts.

    | actions | phase | meaning |
    |---|---|---|
    | 0 … V-1 | `vm` | choose that VM |
    | V + 2 i + b | `pm` | move it to host i, with flip bit b |
    | V + 2 P | `vm` | stop |

    To another host, b = 0 tries NUMA node n and then 1-n, b = 1 tries 1-n and then n; on its own host b = 1 moves it to
    1-n and b = 0 would leave it where it is. Split VMs ignore b.

    With `masking="exact"` (the default) a VM is legal if it can move anywhere; of a host, b = 0 is legal if the VM fits
    there on some NUMA node (never on its own host, where it is no move), b = 1 only if that places it elsewhere than b
    = 0 does: both nodes fit on another host, or the other node on its own; never for split VMs. Hosts that hold a VM of
    one of its anti-affinity groups are illegal. Stopping is always legal in phase `vm`.

    With `masking="penalty"` every VM, every host and both bits are legal. A move that is infeasible costs
    `infeasible_penalty`; it, and one that leaves the VM where it is, change nothing but count against the limit; they
    are no part of the plan.

    The mask is in `obs["action_mask"]`, `info["action_mask"]` and `action_masks()`. An illegal action changes nothing,
    costs `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays padded to P hosts and V VMs; cores and MB are shares of the largest host's (both its NUMA nodes
    together). `env.unwrapped.graph` lists every feature with its range and unit.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `vm` | (V, 6) | float32 | cores and MB it takes on each NUMA node, cores mod X on each, in blocks |
    | `vm_mask` | (V,) | int8 | 1 for VMs that exist |
    | `pm` | (P, 8) | float32 | free cores and MB of each NUMA node; free mod X as a share of free, and in blocks |
    | `pm_mask` | (P,) | int8 | 1 for hosts that exist |
    | `on_index` | (V,) | int32 | pointer to the VM's host |
    | `context` | (6,) | float32 | moves made and left, VMs, hosts, FR, free share |
    | `focus_vm` | (1,) | int32 | the chosen VM in phase `pm`, else -1 |
    | `phase` | (1,) | int8 | 0: `vm`, 1: `pm` |
    | `action_mask` | (V + 2 P + 1,) | int8 | legal actions; all ones in a terminal observation |

    `observation="gains"` adds what moves would gain, with φ(f) = f mod X and the convex potential ψ(f) = φ - 0.6 X (φ /
    X)³, in blocks of X cores: to `vm` what leaving its place gains, by φ and by ψ, the most that entering another host
    gains, by each (0 if it fits nowhere else), and the share of hosts, other than its own, where its kind fits; to
    `pm`, in phase `pm`, for each flip bit whether exact masks allow it and what the whole move gains by φ and by ψ
    (zeros if they do not, and in phase `vm`). Anti-affinity counts in what a bit gains, not in what entering gains.

    `objective="mixed"` adds to `vm` its MB mod M on each NUMA node, to `pm` free MB mod M, in blocks of M, and to
    `context` the objective; `objective="goal"` adds to `context` FR - goal.

    `merge=True` shows one VM, that of the lowest index, for all VMs of equal host, NUMA node and kind (cores, memory,
    split) that are in no anti-affinity group, with their `count` as a feature; the others are masked and illegal, `vm`
    and `on_index` blank (0 and -1).

    ## Rewards
    Let v be the objective if the episode ended now (`fr16`: FR; `mixed`: mix · FR + (1 - mix) · MF; `goal`: the number
    of moves if FR ≤ goal, else MNL + 1 + FR - goal).

    | reward | per move | undiscounted return |
    |---|---|---|
    | `dense` | v before - v after | first v - last v |
    | `terminal` | 0, at the end first v - last v | the same |
    | `vmr2l` | (Σ φ before - Σ φ after) / 128 | (first FR - last FR) · T / 128 |

    Choosing a VM and stopping are rewarded 0 (`terminal`: stopping is the end). `vmr2l` needs `objective="fr16"`. These
    hold for legal play under exact masks; each illegal action and each infeasible move subtracts its penalty.

    ## Starting State
    The instance's placement: of the given one; or of one drawn by seed and episode number: among `instances`, from a
    pool of `pool_size` generated ones, or afresh by the generator (default: level H with 20 hosts and MNL 10).

    ## Episode End
    Terminated by stopping, after MNL moves, and with `objective="goal"` by a move that leads to FR ≤ goal. If MNL is 0
    only stopping is legal. Truncated after `max_episode_steps` actions, by default four times the longest legal
    episode of the padded space (2 MNL + 1), which only illegal actions can reach.

    With `ending="cut"` the agent cannot stop (except where no VM can move), and the plan is cut where the objective was
    least: v in the rewards, the objectives in the infos and the solution are those of the moves up to there, the first
    such place. `context` gains the objective now less that least one, times T / X. It needs the objective `fr16` or
    `mixed` and a reward other than `vmr2l`.

    ## Information
    `action_mask`; `illegal_action`; `discount`: `gamma` for a step that completes a move or stops, 1 for the choice of
    a VM and for illegal actions; `objectives`: `fr16`, `n16` (blocks of X cores that are free), `mixed`, `moves` of the
    plan, and with `objective="goal"` `goal`.

    ## Arguments
    * `instance`: a name, file, mapping or Cluster; `instances`: a list of them; `generator`: settings as for
      `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `preset`: `vmr2l` or `vmr2l_penalty`, its ablation without host masks; other arguments override it.
    * `objective` (`fr16`, `mixed`, `goal`), `reward`, `masking` (`exact`, `penalty`), `observation` (`plain`, `gains`),
      `merge`: as above. `infeasible_penalty` (5.0) under `masking="penalty"`. `ending` (`stop` or `cut`): see
      Episode End.
    * `max_hosts`, `max_vms`, `max_moves`, `max_kinds` (different cores, memory and split), `max_groups`, `max_members`
      (pairs of group and VM): a larger padded space than the instances need.
    * `strict`, `illegal_penalty` (1.0), `gamma` (1.0), `max_episode_steps`, `copy` (False returns live buffers),
      `render_mode` (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    The process of "VMR2L" (EuroSys 2025) as its public code has it (zhykoties/VMR2L_eurosys), with exact masks, a stop
    action and features that stay right after every move.

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = VMReschedulingVectorEnv
