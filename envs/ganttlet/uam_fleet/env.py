"""``ganttlet/UAMFleet-v0``: the decision process is documented at UAMFleetEnv."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganttlet.core.env import SingleEnv
from ganttlet.core.vector_env import BatchEnv
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv


class UAMFleetEnv(SingleEnv):
    """A day of an air-taxi fleet as a decision process: one aircraft at a time flies to a port or stays.

    ## Description
    A `Scenario` (`ganttlet.uam_fleet`) has V ports, K electric aircraft and H hours of demand of every
    pair of ports. Whenever an aircraft is free, a decision sends it to another port or keeps it where it is. Times are
    minutes since midnight, energies kWh, money USD; hour h of time t is the whole number of hours since `day_start`.

    **Order.** The aircraft with the smallest next decision time decides, of equals the first. Landings are events of
    their own, before decisions of the same time. Decisions at `day_end` or later are not taken.

    **Slots.** A port has parking slots and slots with a charger, and holds one aircraft in each; a vertistop has no
    charger. An aircraft on its way has a slot reserved at its destination from the decision on, and leaves its own free
    from the decision on. At a landing, and at the start of the day, it takes a free charger if it is not full, else a
    parking slot, else a charger.

    **Flight** i to j, decided at t in hour h. Of those who wait, `seats` at most board, n. Delay: normal with mean and
    deviation of port i, cut to 0 … `delay_max`. Each direction of a pair has `corridors`; the flight takes the one
    whose last departure is earliest and departs at t + delay, but not before that departure + `headway` (without
    corridors: at t + delay). It lands after take-off, distance / cruise and landing. Its energy, distance x
    energy per mile, leaves the battery at t. It earns n x fare of hour h - cost per mile x distance - price of
    electricity in hour h x energy.

    **Charging** by constant power; with `charge_curve` `cc_cv` by constant power up to 80 %, which then falls
    linearly with the charge to 20 % of it at 100 %. `recharge` `full`: an aircraft on a charger decides next when it is
    full, one without at its landing. `partial`: all decide at their landing and charge as long as they stand on a
    charger.

    **Breakdown.** With the aircraft's probability its next decision after a flight is later by a time that is uniform
    between `downtime_low` and `downtime_high`. It keeps its slot.

    **Staying.** A full aircraft on a charger moves to a free parking slot; one on a parking slot that is not full moves
    to a free charger, and under `recharge` `full` decides next when it is full. In all other cases the next decision is
    after `idle_step`.

    **Passengers** of an hour turn up at its beginning. They wait to its end, and `max_wait` longer; the oldest board
    first. Those who are left are lost.

    **Chance.** Delay and breakdown belong to the aircraft and the number of its departures, so two policies meet
    the same ones. Demand and closed routes become known with their hour, delays at the decision, breakdowns at the
    landing. `restore(resample_future=…)` draws anew what is not known yet: demand of later hours by its forecast
    (Poisson; unless the scenario's demand is no such draw), closures by their probabilities, and the rest by a new
    seed.

    ## Action Space
    `Discrete(V)`: the port to go to; its own port is to stay, always legal. Another port j is legal if

    * the route is open in hour h;
    * the charge after the flight is at least the reserve and, if j has no charger, enough is left beyond the reserve
      to reach the nearest port with one;
    * fewer aircraft stand at j and fly there than it has slots. With `needs_charger` (`predecessor-2022`) also fewer
      are on chargers at j and fly there than it has chargers.

    The mask is in `obs["action_mask"]`, `info["action_mask"]` and `action_masks()`. An illegal action changes nothing,
    costs `illegal_penalty` and sets `info["illegal_action"]`.

    ## Observation Space
    A `Dict` of arrays, padded to `max_ports` and `max_aircraft`; L hours are shown ahead (`lookahead`), the present one
    included. Distances are divided by the longest leg, fares by the highest, profits by the highest x seats,
    passengers by seats, times are in hours; all are cut at 1000. `env.unwrapped.graph` lists every feature with its
    range.

    | key | shape | dtype | content |
    |---|---|---|---|
    | `port` | (V, 27 + 4 L) | float32 | slots, what flying there means now, who waits, forecast and fares of L hours |
    | `port_mask` | (V,) | int8 | 1 for ports |
    | `aircraft` | (K, 8) | float32 | place, charge, time to its landing or next decision |
    | `aircraft_mask` | (K,) | int8 | 1 for aircraft |
    | `aircraft_port_index` | (K,) | int32 | where it is or flies to, -1 for none |
    | `context` | (14,) | float32 | time, the aircraft that decides, the fleet, what was earned |
    | `focus_port` | (1,) | int32 | port of the aircraft that decides, at the end -1 |
    | `focus_aircraft` | (1,) | int32 | the aircraft that decides, at the end -1 |
    | `action_mask` | (V,) | int8 | legal actions; all ones in a terminal observation |

    `worth=False` leaves out one feature of ports, what rule `greedy_lookahead` compares, whose time grows with the
    square of the ports. `observation="candidates"` leaves out what concerns aircraft other than the one that decides:
    the keys with `aircraft`.

    ## Rewards
    | reward | per step | undiscounted return |
    |---|---|---|
    | `incremental` | what the flight earns / scale | profit / scale |
    | `terminal` | 0, at the end profit / scale | the same |

    The scale is the scenario's `reward_scale`, by default the fares of all its demand. These hold for legal play; each
    illegal action subtracts its penalty.

    ## Starting State
    Aircraft stand at their ports, with their charge, at `day_start`. The instance is the given one; or drawn by seed
    and episode number: among `instances`, from a pool of `pool_size` generated ones, or afresh by the generator
    (default: `captain-2024`).

    ## Episode End
    Terminated when no aircraft has a decision before `day_end`; flights in the air have earned what they earn.
    Truncated after `max_episode_steps` actions, by default four times the most decisions of a day of the padded
    space, which only illegal actions can reach.

    ## Information
    `action_mask`; `illegal_action`; `aircraft`, which one decides, -1 at the end; `discount`, `gamma` to the power of
    the hours until the next decision, at the end until `day_end` (1 where nothing was decided); `objectives`, so far:
    `profit` in USD, passengers `served` and `lost` (those who wait no longer; at the end all who were not served),
    `flights`, `empty_flights`, `miles`, `energy` in kWh.

    ## Arguments
    * `instance`: a name, file, mapping or Scenario; `instances`: a list of them; `generator`: settings as for
      `make_generator`; at most one of the three.
    * `pool_size`, `pool_seed`: draw that many instances from the generator once and choose among them.
    * `preset`: `captain-2024`, `predecessor-2022`, `nyc` or `dfw`; other arguments override it.
    * `reward`, `observation`, `lookahead` (3), `worth` (True): as above.
    * `max_ports`, `max_aircraft`, `max_hours`, `max_corridors`, `max_decisions`: a larger padded space than the
      instances need.
    * `strict`, `illegal_penalty` (1.0), `gamma` (1.0), `max_episode_steps`, `copy`, `static`, `render_mode`
      (`rgb_array` or `ansi`); batches: `autoreset_mode`.

    ## References
    Paul, Witter, Chowdhury, Graph Learning-based Fleet Scheduling for Urban Air Mobility under Operational Constraints,
    Varying Demand & Uncertainties, arXiv:2401.04851 (the problem; no code is public, and this is a reconstruction).
    github.com/iamstevepaul/UAM_fleet_Scheduling (its predecessor; constants and dynamics of `predecessor-2022`).

    ## Version History
    * v0: first version.
    """

    batch_class: ClassVar[Callable[..., BatchEnv]] = UAMFleetVectorEnv
