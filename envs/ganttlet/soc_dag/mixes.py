"""Published streams of jobs: which applications in which shares, on what platform, at which settings, and the source.

Applications and platforms are named as in ``profiles``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ganttlet.soc_dag.scenario import Scenario

# PEs per cluster (A7, A15, MM, FFT, VIT) of the platforms made of odroid_acc16, which is G1.
# Krishnakumar et al., IEEE TCAD 2020, Table VIII.
COUNTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "G1": (4, 4, 2, 4, 2),
        "G2": (2, 2, 2, 2, 2),
        "G3": (1, 1, 1, 1, 1),
        "G4": (4, 4, 1, 1, 1),
        "G5": (4, 4, 0, 0, 0),
    }
)
COUNTED = "odroid_acc16"
# Jobs per 1000 us that the normalised throughput 1.0 of Krishnakumar et al. stands for.
IL_PEAK = 19.78


@dataclass(frozen=True)
class Mix:
    """A stream by name.

    Fields:
        platform: name of the platform.
        applications: names of the applications.
        shares: their shares among the arrivals, of any sum.
        scenario: arrivals and what counts; its ``scale`` is one of ``scales``.
        scales: mean gaps in us at which the source shows results, or near them.
        source: where shares, capacity and settings are printed.
    """

    platform: str
    applications: tuple[str, ...]
    shares: tuple[float, ...]
    scenario: Scenario
    scales: tuple[float, ...]
    source: str


_WIFI = ("wifi_tx", "wifi_rx")
_SIX = (*_WIFI, "range_detection", "sc_tx", "sc_rx", "temporal_mitigation")
_TABLE4 = ("table4_wifi_tx", "table4_wifi_rx", "table4_pulse_doppler", "table4_range_detection")
_DS3 = Scenario(scale=100.0, capacity=12, full="block", length=50_000, end="cut", warmup=10_000)
_DS3_SETTINGS = "length and warm-up: segemena/DS3 at 056c930, run_Scheduling_Case_Study.py"
_SOCRATES = Scenario(scale=25.0, capacity=3, full="redraw", prefill=True, length=5_000, end="cut", tick_compat=True)


def _top(count: int) -> tuple[str, ...]:
    return tuple(f"top_{number}" for number in range(1, count + 1))


MIXES: Mapping[str, Mix] = MappingProxyType(
    {
        "top_single": Mix(
            "top_3", _top(1), (1.0,), _SOCRATES, (25.0,), "EpiSci/SoCRATES at e246978, config.py: its defaults"
        ),
        "top_mix5": Mix(
            "top_3",
            _top(5),
            (0.2,) * 5,
            _SOCRATES,
            (25.0, 50.0, 75.0, 100.0),
            "anonymous1958342/DS3Gym at 71fbff5, config.py and the figure of its documentation",
        ),
        "top_mix10": Mix(
            "top_3",
            _top(10),
            (0.1,) * 10,
            _SOCRATES,
            (25.0,),
            "EpiSci/SoCRATES at e246978, docs: the figure of scalability",
        ),
        "ds3_fig12a": Mix(
            COUNTED,
            _WIFI,
            (0.2, 0.8),
            _DS3,
            (2000.0, 1000.0, 500.0, 300.0, 200.0, 150.0, 125.0, 100.0),
            f"Arda et al., DS3, IEEE Trans. Computers 2020, Fig. 12a; {_DS3_SETTINGS}",
        ),
        "ds3_fig12b": Mix(
            COUNTED,
            _WIFI,
            (0.8, 0.2),
            _DS3,
            (2000.0, 300.0, 200.0, 150.0, 125.0, 100.0, 80.0, 60.0, 50.0),
            f"Arda et al., DS3, IEEE Trans. Computers 2020, Fig. 12b; {_DS3_SETTINGS}",
        ),
        "il_mix": Mix(
            COUNTED,
            _SIX,
            (69, 111, 64, 64, 91, 101),
            _DS3,
            tuple(1000 / (IL_PEAK * share) for share in (0.05, 0.3, 0.5, 0.63, 0.8, 0.9, 1.0)),
            "Krishnakumar et al., IEEE TCAD 2020, Table III (jobs of each application among 500) and Fig. 6; "
            f"{_DS3_SETTINGS}",
        ),
        "table4": Mix(
            "table4",
            _TABLE4,
            (1.0,) * 4,
            Scenario(scale=100.0, capacity=12),
            (500.0, 200.0, 100.0, 75.0),
            "kernel times: Arda et al., DS3, IEEE Trans. Computers 2020, Table 4; the mix and its settings are ours",
        ),
    }
)
