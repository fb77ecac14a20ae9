"""Makes the family of tests/plugin and the methods of trial_methods.py known, to new processes too."""

from pathlib import Path

HERE = Path(__file__).parent
ENTRY_POINTS = """\
[ganttlet.families]
one_machine = ganttlet_dummy.family:FAMILY

[ganttlet.methods]
one_machine_rules = ganttlet_dummy.methods:METHODS
trials = trial_methods:METHODS
"""


def install(folder):
    """Make the plug-in known by a folder of metadata, as pip would; return what belongs on the path."""
    data = Path(folder) / "trials-1.dist-info"
    data.mkdir(parents=True)
    (data / "METADATA").write_text("Metadata-Version: 2.1\nName: trials\nVersion: 1\n", encoding="utf-8")
    (data / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    return [str(folder), str(HERE), str(HERE / "plugin")]


def forget():
    """Let the registries look again."""
    from ganttlet.core import family
    from ganttlet_agents.evaluation import methods

    for cached in (family.get_family, methods._registry):
        cached.cache_clear()
