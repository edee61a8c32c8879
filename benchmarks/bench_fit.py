"""A fit is linear in the number of rows: time and peak memory from 10,000 to 1,000,000 rows, one process each.

Bounds: log-log slope 0.9 to 1.1; a million rows (100 + 60 features, 32 bits, 200 anchors) within 4 GiB.
"""

import argparse

from anchors.companion.stats import loglog_slope
from anchors.hashing.studies.scaling import fit_once


def main() -> None:
    """Print a line per size, the fitted slope and the memory of the largest fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="stop at 100,000 rows")
    sizes = [10_000, 30_000, 100_000] + ([] if parser.parse_args().quick else [300_000, 1_000_000])
    seconds = []
    print(f"{'rows':>10} {'seconds':>9} {'peak GiB':>9}")
    for n in sizes:
        tries = [fit_once("RREH", n, repeat) for repeat in range(3 if n <= 100_000 else 1)]
        best = min(tries, key=lambda found: found["seconds"])
        seconds.append(best["seconds"])
        print(f"{n:>10,} {best['seconds']:>9.2f} {best['peak_gib']:>9.2f}", flush=True)
    print(f"slope {loglog_slope(sizes, seconds):.2f} (bound 0.9 to 1.1); peak {best['peak_gib']:.2f} GiB (bound 4)")


if __name__ == "__main__":
    main()
