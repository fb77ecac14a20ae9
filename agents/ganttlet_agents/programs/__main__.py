"""``python -m ganttlet_agents.programs``: list workloads, extract one, import HLO, or make the shipped programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ganttlet.core.errors import InputError, MissingExtraError

USAGE, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 2 for bad input or a file that cannot be written (told in a line), 130 after Ctrl-C."""
    try:
        # Imported here so that a missing extra is told in one line, too.
        from ganttlet_agents.programs.commands import parse

        return parse(list(sys.argv[1:] if arguments is None else arguments)).run()
    except (InputError, MissingExtraError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{' '.join((error.strerror or str(error)).split())}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
