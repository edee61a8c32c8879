from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from anchors.companion.errors import InputError
from anchors.hashing import audit, codes, histograms, metrics
from anchors.hashing.metrics import Histograms


def ranked_ap(relevant, R=None, denominator="retrieved"):
    """AP of one ranking, straight from the definition."""
    total, relevant = sum(relevant), relevant[:R]
    hits = np.cumsum(relevant)
    sums = sum(hits[i] / (i + 1) for i in range(len(relevant)) if relevant[i])
    divisor = hits[-1] if denominator == "retrieved" else min(len(relevant), total)
    return sums / divisor if divisor else 0.0


def tie_orders(distances, relevant):
    """All rankings that sort by distance, as relevance lists."""
    for order in permutations(range(len(distances))):
        if all(distances[a] <= distances[b] for a, b in pairwise(order)):
            yield [bool(relevant[i]) for i in order]


def histogram_of(distances, relevant, levels):
    distances, relevant = np.asarray(distances), np.asarray(relevant, dtype=bool)
    counts = [np.bincount(x, minlength=levels)[None] for x in (distances, distances[relevant])]
    return Histograms(*counts)


def problem(nq=12, nd=60, bits=8, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    signs = [codes.sign(rng.normal(size=(n, bits))) for n in (nq, nd)]
    labels = [rng.integers(classes, size=n) for n in (nq, nd)]
    return signs, labels


def histograms_of(signs, labels):
    return metrics.distance_histograms(*(codes.pack(s) for s in signs), *labels, signs[0].shape[1])


def slow_histograms(signs, relevant):
    bits = signs[0].shape[1]
    distances = (signs[0][:, None, :] != signs[1][None]).sum(axis=2)
    rows = [histogram_of(d, rel, bits + 1) for d, rel in zip(distances, relevant, strict=True)]
    return Histograms(np.vstack([h.n for h in rows]), np.vstack([h.r for h in rows]))


def same(a, b):
    return np.array_equal(a.n, b.n) and np.array_equal(a.r, b.r)


small = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(items=small, R=st.integers(1, 7))
def test_expectations_match_every_tie_order(items, R):
    distances, relevant = zip(*items, strict=True)
    hist, orders = histogram_of(distances, relevant, 5), list(tie_orders(distances, relevant))
    exact = np.mean([ranked_ap(o) for o in orders])
    assert metrics.expected_average_precision(hist)[0] == pytest.approx(exact, abs=1e-12)
    for rule in ("retrieved", "min_relevant"):
        exact = np.mean([ranked_ap(o, R, rule) for o in orders])
        assert metrics.map_at(hist, R, rule) == pytest.approx(exact, abs=1e-12)
    n = min(R, len(items))
    exact = np.mean([np.mean(o[:n]) for o in orders])
    assert metrics.top_n_precision(hist, [n])[0] == pytest.approx(exact, abs=1e-12)
    for first, extreme in ((True, max), (False, min)):
        exact = extreme(ranked_ap(o) for o in orders)
        assert audit.extreme_average_precision(hist, first)[0] == pytest.approx(exact, abs=1e-12)


def test_by_hand():
    hist = Histograms(np.array([[2, 1, 0], [0, 3, 0]]), np.array([[1, 1, 0], [0, 0, 0]]))
    # first query: relevant item at rank 1 or 2, then one at rank 3: (1 + 2/3)/2 or (1/2 + 2/3)/2
    assert metrics.expected_average_precision(hist) == pytest.approx([(5 / 6 + 7 / 12) / 2, 0])
    assert metrics.mean_average_precision(hist) == pytest.approx(17 / 48)
    assert metrics.mean_average_precision(hist, "skip") == pytest.approx(17 / 24)
    micro = metrics.precision_recall_by_radius(hist)
    assert micro.precision == pytest.approx([1 / 2, 2 / 6, 2 / 6])
    assert micro.recall == pytest.approx([1 / 2, 1, 1])
    skip = metrics.precision_recall_by_radius(hist, "macro")
    assert skip.precision == pytest.approx([1 / 2, 1 / 3, 1 / 3])
    assert skip.recall == pytest.approx([1 / 2, 1, 1])
    zero = metrics.precision_recall_by_radius(hist, "macro", "zero")
    assert zero.precision == pytest.approx([1 / 4, 1 / 3, 1 / 3])
    assert metrics.precision_at_radius(hist, 0) == pytest.approx(1 / 4)
    assert metrics.top_n_precision(hist, [1, 2, 3]) == pytest.approx([1 / 4, 1 / 4, 1 / 3])
    far = Histograms(np.array([[0, 2]]), np.array([[0, 1]]))
    assert np.isnan(metrics.precision_recall_by_radius(far).precision[0])
    assert metrics.precision_at_radius(far, 0) == 0


def test_mean_over_random_tie_orders():
    rng = np.random.default_rng(0)
    distances, relevant = rng.integers(0, 4, size=40), rng.random(40) < 0.3
    hist = histogram_of(distances, relevant, 5)
    for R in (None, 7, 15):
        draws = []
        for _ in range(3000):
            order = np.lexsort((rng.random(40), distances))
            draws.append(ranked_ap(list(relevant[order]), R))
        error = np.std(draws) / np.sqrt(len(draws))
        assert abs(np.mean(draws) - metrics.map_at(hist, R)) < 5 * error


def test_no_ties_agree_with_sklearn():
    rng = np.random.default_rng(1)
    distances, relevant = rng.permutation(65)[:30], rng.random(30) < 0.4
    hist = histogram_of(distances, relevant, 65)
    assert metrics.expected_average_precision(hist)[0] == pytest.approx(average_precision_score(relevant, -distances))


@settings(max_examples=25, deadline=None)
@given(bits=st.sampled_from([1, 3, 8, 16, 64, 100, 300]), classes=st.integers(1, 6), seed=st.integers(0, 99))
def test_histograms_match_the_slow_version(bits, classes, seed):
    signs, labels = problem(nq=13, nd=150, bits=bits, classes=classes, seed=seed)
    relevant = labels[0][:, None] == labels[1][None]
    slow = slow_histograms(signs, relevant)
    assert same(histograms_of(signs, labels), slow)
    one_hot = [np.eye(classes + 1)[y] for y in labels]
    for mixed in ((one_hot[0], labels[1]), (labels[0], one_hot[1]), one_hot):
        assert same(histograms_of(signs, mixed), slow)
        assert np.array_equal(metrics.relevance(*mixed), relevant)
    multi = [(np.random.default_rng(seed).random((len(y), 5)) < 0.3).astype(int) for y in labels]
    shared = np.array([[bool((a & b).any()) for b in multi[1]] for a in multi[0]])
    assert np.array_equal(metrics.relevance(*multi), shared)
    assert same(histograms_of(signs, multi), slow_histograms(signs, shared))


def test_blocks_do_not_change_the_result(monkeypatch):
    signs, labels = problem(nq=23, nd=500, bits=16, seed=3)
    whole, cut = histograms_of(signs, labels), metrics.map_at(histograms_of(signs, labels), 50)
    monkeypatch.setattr(histograms, "DATABASE_CHUNK", 70)
    monkeypatch.setattr(histograms, "BLOCK_ENTRIES", 150)
    monkeypatch.setattr(metrics, "BLOCK_ENTRIES", 120)
    assert same(histograms_of(signs, labels), whole)
    assert metrics.map_at(whole, 50) == pytest.approx(cut, abs=1e-13)


def test_a_large_case_against_sorting():
    signs, labels = problem(nq=40, nd=3000, bits=64, classes=10, seed=5)
    hist, packed = histograms_of(signs, labels), [codes.pack(s) for s in signs]
    assert same(hist, slow_histograms(signs, metrics.relevance(*labels)))
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(30):
        order = rng.permutation(3000)
        draws.append(audit.stable_average_precision(*[packed[0], packed[1][order]], labels[0], labels[1][order]).mean())
    ours = metrics.mean_average_precision(hist)
    assert abs(np.mean(draws) - ours) < 5 * np.std(draws) / np.sqrt(30)
    assert metrics.map_at(hist, None) == pytest.approx(ours, abs=1e-12)
    assert metrics.map_at(hist, 10**9, "min_relevant") == pytest.approx(ours, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_bit_flips_bit_order_and_database_order_change_nothing(seed):
    rng = np.random.default_rng(seed)
    signs, labels = problem(bits=12, seed=seed)
    hist = histograms_of(signs, labels)
    flips, columns = codes.sign(rng.normal(size=12)), rng.permutation(12)
    assert same(histograms_of([s * flips for s in signs], labels), hist)
    assert same(histograms_of([s[:, columns] for s in signs], labels), hist)
    order = rng.permutation(len(signs[1]))
    assert same(histograms_of([signs[0], signs[1][order]], [labels[0], labels[1][order]]), hist)


def test_audit_orders_and_defects():
    signs, labels = problem(nq=30, nd=300, bits=6, seed=2)
    labels[0] = np.where(labels[0] == 2, 7, labels[0])  # class 7 is not in the database
    packed = [codes.pack(s) for s in signs]
    rows = {row["convention"]: row["value"] for row in audit.audit(*packed, *labels, 6)}
    tie_aware, skipped = rows["mAP@all, tie-aware"], rows["mAP@all, empty queries skipped"]
    good = int(np.isin(labels[0], labels[1]).sum())
    assert rows["mAP@all, pessimistic"] < tie_aware < rows["mAP@all, optimistic"]
    assert skipped == pytest.approx(tie_aware * 30 / good)
    assert rows["mAP@all, counter starts at 10"] == pytest.approx(skipped * good / (good + 10))
    assert rows["mAP@50, retrieved"] > rows["mAP@50, min_relevant"]
    order = np.argsort(labels[1], kind="stable")
    sorted_packed, sorted_labels = [packed[0], packed[1][order]], [labels[0], labels[1][order]]
    resorted = {row["convention"]: row["value"] for row in audit.audit(*sorted_packed, *sorted_labels, 6)}
    assert resorted["mAP@all, tie-aware"] == tie_aware
    shift = resorted["mAP@all, stable order"] - rows["mAP@all, stable order"]
    assert abs(shift) > 1e-4
    assert resorted["mAP@all, stable order"] == rows["mAP@all, stable order, class-sorted database"]
    assert all(row["source"] for row in audit.audit(*packed, *labels, 6))


def test_audit_of_multi_label_data():
    signs, labels = problem(nq=10, nd=80)
    multi = [np.eye(3, dtype=int)[y] | np.eye(3, dtype=int)[(y + np.arange(len(y)) % 2) % 3] for y in labels]
    rows = audit.audit(*(codes.pack(s) for s in signs), *multi, 8, cutoffs=(5,))
    assert all(0 < row["value"] <= 1 for row in rows)


def test_stable_average_precision_is_the_definition():
    signs, labels = problem(nq=5, nd=40)
    values = audit.stable_average_precision(*(codes.pack(s) for s in signs), *labels)
    for query, label, value in zip(signs[0], labels[0], values, strict=True):
        order = sorted(range(40), key=lambda i, q=query: (int((q != signs[1][i]).sum()), i))
        assert value == pytest.approx(ranked_ap([labels[1][i] == label for i in order]))


def test_evaluate_protocols_and_directions():
    signs, labels = problem(nq=9, nd=50)
    other, _ = problem(nq=9, nd=50, seed=8)
    image, text, shared = codes.pack(signs[0]), codes.pack(other[0]), codes.pack(signs[1])
    own = {"image": codes.pack(-signs[1]), "text": codes.pack(other[1])}
    database = {"A": {"image": shared, "text": shared}, "B": own}
    query = {"image": image, "text": text}
    database_labels = {"image": labels[1], "text": labels[1][::-1]}
    result = metrics.evaluate(query, database, labels[0], database_labels, 8, top=(5, 20))
    assert len(result) == 12
    expected = metrics.distance_histograms(text, own["image"], labels[0], labels[1], 8)
    assert result["T2I_B"] == metrics.mean_average_precision(expected)
    expected = metrics.distance_histograms(image, shared, labels[0], labels[1][::-1], 8)
    assert result["I2T_A"] == metrics.mean_average_precision(expected)
    assert result["I2T_A@20"] == metrics.map_at(expected, 20)


def test_an_unlabelled_row_is_relevant_to_nothing():
    assert not metrics.relevance(np.array([[0, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))[0].any()


HIST = Histograms(np.array([[1, 2]]), np.array([[0, 0]]))
CODES = np.zeros((3, 1), np.uint8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.relevance([1.0, np.nan], [1, 2]),
        lambda: metrics.relevance([1, None], [1, 2]),
        lambda: metrics.relevance(None, [1, 2]),
        lambda: metrics.relevance(["cat"], [1]),
        lambda: metrics.relevance([-1], [1]),
        lambda: metrics.relevance([1.5], [1]),
        lambda: metrics.relevance(np.eye(3), np.eye(4)),
        lambda: metrics.relevance([1, 2, 3], np.eye(3)),
        lambda: metrics.relevance([[2, 0]], np.eye(2)),
        lambda: metrics.relevance(np.zeros((1, 1, 1)), [1]),
        lambda: metrics.distance_histograms(CODES, CODES, [1, 2], [1, 2, 3], 8),
        lambda: metrics.distance_histograms(CODES, CODES, [1, 2, 3], [1, 2], 8),
        lambda: metrics.distance_histograms(CODES, CODES, [1, 2, 3], [1, 2, 3], 9),
        lambda: metrics.mean_average_precision(HIST, "skip"),
        lambda: metrics.mean_average_precision(HIST, "drop"),
        lambda: metrics.map_at(HIST, 0),
        lambda: metrics.map_at(HIST, 5, "other"),
        lambda: metrics.precision_recall_by_radius(HIST, "median"),
        lambda: metrics.precision_at_radius(HIST, 2),
        lambda: metrics.top_n_precision(HIST, [4]),
        lambda: metrics.top_n_precision(HIST, [0]),
        lambda: audit.audit(CODES, CODES, [1, 2, 3], [1, 2], 8),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
