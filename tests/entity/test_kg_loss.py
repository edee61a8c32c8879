"""InfoNCE by hand on a toy of three, and against loops on random input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.entity.loss import Negatives, info_nce

NOBODY = torch.zeros(3, 3, dtype=torch.bool)
# three queries and tails in the plane; their cosines are known
QUERIES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
TAILS = torch.tensor([[0.8, 0.6], [0.6, 0.8], [1.0, 0.0]])
COSINES = [[0.8, 0.6, 1.0], [0.6, 0.8, 0.0], [0.96, 1.0, 0.6]]
SCALE, MARGIN = 20.0, 0.02


def by_hand(rows):
    """Return the mean of -log softmax of the first number of each row of logits."""
    return sum(-row[0] + math.log(sum(math.exp(x) for x in row)) for row in rows) / len(rows)


def loss(known=NOBODY, extra=(), margin=MARGIN, scale=SCALE):
    return info_nce(QUERIES, TAILS, known, torch.tensor(scale), margin, extra)


def test_three_by_three_by_hand_with_the_margin_on_the_diagonal_only():
    forward = by_hand(
        [
            [(0.8 - 0.02) * 20, 0.6 * 20, 1.0 * 20],
            [(0.8 - 0.02) * 20, 0.6 * 20, 0.0 * 20],
            [(0.6 - 0.02) * 20, 0.96 * 20, 1.0 * 20],
        ]
    )
    backward = by_hand(
        [
            [(0.8 - 0.02) * 20, 0.6 * 20, 0.96 * 20],
            [(0.8 - 0.02) * 20, 0.6 * 20, 1.0 * 20],
            [(0.6 - 0.02) * 20, 1.0 * 20, 0.0 * 20],
        ]
    )
    got, logits = loss()
    assert float(got) == pytest.approx(forward + backward, rel=1e-5)
    expected = 20 * (torch.tensor(COSINES) - 0.02 * torch.eye(3))
    torch.testing.assert_close(logits, expected)


def test_extra_candidates_enter_forwards_only():
    extra = torch.tensor([[0.0, 1.0], [0.6, 0.8]])  # cosines with the queries: 0, 1, 0.8 and 0.6, 0.8, 1
    free = torch.zeros(3, 2, dtype=torch.bool)
    more = [[0.0, 0.6], [1.0, 0.8], [0.8, 1.0]]
    rows = [[(c - MARGIN) * SCALE] for c in (0.8, 0.8, 0.6)]
    for i, row in enumerate(rows):
        row += [COSINES[i][j] * SCALE for j in range(3) if j != i]
    backward = by_hand([[rows[j][0]] + [COSINES[i][j] * SCALE for i in range(3) if i != j] for j in range(3)])
    forward = by_hand([row + [c * SCALE for c in also] for row, also in zip(rows, more, strict=True)])
    got, logits = loss(extra=[Negatives(extra, free)])
    assert float(got) == pytest.approx(forward + backward, rel=1e-5)
    assert logits.shape == (3, 3)


def test_logits_of_earlier_batches_are_halved():
    extra, free = torch.tensor([[0.0, 1.0]]), torch.zeros(3, 1, dtype=torch.bool)
    halved = Negatives(extra, free, 0.5).logits(QUERIES, torch.tensor(SCALE))
    torch.testing.assert_close(halved, torch.tensor([[0.0], [10.0], [8.0]]))
    same = loss(extra=[Negatives(extra / 2, free)])[0]
    assert float(loss(extra=[Negatives(extra, free, 0.5)])[0]) == pytest.approx(float(same), rel=1e-6)


def test_a_query_may_have_negatives_of_its_own():
    own = torch.stack([QUERIES[1], QUERIES[0], -QUERIES[2]])[:, None]
    got = Negatives(own, torch.zeros(3, 1, dtype=torch.bool)).logits(QUERIES, torch.tensor(2.0))
    torch.testing.assert_close(got, torch.tensor([[0.0], [0.0], [-2.0]]))


def test_masked_pairs_are_as_if_they_were_not_there():
    known = torch.tensor([[False, False, True], [False, False, False], [False, True, False]])
    rows = [[0.78, 0.6], [0.78, 0.6, 0.0], [0.58, 0.96]]
    columns = [[0.78, 0.6, 0.96], [0.78, 0.6], [0.58, 0.0]]
    expected = sum(by_hand([[20 * c for c in row] for row in part]) for part in (rows, columns))
    assert float(loss(known)[0]) == pytest.approx(expected, rel=1e-5)
    masked = Negatives(torch.tensor([[0.0, 1.0]]), torch.ones(3, 1, dtype=torch.bool))
    assert float(loss(known, [masked])[0]) == pytest.approx(expected, rel=1e-5)


def test_the_diagonal_is_never_masked():
    assert float(loss(torch.eye(3, dtype=torch.bool))[0]) == pytest.approx(float(loss()[0]))
    everything = loss(torch.ones(3, 3, dtype=torch.bool))[0]
    assert float(everything) == pytest.approx(0, abs=1e-6)


def test_masked_pairs_receive_no_gradient():
    queries, tails, extra = (x.clone().requires_grad_() for x in (QUERIES, TAILS, TAILS[:1]))
    known = torch.tensor([[False, True, True], [True, False, True], [True, True, False]])
    part = Negatives(extra, torch.ones(3, 1, dtype=torch.bool))
    value, _ = info_nce(queries, tails, known, torch.tensor(SCALE), MARGIN, [part])
    value.backward()
    for grad in (queries.grad, tails.grad, extra.grad):
        assert float(grad.abs().max()) == pytest.approx(0, abs=1e-5)


def slow(queries, tails, known, scale, margin, extra):
    size, total = len(queries), 0.0
    score = [[float(np.dot(q, t)) for t in tails] for q in queries]
    for i in range(size):
        positive = (score[i][i] - margin) * scale
        row = [positive] + [score[i][j] * scale for j in range(size) if j != i and not known[i][j]]
        column = [positive] + [score[j][i] * scale for j in range(size) if j != i and not known[j][i]]
        for vectors, masked, factor in extra:
            for j in range(masked.shape[1]):
                vector = vectors[j] if vectors.ndim == 2 else vectors[i, j]
                if not masked[i, j]:
                    row.append(float(np.dot(queries[i], vector)) * scale * factor)
        for part in (row, column):
            total += np.logaddexp.reduce(part) - positive
    return total / size


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 5), st.sampled_from([1.0, 20.0]), st.booleans())
def test_against_loops(seed, size, many, scale, margin):
    rng = np.random.default_rng(seed)
    unit = lambda *shape: (x := rng.normal(size=(*shape, 4))) / np.linalg.norm(x, axis=-1, keepdims=True)  # noqa: E731
    queries, tails, known = unit(size), unit(size), rng.random((size, size)) < 0.3
    extra = [
        (unit(many), rng.random((size, many)) < 0.3, 1.0),
        (unit(size, 1), rng.random((size, 1)) < 0.5, 1.0),
        (unit(2 * size), rng.random((size, 2 * size)) < 0.2, 0.5),
    ]
    parts = [Negatives(torch.tensor(v, dtype=torch.float32), torch.tensor(m), f) for v, m, f in extra]
    q, t = (torch.tensor(x, dtype=torch.float32) for x in (queries, tails))
    got, _ = info_nce(q, t, torch.tensor(known), torch.tensor(scale), 0.02 * margin, parts)
    assert float(got) == pytest.approx(slow(queries, tails, known, scale, 0.02 * margin, extra), rel=1e-4, abs=1e-5)
