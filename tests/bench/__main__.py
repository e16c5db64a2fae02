"""`make bench ARGS="--only B9"`: the benches there are so far. An unknown row is refused, never passed over."""

from __future__ import annotations

import argparse
import sys

from tests.bench import map_rate, store_rate, validate_rate

ROWS = {"B9": map_rate.main, "store": store_rate.main, "validate": validate_rate.main}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default=",".join(ROWS), help=f"rows, by comma: {', '.join(ROWS)}")
    wanted = [row.strip() for row in parser.parse_args().only.split(",")]
    if unknown := [row for row in wanted if row not in ROWS]:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}. B1 and B4 are not built yet.", file=sys.stderr)
        return 2
    sys.argv = sys.argv[:1]  # the rows read no arguments of ours
    for row in wanted:
        print(f"── {row}")
        ROWS[row]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
