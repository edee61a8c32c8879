"""One experiment: which pairs, which codes, which database; and the choice of hyper-parameters."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.hashing import references, trials
from anchors.hashing.metrics import relevance
from anchors.hashing.settings import BUDGET, CHOSEN, RANGES, candidates, tuned
from anchors.hashing.studies import map_table, tuning


@settings(max_examples=15, deadline=None)
@given(st.floats(0.02, 1), st.integers(0, 50))
def test_pairs_and_unpaired_rows_share_out_the_training_set(ratio, seed):
    views = trials.dataset("digits")
    n = int((views.split == "train").sum())
    broken = trials.semi_paired(views, ratio, seed)
    for unpaired in (broken.images, broken.texts):
        assert sorted(np.concatenate([broken.pairs, unpaired])) == list(range(n))
    disjoint = trials.semi_paired(views, ratio, seed, "disjoint")
    assert sorted(np.concatenate([disjoint.pairs, disjoint.images, disjoint.texts])) == list(range(n))
    assert len(broken.pairs) == max(1, round(ratio * n))


def test_pairs_are_nested_in_the_ratio_and_differ_between_seeds():
    views = trials.dataset("digits")
    few, many = (set(trials.semi_paired(views, r, 3).pairs) for r in (0.1, 0.4))
    assert few < many
    assert few != set(trials.semi_paired(views, 0.1, 4).pairs)


@pytest.mark.parametrize(("ratio", "regime"), [(0.0, "broken"), (1.2, "broken"), (0.5, "lost")])
def test_bad_ratios_and_regimes_are_refused(ratio, regime):
    with pytest.raises(InputError):
        trials.semi_paired(trials.dataset("digits"), ratio, 0, regime)


def test_the_validation_split_holds_no_test_row():
    full, held = trials.dataset("emoji"), trials.dataset("emoji", "validation")
    test_items = {full.items[i] for i in np.flatnonzero(full.split == "test")}
    assert not test_items & set(held.items)
    assert len(held) == int((full.split == "train").sum())


def test_a_score_is_the_same_twice_and_knows_both_protocols():
    first, second = (trials.score("digits", "RREH", 16, 0.2, 1) for _ in range(2))
    assert {k: v for k, v in first.items() if k != "fit_seconds"} == {
        k: v for k, v in second.items() if k != "fit_seconds"
    }
    assert set(trials.SCORES) <= set(first)
    assert all(0 < first[name] < 1 for name in trials.SCORES)
    assert first["rise"] <= 1e-10


def test_the_control_without_reconstruction_never_sees_unpaired_rows():
    views = trials.dataset("digits")
    task = trials.semi_paired(views, 0.2, 0)
    cut = task._replace(images=task.images[:0], texts=task.texts[:0])
    codes = [trials.fit(t, "NoReconstruction", 16, 0, {}).transform(images=task.queries.image) for t in (task, cut)]
    assert (codes[0] == codes[1]).all()


def test_protocol_a_gives_pairs_one_code_and_both_share_labels():
    task = trials.semi_paired(trials.dataset("digits"), 0.3, 0)
    _, database, labels = trials.codes(task, trials.fit(task, "RREH", 16, 0, {}))
    n = len(task.pairs)
    assert (database["A"]["image"][:n] == database["A"]["text"][:n]).all()
    assert (database["B"]["image"][:n] != database["B"]["text"][:n]).any()
    assert (labels["image"][:n] == task.train.labels[task.pairs]).all()


def test_an_unknown_method_is_refused():
    task = trials.semi_paired(trials.dataset("digits"), 0.3, 0)
    with pytest.raises(InputError, match="RREH"):
        trials.fit(task, "DCMH", 16, 0, {})


def test_the_settings_are_the_best_of_the_recorded_grid():
    log, record = recorded.load("hashing/tuning")
    assert record["split"] == "validation"
    assert tuning.chosen(log) == CHOSEN
    for data, methods in tuning.SETS.items():
        for method in methods:
            tried = log[(log.data == data) & (log.method == method)].params.map(json.loads).tolist()
            assert tried == candidates(method)


def test_every_method_has_the_same_budget_within_its_ranges():
    for method, ranges in RANGES.items():
        points = candidates(method)
        assert len(points) == BUDGET
        assert points[0] == {}
        for name, kind in ranges.items():
            values = [point[name] for point in points[1:]]
            inside = (lambda v, k=kind: v in k) if isinstance(kind, list) else (lambda v, k=kind: k[0] <= v <= k[1])
            assert all(map(inside, values)), (method, name)


def test_the_method_and_its_controls_draw_the_same_points():
    for method in ("RREH-kNN", "NoReconstruction", "SelfTraining", "SPDH-style"):
        for own, other in zip(candidates("RREH"), candidates(method), strict=True):
            assert {name: own[name] for name in other} == other


def test_an_own_data_set_gets_the_defaults():
    assert tuned("my_data.npz", "RREH") == {}


def test_own_files_are_found_from_the_repository_and_searched_in_their_own_database(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{v}_{p}": rng.standard_normal((n, 6)) for v in "IT" for p, n in (("tr", 60), ("te", 9), ("db", 25))}
    arrays |= {f"L_{p}": np.eye(3, dtype=int)[rng.integers(3, size=n)] for p, n in (("tr", 60), ("te", 9), ("db", 25))}
    np.savez(tmp_path / "emoji_mine.npz", **arrays)
    task = trials.semi_paired(trials.dataset(str(tmp_path / "emoji_mine.npz")), 0.5, 0)
    _, database, labels = trials.codes(task, trials.fit(task, "RREH", 8, 0, {}))
    assert len(database["B"]["text"]) == len(labels["text"]) == 25
    assert (database["A"]["text"] == database["B"]["text"]).all()
    assert references.reference_scores(task.train, task.queries, task.pairs, k=3)["label oracle"] == pytest.approx(1)
    with pytest.raises(InputError, match=r"emoji \| digits"):
        trials.dataset("emoji-minilmm")


def test_ranked_map_by_hand():
    similarity = np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.3]])
    relevant = np.array([[True, False, True], [False, False, False]])
    assert references.ranked_map(similarity, relevant) == pytest.approx((1 + 2 / 3) / 2 / 2)


def test_ranked_map_agrees_with_sklearn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    similarity, labels = rng.standard_normal((5, 40)), (rng.integers(3, size=5), rng.integers(3, size=40))
    relevant = relevance(*labels)
    expected = np.mean([average_precision_score(r, s) for r, s in zip(relevant, similarity, strict=True)])
    assert references.ranked_map(similarity, relevant) == pytest.approx(expected)


def test_canonical_correlations_find_a_shared_direction():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((400, 1))
    x, y = (np.hstack([rng.standard_normal((400, 2)), shared]) @ rng.standard_normal((3, 3)) for _ in range(2))
    x, y = x - x.mean(0), y - y.mean(0)
    a, b = references.canonical(x, y, 1, ridge=1e-8)
    assert abs(np.corrcoef((x @ a)[:, 0], (y @ b)[:, 0])[0, 1]) > 0.999


def test_reference_scores_frame_the_codes():
    task = trials.semi_paired(trials.dataset("digits"), 0.5, 0)
    scores = references.reference_scores(task.train, task.queries, task.pairs)
    assert scores["label oracle"] == pytest.approx(1)
    assert 0.2 < scores["CCA I2T"] < scores["within image"] < 1
    assert map_table.references("digits", 0.5, 0) == scores  # with what the trials share computed once
