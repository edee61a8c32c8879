"""How fast a rubric scores and aggregates: responses per second of eight programs, seconds for 10^6 x 16 scores.

One process, one thread, processor time (the bounds are per core; wall time is printed beside). The responses are short
(about 47 words, as a policy writes in 64 tokens), all different, in several voices; the rubric's eight criteria read
words, sentences, lists, case and marks, and gathering their evidence is in the time. The aggregation takes every step
there is, the veto included.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from anchors.rubric import criteria
from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto
from anchors.rubric.rubric import Criterion, Rubric

RATE, SECONDS = 5_000, 1.0  # responses per second at least; seconds for 10^6 x 16 scores at most
RESPONSES, ROWS, COLUMNS = 20_000, 1_000_000, 16
PROGRAMS = [  # eight criteria: kind, check, options
    ("program", "ifeval:punctuation:no_comma", {}),
    ("program", "ifeval:length_constraints:number_words", {"num_words": 60, "relation": "less than"}),
    ("program", "ifeval:length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}),
    ("program", "ifeval:keywords:existence", {"keywords": ["bridge", "river"]}),
    ("program", "ifeval:detectable_format:number_bullet_lists", {"num_bullets": 2}),
    ("program", "lowercase", {}),
    ("program", "regex", {"pattern": r"\b(?:great|good|excellent)\s+question\b"}),
    ("program", "complete", {}),
]
VOICES = [  # eight criteria of the other kinds that need no model
    ("lexicon", "prefatory_praise", {}),
    ("lexicon", "self_praise", {}),
    ("lexicon", "ai_disclaimer", {}),
    ("lexicon", "closing_offer", {}),
    ("lexicon", "sensory", {}),
    ("statistic", "words", {"low": 20, "high": 60}),
    ("statistic", "repetition", {"low": 0.3, "high": 0.0}),
    ("statistic", "sentence_length_variation", {"low": 0.0, "high": 0.5}),
]
WORDS = (
    "the old bridge over river was closed for two weeks and nobody in village knew what to do about it we walked "
    "through cold fields instead of driving because my coat smelled of smoke rain fell on stones near water where"
)
SENTENCES = [
    "Great question!", "As an AI I have no home.", "I hope this helps!", "- one thing\n- another thing",
    "This answer is comprehensive.", "WE WALKED, TALKED, AND SANG.",
]  # fmt: skip


def rubric(criteria_of: list[tuple]) -> Rubric:
    """Return a rubric of the given criteria, ungraded tiers, no weights."""
    made = [
        Criterion(id=f"c{k}", description=check, kind=kind, check=check, options=options, snap=False)
        for k, (kind, check, options) in enumerate(criteria_of)
    ]
    return Rubric(id="bench", criteria=made)


def responses(count: int) -> list[str]:
    """Return short texts: five sentences of about eleven words, one in four replaced by one of a voice."""
    rng, words = np.random.default_rng(0), np.array(WORDS.split())
    made = []
    for _ in range(count):
        parts = [" ".join(rng.choice(words, rng.integers(6, 17))).capitalize() + "." for _ in range(5)]
        voices = [SENTENCES[rng.integers(len(SENTENCES))] if rng.random() < 0.25 else part for part in parts]
        made.append(" ".join(voices))
    return made


def fastest(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the best processor time and the best wall time of some rounds, seconds."""
    processor, wall = [], []
    for _ in range(rounds):
        start = time.process_time(), time.perf_counter()
        work()
        processor.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    return min(processor), min(wall)


def scoring(name: str, given: list[tuple], texts: list[str], rounds: int) -> float:
    """Print and return the rate of a rubric, responses per second."""
    made, prompts = rubric(given), ["How old is the bridge?"] * len(texts)
    seconds, wall = fastest(lambda: criteria.score(made, prompts, texts), rounds)
    print(f"{name:42} {seconds:6.2f} s (wall {wall:5.2f} s)   {len(texts) / seconds:9,.0f} responses a second")
    return len(texts) / seconds


def aggregation(rows: int, rounds: int) -> float:
    """Print and return the seconds that all steps take on rows x 16 scores."""
    made = rubric(PROGRAMS + VOICES)
    critical = made.criteria[8].model_copy(update={"critical": True})
    made = Rubric(id="bench", criteria=[*made.criteria[:8], critical, *made.criteria[9:]])
    pairs = {("c0", "c1"): 0.5, ("c2", "c3"): 0.5, ("c4", "c5"): -0.02}
    full = Aggregator(made, steps=(Saturation(), Interaction(pairs=pairs), Shaping(), Veto()))
    scores = np.random.default_rng(0).random((rows, COLUMNS))
    for name, aggregate in (("linear", Aggregator(made)), ("all four steps", full)):
        seconds, wall = fastest(lambda aggregate=aggregate: aggregate(scores), rounds)
        print(f"{f'{rows:,} x {COLUMNS} scores, {name}':42} {seconds:6.2f} s (wall {wall:5.2f} s)")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the responses and rows")
    given = parser.parse_args()
    threadpool_limits(1)
    share = 10 if given.quick else 1
    texts = responses(RESPONSES // share)
    words = np.mean([len(text.split()) for text in texts])
    print(f"{len(texts):,} responses of {words:.0f} words, evidence included, one thread, best of 3 rounds")
    rate = scoring("eight programs", PROGRAMS, texts, 3)
    scoring("eight lexicons and statistics", VOICES, texts, 3)
    seconds = aggregation(ROWS // share, 3)
    print(f"rate: {rate:,.0f} responses a second   required: at least {RATE:,}")
    print(f"seconds: {seconds:.2f}   required: at most {SECONDS:.0f}")
    assert rate >= RATE, f"{rate:,.0f} responses a second, at least {RATE:,}"
    assert seconds <= SECONDS, f"{seconds:.2f} s, at most {SECONDS}"


if __name__ == "__main__":
    main()
