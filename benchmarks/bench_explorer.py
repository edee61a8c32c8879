"""The thought-anchor explorer in Chromium: load time, frames per second and size of a page with a long trace.

The trace is made up: 300 sentences, two link kinds with 44,850 scores each, intervals, answers and alternatives.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from anchors.companion.doctor import browser
from anchors.companion.picture import CHROMIUM_FLAGS
from anchors.companion.widgets import page
from anchors.thought.taxonomy import CATEGORIES

FOLDER = Path(__file__).parents[1] / "anchors" / "thought" / "explorer"
MOST_SECONDS, LEAST_FRAMES, MOST_MB = 1.0, 30.0, 1.5
TEXT = (
    "So the sum of the first {n} terms is \\(\\frac{{{n}({n}+1)}}{{2}}\\), which we compare with $x_{{{n}}}^2$ again."
)
RUNS = {
    "hover sweep over the circle": "circle",
    "choosing sentences in the circle": "choose",
    "slider of the least importance": "slider",
    "hover sweep over the matrix": "matrix",
    "hover sweep along the trace": "strips",
    "going from tab to tab": "tabs",
}
# Each frame does the next step of a script; the frames of a second and the longest one are counted.
FRAMES = """async ([kind, seconds]) => {
  const root = document.querySelector(".explorer"), find = (query) => root.querySelector(query);
  const point = (node, x, y) =>
    node.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
  const tabs = [...root.querySelectorAll("[role=tab]:not([hidden])")], slider = find("input[type=range]");
  const open = (name) => tabs.find((tab) => tab.id.endsWith(name)).click();
  open(["matrix", "strips"].includes(kind) ? kind : "circle");
  await new Promise((done) => setTimeout(done, 500));
  const target = find({ matrix: ".view-matrix canvas.cursor", strips: ".view-strips svg" }[kind] ?? "svg.circle");
  const box = target.getBoundingClientRect(), nodes = [...root.querySelectorAll(".circle .node")];
  const steps = {
    circle(k) {
      const r = box.width / 2 - 70, x = r * Math.sin(k / 20), y = -r * Math.cos(k / 20);
      point(target, box.x + box.width / 2 + x, box.y + box.height / 2 + y);
    },
    choose: () => document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })),
    slider(k) {
      slider.value = k % 40;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    },
    matrix: (k) => point(target, box.x + box.width * (0.5 + 0.4 * Math.sin(k / 15)), box.y + box.height * 0.2),
    strips: (k) => point(target, box.x + box.width * (0.5 + 0.4 * Math.sin(k / 15)), box.y + 60),
    tabs: (k) => tabs[k % tabs.length].click(),
  };
  if (kind === "tabs") for (const tab of tabs) {
    tab.click(); // each view is drawn once before the frames are counted
    await new Promise((done) => setTimeout(done, 300));
  }
  const start = performance.now();
  let last = start, longest = 0, k = 0;
  for (; performance.now() - start < 1000 * seconds; k += 1) {
    steps[kind](k);
    const now = await new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))));
    [longest, last] = [Math.max(longest, now - last), now];
  }
  return [k / ((performance.now() - start) / 1000), longest];
}"""
PAINTED = "performance.getEntriesByName('explorer: circle painted')[0]?.startTime"


def bundle(size: int, seed: int = 0) -> dict:
    """A made-up bundle of one trace with ``size`` sentences."""
    rng = np.random.default_rng(seed)
    values, accuracy = rng.gamma(0.5, 0.3, size), np.clip(np.linspace(0.4, 1, size + 1), 0, 1)
    rows = [np.round(rng.normal(0, 0.2, size - 1 - i), 4).tolist() for i in range(size)]
    other = [np.round(rng.normal(0, 2, size - 1 - i), 4).tolist() for i in range(size)]
    alternatives = [
        {"text": TEXT.format(n=k + 2), "answer": str(k), "right": k == 0, "different": k % 2 == 0, "similarity": 0.7}
        for k in range(10)
    ]
    trace = {
        "id": "model/long/correct", "model": "model", "problem": "long", "title": "A long trace", "solution": "correct",
        "question": TEXT.format(n=1), "answer": "0", "given": "0",
        "sentences": [{"text": TEXT.format(n=i), "category": CATEGORIES[i % 8], "depends": [max(0, i - 1)]}
                      for i in range(size)],
        "importances": [{"key": "kl", "label": "importance", "unit": "nats", "origin": "exact",
                         "values": values.tolist(), "low": (values - 0.05).tolist(), "high": (values + 0.05).tolist()}],
        "links": [{"key": "counterfactual", "label": "resampling", "unit": "share", "origin": "exact", "rows": rows},
                  {"key": "suppression", "label": "suppression", "unit": "log", "origin": "exact", "rows": other}],
        "accuracy": {"values": accuracy.tolist(), "low": (accuracy * 0.9).tolist(), "high": accuracy.tolist()},
        "answers": [[["0", a], ["1", (1 - a) / 2], ["\\frac{1}{2}", (1 - a) / 2]] for a in accuracy.tolist()],
        "alternatives": [alternatives] * size,
    }  # fmt: skip
    return {"format": "anchors-explorer/1", "traces": [trace]}


def load_seconds(tab: Page, address: str, repeat: int) -> list[float]:
    """Seconds from the start of the navigation to the frame after the circle was drawn, for each load."""
    found = []
    for _ in range(repeat):
        tab.goto(address)
        while (painted := tab.evaluate(PAINTED)) is None:
            time.sleep(0.02)
        found.append(painted / 1000)
        tab.goto("about:blank")
    return found


def line(name: str, value: float, unit: str, bound: str, good: bool) -> str:
    """One measurement beside its bound."""
    return f"{name:<40}{value:>9.2f} {unit:<11}{bound:<12}{'ok' if good else 'MISSED'}"


def measure(tab: Page, state: dict, repeat: int, seconds: float) -> list[str]:
    """Lines of the report."""
    text = page(FOLDER, "Thought-anchor explorer", state)
    size = (len(text.encode()) - len(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode())) / 1e6
    lines = [line("page without data", size, "MB", f"<= {MOST_MB}", size <= MOST_MB)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(text, encoding="utf-8")
        load = float(np.median(load_seconds(tab, file.as_uri(), repeat)))
        lines.append(
            line(f"load to first circle, median of {repeat}", load, "s", f"<= {MOST_SECONDS}", load <= MOST_SECONDS)
        )
        tab.goto(file.as_uri())
        tab.wait_for_timeout(1000)
        for name, kind in RUNS.items():
            frames, longest = tab.evaluate(FRAMES, [kind, seconds])
            lines.append(
                line(name, frames, "frames/s", f">= {LEAST_FRAMES:.0f}", frames >= LEAST_FRAMES)
                + f"   longest {longest:.0f} ms"
            )
    return lines


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    state = {"bundle": bundle(args.sentences), "selected": None, "trace": None}
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        tab = chromium.new_page(viewport={"width": 1440, "height": 1000})
        print(f"{args.sentences} sentences, {args.sentences * (args.sentences - 1) // 2:,} scores x 2 link kinds")
        print("\n".join(measure(tab, state, args.repeat, args.seconds)))
        chromium.close()


if __name__ == "__main__":
    main()
