"""``python -m anchors.thought.explorer SOURCE … -o page.html``: a page of its own from what a reader has."""

import argparse
import sys
from pathlib import Path

from anchors.companion.errors import AnchorsError, InputError
from anchors.thought.explorer import sources
from anchors.thought.explorer.measured import BOOTSTRAP
from anchors.thought.explorer.widget import TITLE, Explorer


def main(words: list[str] | None = None) -> int:
    """Write the page and return 0; print one line and return 2 when something is wrong."""
    args = _parser().parse_args(words)
    try:
        if Path(args.out).suffix not in (".html", ".json"):
            raise InputError("-o", args.out, "a name that ends with .html or .json")
        cases = sources.read_cases(args.cases) if args.cases else ()
        explorer = Explorer(args.sources, cases, title=args.title, bootstrap=args.bootstrap, seed=args.seed)
        path = explorer.save(args.out)
    except AnchorsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    count = len(explorer.traces)
    print(f"written: {path} ({count} {'trace' if count == 1 else 'traces'}, {path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m anchors.thought.explorer", description=__doc__)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=sources.EXPECTED)
    parser.add_argument("-o", "--out", required=True, help="the page (.html), or the bundle (.json)")
    parser.add_argument("--cases", help="JSON with the traces that a store holds rollouts of; see docs/explorer.md")
    parser.add_argument("--title", default=TITLE, help="heading of the page")
    parser.add_argument("--bootstrap", type=int, default=BOOTSTRAP, help="resamples behind the intervals (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the intervals, and of the companion's own traces (0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
