"""Pictures of a day: maps of the flows between ports by hour over a timeline of the fleet, and plain text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.figure import pixels_of
from ganttlet.uam_fleet.instance import HOUR, Array, Scenario
from ganttlet.uam_fleet.scene import (
    FAINT,
    INK,
    LANE,
    SOFT,
    Boxes,
    Dot,
    Line,
    Scene,
    Text,
    figure_of,
    save_scene,
    svg_of,
)
from ganttlet.uam_fleet.solution import FleetLog

FULL, EMPTY, MARK = "#1f4e79", "#e15759", "#c22222"
EXPLAINED = (
    "maps: passengers of each hour, carried of all; a line for each direction, on the right of its way, by its "
    "passengers; a ring has no charger"
)
PALEST = "#b9d3ea"
STAY = "#e4e6ea"
WIDTH, LEFT, RIGHT, TOP = 960.0, 64.0, 24.0, 56.0
ACROSS, EDGE = 6, 14.0  # maps in a row, and the room around the ports of a map
MOST_LANES = 60  # more aircraft are not drawn one by one
THIN, WIDE = 1.0, 4.6  # lines of no passengers and of the most
SMALL = 7.0  # letters of the maps
# Where a port's name may stand beside its dot: right, down, anchor; the first that is free is taken.
SPOTS = (
    (4.0, -3.0, "start"),
    (-4.0, -3.0, "end"),
    (4.0, 9.0, "start"),
    (-4.0, 9.0, "end"),
    (6.0, 2.5, "start"),
    (-6.0, 2.5, "end"),
    (0.0, -6.0, "middle"),
    (0.0, 12.0, "middle"),
)
SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _check(scenario: Scenario, log: FleetLog) -> None:
    what = f"picture of {scenario.name}"
    if log.instance_digest not in ("", scenario.digest):
        raise InputError(f"{what}: the log belongs to scenario {log.instance_digest}, expected {scenario.digest}")
    for field, most in (
        ("aircraft", scenario.n_aircraft),
        ("origin", scenario.n_ports),
        ("destination", scenario.n_ports),
    ):
        value = getattr(log, field)
        if len(value) and not 0 <= value.min() <= value.max() < most:
            raise InputError(f"{what}: field {field!r}: expected 0 … {most - 1}, got {value.min()} … {value.max()}")


def flows(scenario: Scenario, log: FleetLog) -> tuple[Array, Array]:
    """Return passengers carried and flights, (H, V, V) int64 each, by the hour of the decision."""
    _check(scenario, log)
    shape = (scenario.n_hours, scenario.n_ports, scenario.n_ports)
    carried, flights = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    some = log.origin != log.destination
    hour = np.clip((log.time[some] - scenario.day_start) / HOUR, 0, scenario.n_hours - 1).astype(int)
    at = hour, log.origin[some], log.destination[some]
    np.add.at(carried, at, log.passengers[some])
    np.add.at(flights, at, 1)
    return carried, flights


def clock(minutes: float) -> str:
    """Return ``06:05`` for 365 minutes since midnight."""
    whole = round(minutes)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def shade(passengers: int, seats: int) -> str:
    """Return the colour of a flight: red if empty, else a blue that is the darker the more seats are taken."""
    if passengers <= 0:
        return EMPTY
    share = 1.0 if seats <= 1 else min(1.0, (passengers - 1) / (seats - 1))
    ends = [[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in (PALEST, FULL)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(*ends, strict=True))


def fleet_scene(scenario: Scenario, log: FleetLog, title: str = "") -> Scene:
    """Return the picture: a map for each hour, under them a lane for each aircraft."""
    carried, flights = flows(scenario, log)
    side = (WIDTH - LEFT - RIGHT) / ACROSS
    rows = math.ceil(scenario.n_hours / ACROSS)
    top = TOP + rows * (side + 16.0) + 26.0
    lanes = min(scenario.n_aircraft, MOST_LANES)
    high = 10.0 if lanes <= 40 else 7.0
    scene = Scene(WIDTH, top + lanes * high + 44.0)
    put = scene.shapes.append
    put(Text(LEFT, 18, title or f"{scenario.name} ({scenario.size_label})", 13, bold=True))
    put(Text(LEFT, 33, _summary(scenario, log), 10, SOFT))
    put(Text(LEFT, 47, EXPLAINED, 10, SOFT))
    most = max(1, int(carried.max()))
    _draw_key(scene, most)
    place = _places(scenario, side - 6.0)
    spots = _spots(scenario, place, side - 6.0)
    for h in range(scenario.n_hours):
        x, y = LEFT + (h % ACROSS) * side, TOP + (h // ACROSS) * (side + 16.0) + 14.0
        put(Text(x + 4, y - 3, f"{clock(scenario.day_start + HOUR * h)}", 10, SOFT))
        put(Text(x + side - 10, y - 3, f"{carried[h].sum()} of {scenario.demand[h].sum()}", 10, SOFT, anchor="end"))
        put(Boxes([(x, y, side - 6.0, side - 6.0)], LANE))
        _draw_map(scene, scenario, carried[h], flights[h], place + np.array((x, y)), spots, most)
    _draw_lanes(scene, scenario, log, top, lanes, high)
    return scene


def _summary(scenario: Scenario, log: FleetLog) -> str:
    flown = log.origin != log.destination
    empty = int((flown & (log.passengers == 0)).sum())
    return (
        f"{int(log.passengers.sum())} of {int(scenario.demand.sum())} passengers, {int(flown.sum())} flights, {empty} "
        "of them empty"
    )


def _places(scenario: Scenario, side: float) -> Array:
    """Return (V, 2) where the ports lie in a square map."""
    low, high = scenario.position.min(axis=0), scenario.position.max(axis=0)
    scale = (side - 2 * EDGE) / max(float((high - low).max()), 1e-9)
    place: Array = side / 2 + scale * (scenario.position - (low + high) / 2.0) * (1.0, -1.0)
    return place


def _spots(scenario: Scenario, place: Array, side: float) -> list[tuple[float, float, str]]:
    """Return for each port the spot of SPOTS at which its name covers least of dots and of names before it."""
    taken = [(x - 3.0, y - 3.0, x + 3.0, y + 3.0) for x, y in place.tolist()]
    found = []
    for i, (x, y) in enumerate(place.tolist()):
        wide = 0.62 * SMALL * len(scenario.port_label(i))
        best, choice = math.inf, (SPOTS[0], taken[0])
        for right, down, anchor in SPOTS:
            left = x + right - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            box = left, y + down - SMALL, left + wide, y + down
            over = [min(box[2], o[2]) - max(box[0], o[0]) for o in taken]
            high = [min(box[3], o[3]) - max(box[1], o[1]) for o in taken]
            covered = sum(a * b for a, b in zip(over, high, strict=True) if a > 0.0 and b > 0.0)
            covered += SMALL * (max(0.0, -left) + max(0.0, left + wide - side))
            if covered < best:
                best, choice = covered, ((right, down, anchor), box)
        found.append(choice[0])
        taken.append(choice[1])
    return found


def _width(passengers: int, most: int) -> float:
    return THIN + (WIDE - THIN) * passengers / most


def _draw_key(scene: Scene, most: int) -> None:
    """Draw what the lines of maps mean, at the right above them."""
    counts = sorted({0, 1, math.ceil(most / 2), most})
    for at, count in enumerate(reversed(counts)):
        x = WIDTH - RIGHT - 44.0 * (at + 1)
        scene.shapes.append(Line((x, 44.0), (x + 18.0, 44.0), shade(count, most), _width(count, most)))
        scene.shapes.append(Text(x + 21.0, 47.0, str(count), 9, SOFT))


def _draw_map(
    scene: Scene,
    scenario: Scenario,
    carried: Array,
    flights: Array,
    place: Array,
    spots: list[tuple[float, float, str]],
    most: int,
) -> None:
    """Draw one hour's flows between ports at ``place`` (V, 2), those of each direction on the right of their way."""
    put = scene.shapes.append
    pairs = np.argwhere(flights).tolist()
    for i, j in sorted(pairs, key=lambda pair: int(carried[pair[0], pair[1]])):
        count, times = int(carried[i, j]), int(flights[i, j])
        way = place[j] - place[i]
        wide = _width(count, most)
        aside = (wide / 2 + 0.3) * np.array([-way[1], way[0]]) / max(float(np.hypot(*way)), 1e-9)
        (x, y), (right, below) = (place[i] + aside).tolist(), (place[j] + aside).tolist()
        words = (
            f"{scenario.port_label(i)} to {scenario.port_label(j)}: {count} passenger{'s' * (count != 1)}, "
            f"{times} flight{'s' * (times != 1)}"
        )
        put(Line((x, y), (right, below), shade(count, most), wide, words))
    for i, (east, north) in enumerate(place.tolist()):
        label = scenario.port_label(i)
        put(Dot(east, north, 3.0, INK, bool(scenario.charging[i] == 0), label))
        if scenario.n_ports <= 16:
            right, down, anchor = spots[i]
            put(Text(east + right, north + down, label, SMALL, INK, anchor=anchor))


def _draw_lanes(scene: Scene, scenario: Scenario, log: FleetLog, top: float, lanes: int, high: float) -> None:
    put = scene.shapes.append
    span = scenario.day_end - scenario.day_start
    across = (WIDTH - LEFT - RIGHT) / span
    words = (
        "flights by passengers on board; grey: an aircraft chose to stay; white: it charged, was late or out of service"
    )
    if lanes < scenario.n_aircraft:
        words = f"the first {lanes} of {scenario.n_aircraft} aircraft: {words}"
    put(Text(LEFT, top - 8, words, 10, SOFT))
    for count in range(scenario.seats + 1 if scenario.seats <= 8 else 0):
        at = WIDTH - RIGHT - 20.0 * (scenario.seats + 1 - count)
        put(Boxes([(at, top - 17, 10, 10)], shade(count, scenario.seats)))
        put(Text(at + 12, top - 8, str(count), 9, SOFT))
    for h in range(scenario.n_hours + 1):
        x = LEFT + across * HOUR * h
        put(Line((x, top), (x, top + lanes * high + 3), FAINT))
        put(Text(x, top + lanes * high + 15, clock(scenario.day_start + HOUR * h), 9, SOFT, anchor="middle"))
    for k in range(lanes):
        if k % 5 == 0:
            put(Text(LEFT - 6, top + (k + 1) * high - 1.5, f"aircraft {k}", 8, SOFT, anchor="end"))
    end = scenario.day_end

    def box(k: int, begin: float, stop: float) -> tuple[float, float, float, float]:
        begin, stop = min(begin, end), min(stop, end)
        return LEFT + across * (begin - scenario.day_start), top + k * high + 1, across * (stop - begin), high - 2

    stays = (log.origin == log.destination) & (log.aircraft < lanes)
    rows = zip(log.aircraft[stays].tolist(), log.time[stays].tolist(), strict=True)
    put(Boxes([box(k, time, time + scenario.idle_step) for k, time in rows], STAY))
    for at in np.flatnonzero((log.origin != log.destination) & (log.aircraft < lanes)).tolist():
        k, count = int(log.aircraft[at]), int(log.passengers[at])
        begin, stop = float(log.departure[at]), float(log.arrival[at])
        origin, destination = (scenario.port_label(port) for port in (log.origin[at], log.destination[at]))
        hover = f"aircraft {k}: {origin} to {destination}, {clock(begin)} to {clock(stop)}, {count} passengers"
        put(Boxes([box(k, begin, stop)], shade(count, scenario.seats), hover))


def fleet_svg(scenario: Scenario, log: FleetLog, title: str = "") -> str:
    """Return the picture of a day as SVG text; a pointer over a flight or a line tells more.

    Args:
        scenario: the day.
        log: what the fleet did, of a day that is over or under way.
        title: the heading; the scenario's name and size if empty.
    """
    return svg_of(fleet_scene(scenario, log, title))


def fleet_rgb(scenario: Scenario, log: FleetLog, title: str = "") -> Array:
    """Return the same picture as pixels, (H, W, 3) uint8, of one size for every log of a scenario."""
    return pixels_of(figure_of(fleet_scene(scenario, log, title)))


def save_fleet(scenario: Scenario, log: FleetLog, path: str | Path, title: str = "") -> None:
    """Write the same picture to ``path`` (.svg, .png or .pdf), whole or not at all."""
    save_scene(path, fleet_scene(scenario, log, title))


def fleet_ansi(scenario: Scenario, log: FleetLog, width: int = 100) -> str:
    """Return a day as text of at most ``width`` columns: a line for each aircraft.

    A character shows where an aircraft is in the middle of its time: in the air the symbol of the port it flies to, as
    listed below the lines, or ``-`` if no one is on board; ``.`` on the ground.
    """
    _check(scenario, log)
    lanes = min(scenario.n_aircraft, MOST_LANES)
    margin = len(str(scenario.n_aircraft)) + 2
    columns = max(10, width - margin - 1)
    times = scenario.day_start + (np.arange(columns) + 0.5) * (scenario.day_end - scenario.day_start) / columns
    chart = np.full((lanes, columns), ".")
    for at in np.flatnonzero((log.origin != log.destination) & (log.aircraft < lanes)).tolist():
        symbol = SYMBOLS[int(log.destination[at]) % len(SYMBOLS)] if log.passengers[at] else "-"
        chart[log.aircraft[at], (log.departure[at] <= times) & (times < log.arrival[at])] = symbol
    flown = log.origin != log.destination
    lines = [
        f"{scenario.name} ({scenario.size_label})  {int(flown.sum())} flights  "
        f"{int(log.passengers.sum())}/{int(scenario.demand.sum())} passengers"
    ]
    lines += [f"{k:>{margin - 2}} |{''.join(chart[k])}|" for k in range(lanes)]
    begin, end = clock(scenario.day_start), clock(scenario.day_end)
    lines.append(" " * (margin - 1) + begin + f"{end:>{columns + 1 - len(begin)}}")
    shown = min(scenario.n_ports, len(SYMBOLS))
    lines.append("to: " + " ".join(f"{SYMBOLS[i]}={scenario.port_label(i)}" for i in range(shown)))
    return "\n".join(lines) + "\n"
