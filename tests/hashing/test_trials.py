"""One experiment: which pairs, which codes, which database; and the choice of hyper-parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.hashing import references, trials
from anchors.hashing.metrics import relevance
from anchors.hashing.settings import CHOSEN, GRIDS, candidates, tuned
from anchors.hashing.studies import tuning


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
            assert len(log[(log.data == data) & (log.method == method)]) == len(candidates(method))
            assert all(value in GRIDS[method][name] for name, value in tuned(data, method).items())


def test_an_own_data_set_gets_the_defaults():
    assert tuned("my_data.npz", "RREH") == {}


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
