"""Self-contained HTML pages, written from result folders alone: a folder's report, and a leaderboard over several."""

from ganttlet_agents.evaluation.report.leaderboard import (
    LEADERBOARD,
    load_folders,
    print_boards,
    render_leaderboard,
    write_leaderboard,
)
from ganttlet_agents.evaluation.report.page import CHARTS, render_report, write_report

__all__ = [
    "CHARTS",
    "LEADERBOARD",
    "load_folders",
    "print_boards",
    "render_leaderboard",
    "render_report",
    "write_leaderboard",
    "write_report",
]
