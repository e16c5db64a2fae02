"""The command line: one verb a file; the only room that speaks to the terminal. `main` is the command `liaison`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and ends the process: 0 done, 1 the answer is "no", 2 something is to be mended first (it is said
    what and how), 130 interrupted, 70 an error of Liaison's own. Never a traceback: values could stand in it."""
    from adapter.cli.program import program
    from adapter.cli.refusing import FAULT, said

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        program()(args=words or ["--help"], prog_name="liaison")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the last catch
        text, code = said(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    sys.exit(FAULT)  # typer always ends the process itself
