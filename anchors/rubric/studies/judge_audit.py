"""Judges beside labels that are known: word lists, statistics, embeddings and a small language model (section 5.3).

The cases are texts of the writer's program, whose attributes are decided exactly. The judges know nothing of the
program: they are the generic checks of :mod:`anchors.rubric.criteria`, MiniLM, and SmolLM2 as judge.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anchors.companion.cache import cached, cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict
from anchors.models import embed
from anchors.models.language import identity, load
from anchors.rubric import criteria
from anchors.rubric.criteria.fluency import mutual_information
from anchors.rubric.criteria.statistics import ramp
from anchors.rubric.likelihood_judge import LikelihoodJudge
from anchors.rubric.rates import Rate, rate
from anchors.rubric.rubric import Criterion, Rubric
from anchors.rubric.writer import attributes, lexicon, program, prompts
from anchors.rubric.writer.vocabulary import join

RESAMPLED, HALF = 1000, 0.5  # bootstrap samples; the score from which a judge says yes
TRUSTED = 0.9  # AUROC that a judge's whole interval must exceed
WORDS, DESCRIBED, SHOWN = "word list or program", "embedding: description", "embedding: example"
PROMPTED, MODEL, PMI = "embedding: prompt", "SmolLM2 as judge", "SmolLM2: likelihood"
JUDGES = (WORDS, DESCRIBED, SHOWN, PROMPTED, MODEL, PMI)
DESCRIPTIONS = {
    "praise": "The response praises the question or the one who asks.",
    "self_praise": "The response praises itself.",
    "assistant": "The response speaks as an AI assistant.",
    "moral": "The response draws a moral.",
    "offer": "The response ends by offering more.",
    "shout": "The response has a word in capital letters.",
    "emotion": "The response names a feeling.",
    "sensory": "The response describes what can be seen or touched.",
    "first_person": "The response is told in the first person.",
    "list": "The response is a list.",
    "commas": "The response has a comma.",
    "drift": "The response leaves the topic of the request.",
}
EXAMPLES = {  # none is a sentence of the program
    "praise": "That is a brilliant question, thanks a lot!",
    "self_praise": "I gave you a thorough and well-written response.",
    "assistant": "Being a language model, I can assist you.",
    "moral": "The moral is that we must respect each other.",
    "offer": "Can I tell you anything else?",
    "shout": "It was ENORMOUS!",
    "emotion": "He was joyful and then worried.",
    "sensory": "The stone was warm, smooth and grey.",
    "first_person": "I went home, and my hands were tired.",
    "list": "- first item\n- second item\n- third item",
    "commas": "Yesterday, in town, it rained.",
    "drift": "By the way, here is something else entirely.",
}
CHECKS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {  # the first is drawn
    "praise": (("prefatory_praise", {}), ("exclamations", {"low": 0, "high": 5})),
    "self_praise": (("self_praise", {}),),
    "assistant": (("assistant_voice", {}), ("ai_disclaimer", {})),
    "moral": (("moralising", {}),),
    "offer": (("closing_offer", {}), ("questions", {"low": 0, "high": 2})),
    "shout": (("capital_words", {"high": 0.05}), ("exclamations", {"low": 0, "high": 5})),
    "emotion": (("named_emotion", {}),),
    "sensory": (("sensory", {}), ("concrete", {})),
    "first_person": (("first_person", {}),),
    "list": (("bullets", {}), ("bullet_lines", {})),
    "commas": (("no_comma", {}),),
    "drift": (("relevance", {}),),
}
TURNED = ("no_comma", "relevance", "pmi")  # say that an attribute is absent
SENTENCES = {
    "praise": lexicon.PRAISE, "self_praise": lexicon.SELF_PRAISE, "assistant": lexicon.ASSISTANT,
    "moral": lexicon.MORAL, "offer": lexicon.OFFER,
}  # fmt: skip


class Cases(NamedTuple):
    """Prompts and texts (n) of the program, and their labels (n, A) in the order of :data:`DESCRIPTIONS`."""

    prompts: list[str]
    texts: list[str]
    labels: np.ndarray


def cases(seed: int, n: int) -> Cases:
    """Return ``n`` texts that the program writes for random prompts, labelled exactly."""
    rng = np.random.default_rng([seed, 5])
    asked = [prompts.sample(rng) for _ in range(n)]
    said, texts = [prompt.text for prompt in asked], [program.write(prompt, rng) for prompt in asked]
    columns = [attributes.ATTRIBUTES.index(name) for name in DESCRIPTIONS]
    return Cases(said, texts, attributes.decide(said, texts)[:, columns])


def compute(profile: str, seed: int, texts: int, judged: list[str], balanced: int) -> pd.DataFrame:
    """Return how far each judge agrees with the labels of each attribute: a row for each pair, see :func:`agreement`.

    Parameters
    ----------
    texts : cases for each of five seeds (twenty at ``paper``, two of 40 cases in smoke); SmolLM2 sees some of them.
    judged : attributes that SmolLM2 judges, two in smoke. balanced : cases with, and as many without, for each of them.
    """
    seeds = range(seed, seed + choose(profile, smoke=2, laptop=5, paper=20))
    texts = choose(profile, smoke=min(texts, 40), laptop=texts, paper=texts)
    jobs = [{"seed": s, "texts": texts} for s in seeds]
    found = cached_grid(scored, jobs, "checks on labelled texts", embed.identity())
    size = choose(profile, smoke=min(balanced, 1), laptop=balanced, paper=10 * balanced)
    judged = choose(profile, smoke=judged[:2], laptop=judged, paper=judged)
    slow = cached(
        model_scores, identity("smollm2"), seed=seed, seeds=len(seeds), texts=texts, judged=judged, balanced=size
    )
    return measured([line for lines in found for line in lines] + slow, len(seeds))


def scored(seed: int, texts: int) -> list[dict[str, Any]]:
    """Return the scores of all judges but SmolLM2 on ``texts`` cases: attribute, judge, check, labels, scores."""
    found, lines = cases(seed, texts), []
    asked, vectors = embedded(found)
    for column, (name, chosen) in enumerate(CHECKS.items()):
        labels = found.labels[:, column]
        for check, options in chosen:
            prompted = check == "relevance"
            u = 1 - ramp((asked * vectors).sum(1), 0.0, 0.7) if prompted else _checked(check, options, found)
            lines.append(_line(name, PROMPTED if prompted else WORDS, check, labels, u))
    names = list(DESCRIPTIONS)
    for judge, sentences in ((DESCRIBED, DESCRIPTIONS), (SHOWN, EXAMPLES)):
        u = ramp(
            vectors @ embed.embed([sentences[name] for name in names]).T, 0.0, 0.8
        )  # (n, A), as check "similarity"
        lines += [_line(name, judge, "similarity", found.labels[:, k], u[:, k]) for k, name in enumerate(names)]
    return lines


def embedded(found: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors (n, d) of the prompts and of the texts: most of the work of the checks, done once."""
    distinct = {text: row for row, text in enumerate(dict.fromkeys([*found.prompts, *found.texts]))}
    vectors = embed.embed(list(distinct))
    return tuple(vectors[[distinct[text] for text in own]] for own in (found.prompts, found.texts))


def _checked(check: str, options: dict[str, Any], found: Cases) -> np.ndarray:
    """Return how far a check finds the attribute (n,)."""
    kind = criteria.find(check).kind
    one = Criterion(id=check, description=check, kind=kind, check=check, options=options, snap=False)
    turned = one.model_copy(update={"avoid": check in TURNED})
    return criteria.score(Rubric(id="one", criteria=(turned,)), found.prompts, found.texts).values[:, 0]


def _line(name: str, judge: str, check: str, labels: np.ndarray, u: np.ndarray) -> dict[str, Any]:
    return {"attribute": name, "judge": judge, "check": check, "labels": np.asarray(labels, int).tolist(),
            "scores": np.round(np.asarray(u, float), 6).tolist()}  # fmt: skip


def model_scores(seed: int, seeds: int, texts: int, judged: list[str], balanced: int) -> list[dict[str, Any]]:
    """Return the scores of SmolLM2 on cases balanced by attribute: as judge, and by what the prompt adds (drift)."""
    every, model = [cases(s, texts) for s in range(seed, seed + seeds)], load("smollm2")
    judge, lines = Sharing(model), []
    for name in judged:
        asked, written, labels = chosen(every, name, balanced, seed)
        one = Criterion(id=name, description=DESCRIPTIONS[name], kind="llm_judge")
        lines.append(_line(name, MODEL, "llm_judge", labels, judge.judge(one, asked, written)))
    asked, written, labels = chosen(every, "drift", balanced, seed)
    u = 1 - ramp(mutual_information(model, asked, written), 0.0, 1.0)
    return [*lines, _line("drift", PMI, "pmi", labels, u)]


def chosen(every: list[Cases], name: str, balanced: int, seed: int) -> tuple[list[str], list[str], np.ndarray]:
    """Return prompts, texts and labels of ``balanced`` cases with an attribute and as many without, drawn from all."""
    column, rng = list(DESCRIPTIONS).index(name), np.random.default_rng([seed, 7])
    labels = np.concatenate([one.labels[:, column] for one in every])
    asked, written = [p for one in every for p in one.prompts], [t for one in every for t in one.texts]
    drawn = [
        rng.choice(rows, min(balanced, len(rows)), replace=False) for rows in map(np.flatnonzero, (labels, ~labels))
    ]
    rows = np.concatenate(drawn)
    return [asked[k] for k in rows], [written[k] for k in rows], labels[rows]


class Sharing(LikelihoodJudge):
    """The likelihood judge, reading what two prompts begin with only once: half the time, the same values."""

    known: Any = None
    read: tuple[int, ...] = ()

    def _probabilities(self, ways: list[list[int]]) -> np.ndarray:
        import torch

        part = next(place for place, tokens in enumerate(zip(*ways, strict=False)) if len(set(tokens)) > 1)
        ids = ways[0][:part]
        same = next((k for k, (a, b) in enumerate(zip(ids, self.read, strict=False)) if a != b), 0)
        if self.known is not None and same:
            self.known.crop(same - len(self.read))  # negative: so many tokens less
        else:
            self.known, same = None, 0
        with torch.inference_mode():
            rest = torch.tensor([ids[same:]], device=self.model.network.device)
            out = self.model.network(rest, past_key_values=self.known, use_cache=True, logits_to_keep=1)
        self.known, self.read = out.past_key_values, tuple(ids)
        return torch.softmax(out.logits[0, -1].double()[[way[part] for way in ways]], -1).cpu().numpy()


def measured(lines: list[dict[str, Any]], seeds: int) -> pd.DataFrame:
    """Return :func:`agreement` of each attribute and judge, with the cases of all seeds together, and means.

    The mean of a kind of judge, attribute ``all``, is over the attributes that it was asked about, each by its first
    check; for its interval they are resampled apart.
    """
    rows, samples = [], {}
    frame = pd.DataFrame(lines)
    for number, ((name, judge, check), own) in enumerate(frame.groupby(["attribute", "judge", "check"], sort=False)):
        labels, u = np.concatenate(own.labels.to_list()) > 0, np.concatenate(own.scores.to_list())
        value, drawn = auroc(labels, u), resampled(labels, u, np.random.default_rng([number, 3]))
        first = samples.setdefault(judge, {}).setdefault(name, (value, drawn))
        rows.append({"attribute": name, "judge": judge, "check": check, "first": first[1] is drawn,
                     "seeds": seeds, **agreement(labels, u, value, drawn), "tuned": tuned(own)})  # fmt: skip
    for judge, found in samples.items():
        values, drawn = zip(*found.values(), strict=True)
        low, high = np.quantile(np.mean(drawn, 0), [0.025, 0.975])
        n = sum(row["n"] for row in rows if row["judge"] == judge and row["first"])
        rows.append({"attribute": "all", "judge": judge, "check": f"{len(found)} attributes", "first": True,
                     "seeds": seeds, "n": n, "auroc": float(np.mean(values)), "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def auroc(labels: np.ndarray, u: np.ndarray) -> float:
    """Return how often a case with the attribute scores above one without, ties half."""
    return float(_areas(*(part[None] for part in _levels(labels, u)))[0])


def resampled(labels: np.ndarray, u: np.ndarray, rng: np.random.Generator, samples: int = RESAMPLED) -> np.ndarray:
    """Return the areas of bootstrap samples of texts, with and without the attribute drawn apart (stratified).

    Which texts are drawn does not depend on their scores: a last digit that differs changes one pair, not the sample.
    """
    places = np.unique(u, return_inverse=True)[1]
    width, counts = places.max() + 1, []
    for own in (places[labels], places[~labels]):
        drawn = own[rng.integers(len(own), size=(samples, len(own)))] + width * np.arange(samples)[:, None]
        counts.append(np.bincount(drawn.ravel(), minlength=samples * width).reshape(samples, width))
    return _areas(*counts)


def _levels(labels: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many cases with and without the attribute have each of the distinct scores, from below (m,)."""
    places = np.unique(u, return_inverse=True)[1]
    return tuple(np.bincount(places[part], minlength=places.max() + 1) for part in (labels, ~labels))


def _areas(having: np.ndarray, lacking: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each row of counts by level (b, m)."""
    below = np.cumsum(lacking, 1) - lacking / 2
    return (having * below).sum(1) / (having.sum(1) * lacking.sum(1))


def agreement(labels: np.ndarray, u: np.ndarray, value: float, drawn: np.ndarray) -> dict[str, Any]:
    """Return n, met, auroc with low and high (bootstrap over texts), and at a score of 0.5: accuracy, recall, false.

    ``accuracy`` has an exact interval; ``base`` is that of always giving the commoner label; ``recall`` is the share
    found of what is there, ``false`` the share of the others that is found, too.
    """
    says = u >= HALF
    right: Rate = rate(int((says == labels).sum()), len(labels))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "n": len(labels), "met": int(labels.sum()), "auroc": value, "low": float(low), "high": float(high),
        "accuracy": right.value, "accuracy_low": right.low, "accuracy_high": right.high,
        "base": float(max(labels.mean(), 1 - labels.mean())),
        "recall": float(says[labels].mean()), "false": float(says[~labels].mean()),
    }  # fmt: skip


def tuned(own: pd.DataFrame) -> float:
    """Return the accuracy on each seed's cases at the threshold that is best on those of the others; NaN for one seed.

    ``own`` has a row for each seed, with its labels and scores.
    """
    if len(own) < 2:
        return float("nan")
    pairs = [(np.array(one.labels) > 0, np.array(one.scores)) for one in own.itertuples()]
    right = []
    for k, (labels, u) in enumerate(pairs):
        rest = pairs[:k] + pairs[k + 1 :]
        threshold = best(np.concatenate([one for one, _ in rest]), np.concatenate([one for _, one in rest]))
        right.append((u >= threshold) == labels)
    return float(np.concatenate(right).mean())


def best(labels: np.ndarray, u: np.ndarray) -> float:
    """Return the threshold of most accuracy, u >= threshold being yes; infinite where never yes is best."""
    having, lacking = _levels(labels, u)
    right = np.append(np.cumsum((having - lacking)[::-1])[::-1], 0)  # beyond what never yes gets right
    return float(np.append(np.unique(u), np.inf)[right.argmax()])


def known_sentences() -> pd.DataFrame:
    """Return how many of the program's fixed sentences of a voice its first check sees: attribute, check, known, of.

    Intervals over texts are blind to this: another program would say it in other words.
    """
    rows = []
    for name, sentences in SENTENCES.items():
        said, (check, options) = [join(one.split()) for one in sentences], CHECKS[name][0]
        seen = _checked(check, options, Cases([""] * len(said), said, np.zeros(0))) >= HALF
        rows.append({"attribute": name, "check": check, "known": int(seen.sum()), "of": len(said)})
    return pd.DataFrame(rows)


def summarise(found: pd.DataFrame, known: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the rows (AUROC of each judge, accuracy beside the base rate, sentences known) and the verdict."""
    rows = []
    for one in found[found.attribute == "all"].itertuples():
        rows.append(_row(f"mean of {one.check}, {one.judge}: AUROC", one, one.auroc, one.low, one.high))
    for one in found[found.attribute != "all"].itertuples():
        name = f"{one.attribute.replace('_', ' ')}, {one.judge} ({one.check})"
        rows.append(_row(f"{name}: AUROC", one, one.auroc, one.low, one.high))
        rows.append(_row(f"{name}: accuracy at 0.5 (commoner label {one.base:.3f})", one, one.accuracy,
                         one.accuracy_low, one.accuracy_high))  # fmt: skip
        if np.isfinite(one.tuned):
            rows.append(_row(f"{name}: accuracy at the best threshold of other seeds", one, one.tuned, slack=0.005))
    for one in known.itertuples():
        words = f"{one.attribute.replace('_', ' ')}: sentences of the program that {one.check} knows"
        rows.append(Row(words, one.known / one.of, n=one.of, unit="share"))
    return rows, verdict(found)


def _row(name: str, one: Any, value: float, low: float = np.nan, high: float = np.nan, slack: float = 0.0) -> Row:
    about = {"n": int(one.n), "seeds": int(one.seeds), "source": "cached", "slack": slack}
    return Row(name, float(value), float(low), float(high), **about)


def verdict(found: pd.DataFrame) -> Verdict:
    """Judge whether a check or judge sees what its criterion says: an AUROC whose interval is above :data:`TRUSTED`."""
    own = found[(found.attribute != "all") & found["first"]]
    words, judge = own[own.judge == WORDS], own[own.judge == MODEL]
    seen = words[words.low > TRUSTED]
    kind = "holds" if (own.low > TRUSTED).all() else "mixed" if (own.low > TRUSTED).any() else "does not hold"
    worst = words.loc[words.auroc.idxmin()]
    mean = found[found.attribute == "all"].set_index("judge")
    model = mean.loc[MODEL]
    chance = "no better than chance" if model.low <= HALF else "better than chance"
    yes = (judge.recall * judge.met + judge.false * (judge.n - judge.met)).sum() / judge.n.sum()
    text = (
        f"Word lists and programs see {len(seen)} of {len(words)} attributes (AUROC above {TRUSTED}; worst: "
        f"{worst.attribute.replace('_', ' ')}, {worst.auroc:.2f}). Embeddings average {mean.auroc[DESCRIBED]:.2f} by "
        f"description and {mean.auroc[SHOWN]:.2f} by example. SmolLM2 as judge is {chance}: {model.auroc:.2f} "
        f"({model.low:.2f} to {model.high:.2f}), and it finds {yes:.0%} of all cases met."
    )
    return Verdict(kind, text)
