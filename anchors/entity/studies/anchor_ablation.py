"""What anchors add to text, with controls: another entity's anchors, as many parameters without structure, no text."""

from dataclasses import replace
from itertools import product

import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval, paired_interval
from anchors.entity import loaders, trials
from anchors.entity.studies import common
from anchors.entity.studies.common import LARGER, gain, judged, name, queries, values

VARIANTS = ("simkgc_ib", "anchors_only", "permuted", "extra", "anchors_alone", "random_only", "sea")
CONTRASTS = (
    ("anchors_only", "simkgc_ib"), ("permuted", "simkgc_ib"), ("extra", "simkgc_ib"), ("anchors_only", "permuted"),
    ("anchors_only", "extra"), ("sea", "random_only"),
)  # fmt: skip
FURTHER = {  # recorded curves beside those of the main runs, and what they are
    "top_layer_curves": "top layer", "longer_curves": "longer",
}  # fmt: skip
BRIEF = {
    "simkgc_ib": "text", "anchors_only": "anchors", "permuted": "permuted", "extra": "extra", "sea": "SEA",
    "random_only": "random neg.",
}  # fmt: skip


def compute(graphs: list[str], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per graph, variant and seed."""
    return common.table(graphs, VARIANTS, profile, seed)


def curves(graphs: list[str]) -> pd.DataFrame:
    """Return the recorded validation curves on ``graphs``: panel, graph, variant, seed, step, MRR, seconds, ``top``.

    A panel is a graph's main runs or one of the further ones (:data:`FURTHER`); ``top`` says whether anchors are tokens
    inside the language model's top layer.
    """
    parts = []
    for run, what in {**{f"{graph}_curves": "" for graph in trials.LARGE}, **FURTHER}.items():
        log = recorded.load(f"entity/{run}")[0].assign(top=run.startswith("top"))
        log["graph"] = log.get("graph", run.removesuffix("_curves"))
        log["panel"] = [", ".join(filter(None, (loaders.title(graph), what))) for graph in log.graph]
        parts.append(log[log.graph.isin(graphs)])
    return pd.concat(parts, ignore_index=True)


def top_layer(graphs: list[str]) -> pd.DataFrame:
    """Return the recorded runs with anchors inside the top layer: graph, variant, seed, MRR and others, queries n."""
    log = recorded.load("entity/top_layer_results")[0]
    return log[log.graph.isin(graphs)]


def longer(graphs: list[str]) -> pd.DataFrame:
    """Return the runs of one seed with four times the steps: graph, variant, MRR and others, queries n."""
    log = recorded.load("entity/longer_results")[0]
    return log[log.graph.isin(graphs)]


def own_variants(found: pd.DataFrame, graph: str) -> list[str]:
    """Return the variants that were run on a graph, in the order of :data:`VARIANTS`."""
    run = set(found[found.graph == graph].variant)
    return [variant for variant in VARIANTS if variant in run]


def contrasts(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per graph and contrast: mean, low and high of the paired difference in MRR, and its name."""
    rows = []
    for graph, (a, b) in product(found.graph.unique(), CONTRASTS):
        about = {"graph": graph, "contrast": f"{BRIEF[a]} − {BRIEF[b]}", "treated": a, "control": b}
        rows.append(about | gain(found, graph, a, b)._asdict())
    return pd.DataFrame(rows)


def summarise(found: pd.DataFrame, losses: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return MRR of every variant, all contrasts, reading without anchors, runs of one seed, and the verdict."""
    rows: list[Row] = []
    for graph in found.graph.unique():
        n, title, source = queries(found, graph), loaders.title(graph), found[found.graph == graph].source.iloc[0]
        for variant in own_variants(found, graph):
            value = mean_interval(values(found, graph, variant))
            rows.append(row(f"{title}: MRR, {name(variant)}", value, n, source=source))
        for a, b in CONTRASTS:
            rows.append(row(f"{title}: MRR, {name(a)} − {name(b)}", gain(found, graph, a, b), n, source=source))
        rows.append(row(f"{title}: MRR, SEA read without anchors − text", _off(found, graph), n, source=source))
    rows += _further(list(found.graph.unique()))
    if len(losses):
        rows.append(Row("largest |live − recorded| loss of the first steps", common.gap(losses), n=len(losses),
                        slack=common.TOLERANCE))  # fmt: skip
    judgement = verdict(found)
    return rows, common.checked(losses, replace(judgement, text=judgement.text + _inside(list(found.graph.unique()))))


def _further(graphs: list[str]) -> list[Row]:
    """Return the runs of one seed: what the top layer makes of anchors, and what longer training gives."""
    rows = []
    for one in top_layer(graphs).itertuples():
        what = f"{loaders.title(one.graph)}: MRR, {name(one.variant)}, inside the top layer, one seed"
        rows.append(Row(what, one.MRR, n=one.n, seeds=1, source="recorded"))
    for one in longer(graphs).itertuples():
        what = f"{loaders.title(one.graph)}: MRR, {name(one.variant)}, four times the steps, one seed"
        rows.append(Row(what, one.MRR, n=one.n, seeds=1, source="recorded"))
    return rows


def _inside(graphs: list[str]) -> str:
    """Return sentences on the runs of one seed: anchors inside the top layer, and four times the steps."""
    wide = top_layer(graphs).pivot_table(index="graph", columns="variant", values="MRR", sort=False)
    words = [f"{loaders.title(one.Index)} {one.anchors_only - one.simkgc_ib:+.3f}" for one in wide.itertuples()]
    text = f" As tokens inside the top layer anchors change MRR by {', '.join(words)} (one seed)." if words else ""
    for one in longer(graphs).itertuples():
        what = f"{name(one.variant)} on {loaders.title(one.graph)}"
        text += f" Four times the steps bring {what} to {one.MRR:.3f} (one seed)."
    return text


def _off(found: pd.DataFrame, graph: str) -> Interval:
    """Return SEA without anchors at test, minus text: whether the text path was kept alive."""
    return paired_interval(values(found, graph, "sea", "off"), values(found, graph, "simkgc_ib"))


def verdict_of(found: pd.DataFrame, graph: str) -> tuple[str, str]:
    """Return the verdict of one graph: anchors count as helping if they beat text and both controls."""
    over = {control: gain(found, graph, "anchors_only", control) for control in ("simkgc_ib", "permuted", "extra")}
    kinds = {control: judged(one) for control, one in over.items()}
    words = f"{in_words(over['simkgc_ib'], '+.3f')} over text, {in_words(over['permuted'], '+.3f')} over permuted"
    if kinds["simkgc_ib"] == "gains":
        survives = kinds["permuted"] == kinds["extra"] == "gains"
        return ("helps" if survives else "helps, not beyond its controls"), words
    return {"loses": "hurts", "no difference": "no difference"}[kinds["simkgc_ib"]], words


def verdict(found: pd.DataFrame) -> Verdict:
    """Judge the central claim: anchors help where they carry facts (FB15k-237), more than on WN18RR."""
    each = {graph: verdict_of(found, graph) for graph in found.graph.unique()}
    text = "; ".join(f"{loaders.title(graph)}: {kind} ({words})" for graph, (kind, words) in each.items()) + "."
    if "fb15k-237" not in each:
        return Verdict("measured", text)
    helped = each["fb15k-237"][0] == "helps"
    more = "wn18rr" not in each or _larger(found)
    kind = "holds" if helped and more else "mixed" if helped or more else "does not hold"
    if "wn18rr" in each:
        text += f" The gain is {'larger' if more else 'not larger'} on FB15k-237 than on WN18RR."
    return Verdict(kind, text)


def _larger(found: pd.DataFrame) -> bool:
    first, second = (gain(found, graph, "anchors_only", "simkgc_ib") for graph in ("fb15k-237", "wn18rr"))
    return first.low > second.high + LARGER
