"""``ganttlet/MemoryMapping-v0``: the decision process is documented at MemoryMappingEnv."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganttlet.core.env import SingleEnv
from ganttlet.core.vector_env import BatchEnv
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv


class MemoryMappingEnv(SingleEnv):
    """The mapping of a program's buffers to fast memory as a decision process: one operand or result decided per step.

    ## Description
    A `Program` (`ganttlet.memory_mapping`) is a fixed sequence of T instructions on B buffers. Its U
    **slots** are the operands and results of the instructions, by instruction, operands first; slot k of instruction t
    moves y bytes of buffer b. A decision serves one slot, in this order, from slow or from fast memory. Where fast
    memory holds a buffer, and when it is copied, follows from the decisions. Times are in µs.

    **Time.** Instruction t, whose slots move S bytes from or to slow memory and F bytes from or to fast memory, takes
    L = max(arithmetic time, S / slow bandwidth + F / fast bandwidth). The program takes the sum of L and of the stalls.
    Slots that are not yet decided count as slow.

    **Copies** between the memories use what time instructions leave slow memory idle: L - S / slow bandwidth, less what
    earlier copies took. A copy of b needs size / slow bandwidth in all. It takes from the instruction before t first,
    then from earlier ones, at most `window` of them, and none in which slow memory does not hold b yet (a
    parameter, input or constant: always; a result of d written to slow memory: from d + 1 on; one written back at d:
    from d on). What it lacks then is a stall before t. It begins at the earliest instruction it takes from, or at t.

    **Rectangles.** In fast memory a buffer lies at one offset, its size rounded up to the alignment, during
    instructions begin … end, both included; no two rectangles overlap in time and offset.

    | slot | NoCopy | Copy | Drop |
    |---|---|---|---|
    | result, used later | to fast memory; needs a place from t to its last use | - | to slow memory |
    | result of an output, or never used | - | - | to slow memory |
    | operand, **dirty**: only fast memory holds it | from fast memory | - | from fast memory, and write it back |
    | operand, clean, may be **kept** | from fast memory; rectangle extended to t | as below | from slow memory |
    | other operand | - | from slow to fast memory, then from there; place from begin to t | from slow memory |

    A result written to fast memory is dirty, its place reserved until its last use. Writing it back is a copy within
    the instructions after its definition and before t, at most `window` of them, legal only if it causes no stall and
    a use follows; then it is clean and its rectangle ends at t. The rectangle of a clean buffer ends at the last use
    served from it; the buffer may be kept at any later use, until a new rectangle overlaps its offsets. Every state can
    be played to the end, unless the option `dead_ends` says otherwise.

    Places by `placement`: `first_fit`, the lowest offset that is free during all of the rectangle; `best_fit`, the low
    end of the smallest free range; `reserve`, the lowest of the offsets that overlap the fewest bytes of other buffers
    that may be kept.

    **Sync groups.** The slots of all buffers of a group are served from fast memory, or all from slow memory: that is
    the class of the group, and the first of these slots decides it, Drop for slow and anything else for fast. A slow
    group has only Drop. To be fast, a group takes one place at once, side by side by first slots: its first buffer as
    any rectangle of it begins, all of them until their last uses. So the rest has a place, and no choice: NoCopy, but
    Copy at the first slot of a parameter, input or constant, whose copy looks back no further than the first
    instruction of the group; nothing is written back. A group is slow if one of its buffers is an output, has no use or
    does not fit, and, where copies may not stall, if one of them other than the first has to be copied in.

    **Dead ends** (`dead_ends=True`). A result that is written to fast memory needs a place only in its own instruction,
    and a dirty buffer is kept as a clean one is: a new rectangle may take its place after its last use so far, and then
    no action is legal at its next one. Groups take places as their slots come, so a slot of a fast group is a dead end
    too if it can be neither kept nor copied; nor is there an action but Drop for a group that has to be slow. *Backup*:
    at a dead end the episode goes back to the first slot of the blocked buffer or group, all that was decided from
    there on is undone, and that buffer or group has only Drop for the rest of the episode. So an episode has no more
    backups than there are buffers. With `backup=False` a dead end ends the episode: terminated, a mapping that is not
    whole, and -1 in reward.

    **Supply.** With `supply="elapsed"` copies may take all of the time that an instruction takes with everything slow,
    less what earlier copies took, which is more than slow memory has (it is what the memory space assignment of XLA
    counts on). Masks, rewards and objectives are those of this model. The solution is what it comes to: the copies are
    scheduled in what time is idle, first come first served, with the stalls that this takes; judge it by `validate`.

    ## Action Space
    `Discrete(3)`: 0 Drop, 1 NoCopy, 2 Copy. The mask is in `obs["action_mask"]`, `info["action_mask"]` and
    `action_masks()`. An illegal action changes nothing, costs `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays: the next K slots (`lookahead`) and up to R buffers that may be kept (`residents`), by offset.
    Times are divided by the mean time of an instruction with everything slow, sizes by the capacity rounded down to the
    alignment; all are clipped at 1000. `env.unwrapped.graph` lists every feature with its range.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `slot` | (K, 20) | float32 | the next slots, the one to be decided first: buffer, gain, later uses, residence |
    | `slot_mask` | (K,) | int8 | 1 for slots, 0 after the last one |
    | `resident` | (R, 12) | float32 | offset, size, reservation, next use, gain of the uses left |
    | `resident_mask` | (R,) | int8 | 1 for buffers that may be kept |
    | `slot_next_index` | (K,) | int32 | next slot of the window in which the buffer is an operand, -1 for none |
    | `slot_resident_index` | (K,) | int32 | resident that is the slot's buffer, -1 for none |
    | `focus_slot` | (1,) | int32 | the slot to be decided: 0, at the end -1 |
    | `context` | (34,) | float32 | the slot to be decided, its instruction, fast memory, idle time left behind |
    | `action_mask` | (3,) | int8 | legal actions; all ones in a terminal observation |

    `observation="slot"` shows no more than the slot to be decided: `slot` with one row, and no residents or pointers.

    `observation="program"` adds the whole program, padded to T instructions, B buffers and U slots, and where the
    window is in it. All but the pointers is constant within an episode; `static="index"` replaces it by `instance_id`
    (1,), to be looked up with `static(ids)`.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `instruction_static` | (T, 8) | float32 | arithmetic and memory time, what fast memory saves, idle time, degree |
    | `buffer_static` | (B, 9) | float32 | kind, size, copy time, uses, gain, first and last slot |
    | `instruction_mask`, `buffer_mask` | (T,), (B,) | int8 | 1 for those of the program |
    | `follows_index` | (T,) | int32 | the next instruction, -1 for none |
    | `uses_index` | (2, U) | int32 | instruction and buffer of each slot, -1 after the last one |
    | `uses` | (U, 4) | float32 | whether a result, share of the buffer, gain, relief |
    | `slot_instruction_index`, `slot_buffer_index` | (K,) | int32 | instruction and buffer of the next slots |
    | `resident_buffer_index` | (R,) | int32 | buffer of each resident |

    `picture` adds, of n instructions, now - n/2 first, and n bins of fast memory:

    | key | shape | dtype | content |
    |---|---|---|---|
    | `profile` | (4, n, n) | float32 | instruction by offset: occupied, dirty, kept, urgency of the next use |
    | `supply` | (2, 1, n) | float32 | idle time that instructions left, and that of later ones with everything slow |

    A bin is occupied at an instruction for a rectangle that begins there; instructions before the window stay empty.

    ## Rewards
    | reward | per step | undiscounted return |
    |---|---|---|
    | `saved` | (L before - L after - stall) / latency with everything slow | 1 - latency / that latency |
    | `terminal` | 0, at the end 1 - latency / latency with everything slow | the same |
    | `static` | (benefit of the slot if it is fast - stall) / that latency | sum of these |

    The benefit of a slot is fixed: what its instruction saves if that slot alone is fast. A backup pays back what it
    undoes, so that the returns hold with backups too. A dead end that ends the episode costs 1. These hold for legal
    play; each illegal action subtracts its penalty.

    ## Starting State
    Nothing is decided: everything is in slow memory. The instance is the given one; or drawn by seed and episode
    number: among `instances`, from a pool of `pool_size` generated ones, or afresh by the generator (default:
    `random`).

    ## Episode End
    Terminated when every slot is decided, and at a dead end without backup. Truncated after `max_episode_steps`
    actions, by default four times the number of slots of the padded space (and, with backups, times one more than its
    buffers), which only illegal actions can reach.

    ## Information
    `action_mask`; `illegal_action`; `discount`, `gamma` per decision; `objectives`: `latency` and `stalls` in µs,
    `speedup` over everything slow, `copied` and `slow_bytes` in bytes, so far, slots to be decided counted as slow.
    With dead ends `backups`, how many there were in the episode.

    ## Arguments
    * `instance`: a name, file, mapping or Program; `instances`: a list of them; `generator`: settings as for
      `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `preset`: `no_stall` or `reserve`; other arguments override it.
    * `stall` (True): whether a copy may stall an instruction; if not, Copy is illegal where it would.
    * `window` (128): instructions that a copy looks back at.
    * `supply` (`idle` or `elapsed`), `dead_ends` (False), `backup` (True; False needs dead ends): as above.
    * `placement`, `reward`, `observation`, `lookahead` (64), `residents` (64): as above.
    * `picture` (False): whether there is a memory picture; True for n = 64, or an even n.
    * `skip_forced` (False): after a step, play on while a single action is legal; rewards add up.
    * `max_instructions`, `max_buffers`, `max_slots`: a larger padded space than the instances need; `max_rects`: room
      for more rectangles that ended within the window or whose buffers may be kept.
    * `strict`, `illegal_penalty` (1.0), `gamma` (1.0), `max_episode_steps`, `copy`, `static`, `render_mode`
      (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    Wang et al., Optimizing Memory Mapping Using Deep Reinforcement Learning, arXiv:2305.07440 (the game; no code is
    public, and this is a reconstruction). The memory space assignment of openxla/xla (latencies, copies in idle time).

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = MemoryMappingVectorEnv
