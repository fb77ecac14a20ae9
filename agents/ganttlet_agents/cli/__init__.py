"""The command line: ``ganttlet train | evaluate | data | version``; train.py and evaluate.py are shells over it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ganttlet.core.errors import InputError, MissingExtraError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None, *, within: str = "") -> int:
    """Run a command and return its exit code.

    Args:
        arguments: words of the command line; ``sys.argv`` if None.
        within: a command whose subcommands are meant, as evaluate.py does with ``evaluate``.

    Returns:
        0; 1 if a row failed or a check found a difference; 2 for bad input or a file that cannot be written,
        told in one line on stderr; 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Imported here so that a missing extra is told in one line, too.
        from ganttlet_agents.cli.commands import parse

        return parse(words, within).run()
    except (InputError, MissingExtraError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{' '.join((error.strerror or str(error)).split())}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
