"""Time and memory of a fit against the number of training rows, each fit in a process of its own.

``python -m anchors.hashing.studies.scaling RREH 100000`` prints the record of one fit.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from anchors.companion.cache import limited
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, loglog_slope
from anchors.hashing.trials import grid

IMPORTED = [__spec__.name, "anchors.hashing.baselines"]  # by the server that the processes of fits are forks of
D1, D2, BITS, ANCHORS, SHARE = 100, 60, 32, 200, 0.2


def fit_once(method: str, n: int, repeat: int = 0) -> dict[str, float]:
    """Return processor seconds and peak memory (GiB) of one fit on n rows, in a process of its own with one thread.

    The process is a fork of a server that has imported :data:`IMPORTED` and fitted nothing: no fit pays for imports or
    finds what an earlier one left. Its peak begins at what the imports hold; pages of the libraries' files count once
    the fit touches them, so that it lies some 0.06 GiB below the peak of a program that imports them itself.
    """
    return limited(_forked, {"job": (method, n, repeat)})


def _forked(job: tuple[str, int, int]) -> dict[str, float]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(measure, *job).result()


def measure(method: str, n: int, repeat: int) -> dict[str, float]:
    """Fit ``method`` on n synthetic rows: linear features (100, 60), 32 bits, 200 anchors, 20 % pairs, 10 rounds."""
    from anchors.hashing.baselines import METHODS

    rng = np.random.default_rng([n, repeat])
    latent = rng.standard_normal((n, 16), dtype=np.float32)
    image, text = (
        latent @ rng.standard_normal((16, d), dtype=np.float32) + rng.standard_normal((n, d), dtype=np.float32)
        for d in (D1, D2)
    )
    pairs = int(SHARE * n)
    before = peak_gib()
    options = {"n_anchors": min(ANCHORS, pairs), "max_iter": 10, "tol": 0.0} if method == "RREH" else {"max_samples": n}
    model = METHODS[method](bits=BITS, kernel=None, dtype="float32", random_state=repeat, **options)
    start = time.process_time()  # of this process: what else runs on the machine does not count
    model.fit(image[:pairs], text[:pairs], unpaired_images=image[pairs:], unpaired_texts=text[pairs:])
    seconds = time.process_time() - start
    return {"seconds": seconds, "peak_gib": peak_gib(), "input_gib": before}


def peak_gib() -> float:
    """Return the largest resident size of this process so far.

    Linux counts it from the start of this program (VmHWM); elsewhere ru_maxrss may hold the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    import resource

    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per method, n and repetition. IMH, of cubic cost, is measured up to 2,000 rows."""
    laptop = [1000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
    sizes = choose(profile, [1000, 10_000], laptop, [*laptop, 3_000_000])
    small, many = choose(profile, [500], [500, 1000, 2000], [500, 1000, 2000, 3000]), choose(profile, 1, 5, 5)
    jobs = [{"method": "RREH", "n": n, "repeat": seed + i} for n in sizes for i in range(many if n <= 100_000 else 1)]
    jobs += [{"method": "IMH", "n": n, "repeat": seed} for n in small]
    results = grid(fit_once, jobs, "scaling", [])
    return pd.DataFrame([job | result for job, result in zip(jobs, results, strict=True)])


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the slopes, time and memory at the largest n, and the verdict (slope 0.9 to 1.1 from 10,000 rows on)."""
    fastest = table.groupby(["method", "n"], as_index=False).seconds.min()
    big = fastest[(fastest.method == "RREH") & (fastest.n >= 10_000)]
    imh = fastest[fastest.method == "IMH"]
    slope = slope_interval(big.n.to_numpy(), big.seconds.to_numpy())
    last = table[table.method == "RREH"].sort_values(["n", "seconds"], ascending=[True, False]).iloc[-1]
    slope = slope._replace(n=int(table.repeat.nunique()))
    rows = [row("RREH: log-log slope of time, n ≥ 10,000", slope, n=len(big), unit="exponent", clock=True)]
    if len(imh) > 1:
        name = f"IMH: log-log slope of time, single runs up to {imh.n.max():,} rows"
        rows.append(Row(name, loglog_slope(imh.n, imh.seconds), n=len(imh), source="cached", clock=True))
    once = {"n": 1, "seeds": 1, "source": "cached", "clock": True}
    rows.append(Row(f"RREH: fit on {last.n:,} rows", last.seconds, unit="s", **once))
    rows.append(Row(f"RREH: peak memory on {last.n:,} rows", last.peak_gib, unit="GiB", **once))
    kind = (
        "measured" if np.isnan(slope.mean) else "holds" if slope.mean <= 1.1 and last.peak_gib <= 4 else "does not hold"
    )
    text = (
        f"With linear features time grows with n to the power {slope.mean:.2f} from 10,000 rows on; "
        f"{last.n:,} rows take {last.seconds:.0f} s and {last.peak_gib:.1f} GiB on one core."
    )
    return rows, Verdict(kind, text)


def slope_interval(n: np.ndarray, seconds: np.ndarray) -> Interval:
    """Return the fitted exponent with its 95 % interval from the scatter about the line (needs three sizes)."""
    from scipy.stats import linregress, t

    if len(n) < 3:
        value = loglog_slope(n, seconds) if len(n) > 1 else float("nan")
        return Interval(value, float("-inf"), float("inf"), 1)
    fit = linregress(np.log(n), np.log(seconds))
    half = t.ppf(0.975, len(n) - 2) * fit.stderr
    return Interval(fit.slope, fit.slope - half, fit.slope + half, 1)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)))
