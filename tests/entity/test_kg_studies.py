"""The studies of the entity wing: hand-made tables, small live runs, and the recorded runs that are shipped."""

import numpy as np
import pandas as pd
import pytest

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.entity import anchors, linking, loaders, plots, rank, store, trials
from anchors.entity.settings import Settings
from anchors.entity.studies import (
    anchor_ablation,
    anchor_count,
    asking,
    common,
    coverage,
    inductive,
    link_prediction,
    random_negatives,
    where_it_helps,
)  # fmt: skip
from anchors.entity.training import Training

SHIPPED = [name for name in recorded.names() if name.startswith("entity/")]
RUN = [graph for graph in trials.LARGE if f"entity/{graph}_ranks" in SHIPPED]  # graphs whose run is recorded


def made(gains, graphs=("fb15k-237", "wn18rr"), spread=0.001):
    """Return a table in which each variant is above text by ``gains[graph][variant]`` MRR, with a little noise."""
    rng = np.random.default_rng(0)
    rows = []
    for graph in graphs:
        for variant in (*anchor_ablation.VARIANTS, "simkgc"):
            for seed in range(3):
                mrr = 0.2 + gains[graph].get(variant, 0) + spread * rng.standard_normal()
                row = {"graph": graph, "variant": variant, "seed": seed, "MRR": mrr, "off": mrr, "reranked": mrr}
                row |= {f"H@{k}": mrr for k in (1, 3, 5, 10)}
                rows.append(row | {"source": "recorded", "kind": "text", "ranks": np.ones(10), "seconds": 1.0})
    return pd.DataFrame(rows)


NO_LOSSES = pd.DataFrame(columns=["graph", "step", "live", "log"])
HELPS = {"fb15k-237": {"anchors_only": 0.05, "sea": 0.06}, "wn18rr": {"anchors_only": 0.01, "sea": 0.01}}
NOTHING = {"fb15k-237": {}, "wn18rr": {}}
BOTH = {"fb15k-237": {"anchors_only": 0.05, "permuted": 0.05, "extra": 0.0}, "wn18rr": {}}


@pytest.mark.parametrize(("gains", "kind"), [(HELPS, "holds"), (NOTHING, "does not hold"), (BOTH, "mixed")])
def test_the_ablation_counts_only_gains_that_survive_the_controls(gains, kind):
    assert anchor_ablation.verdict(made(gains)).kind == kind


def test_a_gain_is_named_by_its_interval():
    found = made(HELPS)
    assert common.judged(common.gain(found, "fb15k-237", "anchors_only", "simkgc_ib")) == "gains"
    assert common.judged(common.gain(found, "fb15k-237", "simkgc_ib", "anchors_only")) == "loses"
    assert common.judged(common.gain(found, "fb15k-237", "extra", "simkgc_ib")) == "no difference"


def test_live_steps_that_contradict_the_log_withhold_the_verdict():
    losses = pd.DataFrame({"graph": ["wn18rr"], "step": [1], "live": [10.0], "log": [11.0]})
    for study in (anchor_ablation, link_prediction):
        _, found = study.summarise(made(HELPS), losses)
        assert found.kind == "measured"
        assert "differ" in found.text
        assert study.verdict(made(HELPS)).text in found.text
        assert study.summarise(made(HELPS), NO_LOSSES)[1].kind == "holds"


def test_link_prediction_compares_the_gains_of_the_two_large_graphs():
    assert link_prediction.verdict(made(HELPS)).kind == "holds"
    turned = {"fb15k-237": HELPS["wn18rr"], "wn18rr": HELPS["fb15k-237"]}
    assert link_prediction.verdict(made(turned)).kind == "mixed"
    assert link_prediction.verdict(made(NOTHING)).kind == "does not hold"


def test_the_equal_cost_control_encodes_as_many_sequences():
    rows = [(512, 0, 0.2), (512, 256, 0.21), (512, 1024, 0.3), (512, 4096, 0.4), (1024, 0, 0.25)]
    found = pd.DataFrame([{"batch": b, "random": r, "MRR": m, "seed": seed} for b, r, m in rows for seed in range(3)])
    assert random_negatives.equal_cost(found) == (1024, 1024)
    assert random_negatives.against_batch(found).mean == pytest.approx(0.05)


def sweep(slope):
    """Return a made-up sweep of two graphs in which the gain rises by ``slope`` per anchor at one hop."""
    rows = []
    for graph in trials.LARGE:
        for seed in range(3):
            rows += [
                {"graph": graph, "anchors": count, "strategy": "degree", "seed": seed, "n": 10,
                 "MRR": 0.3, "covered": 0.5, "anchors at 1 hop": count / 100, "gain": slope * count / 100 + seed / 1000}
                for count in (100, 200, 300)
            ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("slope", "kind", "rho"), [(0.01, "holds", "+1.00"), (-0.01, "does not hold", "-1.00")])
def test_coverage_predicts_the_gain_where_both_rise(slope, kind, rho):
    means = anchor_count.settings(sweep(slope))
    assert len(means) == 6
    assert means["mean"].iloc[0] == pytest.approx(slope + 0.001)
    assert means.high.iloc[0] - means.low.iloc[0] == pytest.approx(2 * 4.3027 * 0.001 / 3**0.5, rel=1e-4)
    found = anchor_count.verdict(means)
    assert found.kind == kind
    assert f"{rho} within FB15k-237 (3 settings)" in found.text


def test_the_recorded_sweep_is_paired_and_its_coverage_repeats():
    found = anchor_count.compute(["wn18rr", "fb15k-237"])
    log = recorded.load(anchor_count.RUN)[0]
    text = log[(log.graph == "wn18rr") & (log.anchors == 0) & (log.seed == 1)].MRR.item()
    own = found[(found.graph == "wn18rr") & (found.seed == 1)]
    np.testing.assert_allclose(own.gain, own.MRR - text)
    again = anchor_count.repeated(found)
    assert len(again) == sum(7 for graph in trials.LARGE if common.here(graph))
    np.testing.assert_allclose(again.live, again.log, rtol=1e-4)
    assert len(plots.anchor_count(anchor_count.settings(found)).axes) == 2
    with pytest.raises(InputError, match="umls"):
        anchor_count.compute(["umls"])


def test_the_cheap_graphs_give_rows_and_a_verdict(tmp_path):
    found = common.table(["nations"], anchor_ablation.VARIANTS, "smoke", 0)
    assert set(found.variant) == set(anchor_ablation.VARIANTS)
    assert found.MRR.between(0, 1).all()
    assert all(len(ranks) == 402 for ranks in found.ranks)
    assert coverage.compute(["umls", "kinships"], "smoke", 0).covered.between(0, 1).all()
    assert coverage.hops_between(["nations"]).drop(columns="graph").sum(axis=1).item() == pytest.approx(1)


def test_hidden_entities_leave_no_trace_in_training():
    graph = loaders.load("umls")
    shown, hidden = inductive.hide(graph, 0.1, np.random.default_rng(0))
    assert hidden.sum() == round(0.1 * graph.size)
    assert not shown.in_train[hidden].any()
    kept = ~hidden[graph.splits["train"][:, [0, 2]]].any(1)
    np.testing.assert_array_equal(shown.splits["train"], graph.splits["train"][kept])


def test_known_facts_of_hidden_entities_do_not_compete():
    """A model that trained on a part is ranked with the facts of the whole filtered out."""
    whole = loaders.load("nations")
    shown, hidden = inductive.hide(whole, 0.2, np.random.default_rng(0))
    own = Settings(**trials.job("nations", "sea", 0, steps=3, anchors=4)["settings"])
    model = trials.trained(shown, own)
    back = inductive.returned(model, whole)
    triples = whole.directed("test")
    expected = rank.ranked(
        back.query_vectors(triples), back.entity_vectors(), triples, whole.known(("train", "valid", "test"))
    )
    np.testing.assert_array_equal(back.ranks(triples).realistic, expected.realistic)
    assert (back.ranks(triples).options < model.ranks(triples).options).any()
    assert (model.anchors.nearest[hidden] == anchors.NONE).all()
    assert (back.anchors.nearest[hidden] != anchors.NONE).any()
    np.testing.assert_array_equal(back.anchors.chosen, model.anchors.chosen)


def test_the_first_losses_of_a_trial_are_repeated_from_a_few_texts():
    job = trials.job("kinships", "sea", 0)
    found = trials.first_losses("kinships", job["settings"], 3)
    own = Settings(**job["settings"])
    whole = Training(store.read("kinships", own), own).run(3)
    np.testing.assert_allclose(found, [entry["loss"] for entry in whole.log], rtol=1e-5)


def test_a_description_says_where_trials_come_from():
    lines = common.describe(["nations", "fb15k-237"]).split("\n")
    assert lines[0].startswith("Nations: 14 entities, 55 relations, 1,592/199/201 triples; ")
    assert "computed here" in lines[0]
    assert "python -m anchors.entity.recorded_runs fb15k-237" in lines[1]


def test_an_own_folder_goes_through_the_studies(tmp_path):
    graph = loaders.load("nations")
    for split, triples in graph.splits.items():
        lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}" for h, r, t in triples]
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines))
    graphs = [str(tmp_path)]
    found = anchor_ablation.compute(graphs, "smoke", 0)
    assert set(found.variant) == set(anchor_ablation.VARIANTS)
    rows, verdict = anchor_ablation.summarise(found, common.repeated(graphs, "smoke"))
    assert verdict.kind == "measured"
    assert len(plots.anchor_ablation(anchor_ablation.contrasts(found), anchor_ablation.curves(graphs)).axes) >= 2
    found = link_prediction.compute(graphs, "smoke", 0)
    assert "lookup" not in link_prediction.summarise(found, common.repeated(graphs, "smoke"))[1].text
    assert tmp_path.name in common.describe(graphs)


@pytest.fixture(scope="module")
def asked():
    own = Settings(**trials.job("nations", "sea", 0, steps=30)["settings"])
    return Training(store.read("nations", own), own).run()


def test_answers_are_the_best_scores_and_say_what_anchors_gave(asked):
    found = linking.link(asked, "USA", "embassy", top=5)
    graph = asked.found.graph
    query = np.array([[graph.entities.index("usa"), graph.relations.index("embassy"), 0]])
    scores = asked.entity_vectors() @ asked.query_vectors(query)[0]
    np.testing.assert_allclose(found.score, np.sort(scores)[::-1][:5], rtol=1e-5)
    without = asked.entity_vectors() @ asked.query_vectors(query, anchors=None)[0]
    np.testing.assert_allclose(found.head_anchors, (scores - without)[np.argsort(-scores)[:5]], atol=1e-5)
    facts = {tuple(t) for split in graph.splits.values() for t in split.tolist()}
    known = [(query[0, 0], query[0, 1], int(e)) in facts for e in np.argsort(-scores)[:5]]
    assert found.known.tolist() == known


@pytest.mark.parametrize(("head", "relation", "what"), [("uss", "embassy", "head"), ("usa", "embasy", "relation")])
def test_a_misspelt_question_is_answered_with_like_names(asked, head, relation, what):
    with pytest.raises(InputError, match=what) as caught:
        linking.link(asked, head, relation)
    assert ("usa" if what == "head" else "embassy") in caught.value.expected


def test_inverse_relations_can_be_asked(asked):
    graph = asked.found.graph
    assert linking.relation_of(graph, "inverse embassy") == len(graph.relations) + graph.relations.index("embassy")


def test_the_question_is_checked_before_anything_is_trained():
    with pytest.raises(InputError, match="head"):
        asking.answers("umls", "no such thing", "causes", "laptop", 0)


def test_runs_inside_the_top_layer_and_longer_ones_are_shown():
    graphs = ["wn18rr", "fb15k-237"]
    inside = anchor_ablation.top_layer(graphs)
    assert set(inside.graph) == set(graphs)
    assert set(inside.variant) == {"simkgc_ib", "anchors_only"}
    assert set(anchor_ablation.longer(graphs).graph) == {"wn18rr"}
    assert len(anchor_ablation.longer(["umls"])) == len(anchor_ablation.curves(["umls"])) == 0
    shown = anchor_ablation.curves(graphs)
    assert shown.panel.nunique() == 5
    assert shown[shown.panel.str.contains("top layer")].top.all()


def test_every_recorded_run_of_the_wing_is_whole():
    assert "fb15k-237" in RUN
    parts = ("results", "ranks", "curves", "losses")
    assert {f"entity/{graph}_{part}" for graph in RUN for part in parts} <= set(SHIPPED)
    for name in SHIPPED:
        table, record = recorded.load(name)
        assert len(table)
        assert record["command"].startswith("python -m anchors.entity.recorded_runs ")


@pytest.mark.parametrize("graph", RUN)
def test_recorded_metrics_follow_from_the_shipped_ranks(graph):
    results, found = recorded.load(f"entity/{graph}_results")[0], common.logged(graph)
    assert len(results) == len(found)
    for metric in ("MRR", "H@1", "H@10"):
        np.testing.assert_allclose(found[metric], results[metric], rtol=1e-4)
    halves = [np.split(ranks, 2) for ranks in found.ranks]
    np.testing.assert_allclose([trials.mrr(one) for one, _ in halves], results.forward, rtol=1e-4)


def test_rows_that_read_texts_say_when_there_are_names_only():
    found = made({"umls": {"sea": 0.05}, "nations": {"sea": 0.05}}, ("umls", "nations"))
    lookup = found[found.variant == "sea"].assign(variant="TransE", kind="lookup", MRR=0.9)
    rows, verdict = link_prediction.summarise(pd.concat([found, lookup]), NO_LOSSES)
    shown = {row.quantity for row in rows}
    assert {"UMLS (names only): MRR, text", "UMLS: MRR, TransE", "Nations: MRR, text", "Nations: MRR, TransE"} <= shown
    assert "UMLS: MRR, text" not in shown
    assert "UMLS (names only) +0.050" in verdict.text
    assert "Best lookup model: UMLS TransE" in verdict.text


def test_a_run_on_other_data_is_not_repeated_and_that_is_said(monkeypatch):
    monkeypatch.setattr(common, "here", lambda graph: True)
    assert common.same_data("wn18rr")
    assert "other data" not in common._origin("wn18rr", "laptop")
    monkeypatch.setattr(loaders, "fingerprint", lambda graph: "another")
    assert common._origin("wn18rr", "laptop").endswith(", on other data than those here: nothing is repeated")
    assert len(common.repeated(["wn18rr"], "laptop")) == 0


@pytest.mark.needs(*loaders.REGISTERED.values())
def test_the_studies_of_recorded_runs_speak():
    popular = random_negatives.by_popularity()
    assert popular.drop_duplicates("group").n.sum() <= common.queries(common.logged("fb15k-237"), "fb15k-237")
    groups = where_it_helps.groups_of("fb15k-237")
    assert all(len(place) == 2 * 20466 for place, _ in groups.values())
    found = where_it_helps.compute(["fb15k-237"], "laptop", 0)
    own = found[(found.kind == "cardinality") & (found.seed == 0)]
    whole = common.logged("fb15k-237").query("variant == 'simkgc_ib' and seed == 0").MRR.item()
    assert own.n.sum() == 2 * 20466
    assert np.average(own.text, weights=own.n) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("graph", "steps", "rate"),
    [
        pytest.param("fb15k-237", 5314, 1e-5, marks=pytest.mark.needs("fb15k237")),
        pytest.param("wn18rr", 8479, 5e-5, marks=pytest.mark.needs("wn18rr")),
    ],
)
def test_the_paper_profile_asks_for_the_settings_of_simkgc(graph, steps, rate):
    """Its scripts: 1,024 queries a batch, 10 epochs on FB15k-237, 50 on WN18RR, the whole BERT-base trained."""
    own = Settings(**trials.job(graph, "sea", 0, "paper")["settings"])
    assert (own.plm, own.top, own.batch, own.rate, own.k, own.random) == ("bert-base-uncased", 12, 1024, rate, 8, 2048)
    assert own.steps == steps
    assert common.split([graph], "paper") == ([graph], [])
    assert common.split([graph], "laptop") == ([], [graph])


def test_metrics_of_ranks_by_hand():
    assert rank.metrics(np.array([1.0, 2.0, 4.0]))["MRR"] == pytest.approx((1 + 0.5 + 0.25) / 3)
