"""Baselines: closed forms, falling objectives, training codes, and one interface for all."""

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.base import clone

from anchors.companion.errors import InputError
from anchors.hashing.baselines import CVH, METHODS, NoReconstruction, RandomCodes, SelfTraining, inverse_root
from anchors.hashing.cmfh import CMFH, principal_basis
from anchors.hashing.codes import pack, unpack
from anchors.hashing.imh import IMH, embed, laplacian, residual_projector, subset
from anchors.hashing.rfdh import RFDHLinear, balanced, factor, set_bits
from anchors.hashing.rreh import RREH
from anchors.hashing.spdh import SPDHStyle, anchor_weights


def toy(n=120, d=(7, 5), seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 4))
    return tuple(np.tanh(z @ rng.standard_normal((4, k))) + noise * rng.standard_normal((n, k)) + 3 for k in d)


IMAGES, TEXTS = toy()
MASK = np.random.default_rng(5).random(120) < 0.4


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", METHODS)
def test_one_interface(name, dtype, tmp_path):
    extra = toy(10, seed=1)[0]
    make = METHODS[name]
    model = clone(make(bits=5, n_landmarks=30, dtype=dtype, random_state=4)).fit(IMAGES, TEXTS, MASK, extra)
    again = make(bits=5, n_landmarks=30, dtype=dtype, random_state=4).fit(IMAGES, TEXTS, MASK, extra)
    assert model.codes_["image"].shape == (130, 1)
    assert model.codes_["text"].shape == (120, 1)
    assert model.codes_["text"].dtype == np.uint8
    for view in ("image", "text"):
        np.testing.assert_array_equal(model.codes_[view], again.codes_[view])
    np.testing.assert_array_equal(model.transform(texts=TEXTS), pack(np.where(model.project(texts=TEXTS) >= 0, 1, -1)))
    model.save(tmp_path / "model")
    back = type(model).load(tmp_path / "model")
    np.testing.assert_array_equal(back.transform(images=IMAGES), model.transform(images=IMAGES))
    np.testing.assert_array_equal(back.codes_["text"], model.codes_["text"])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("rows", [(IMAGES[:4], TEXTS[:4]), (IMAGES * np.nan, TEXTS), (IMAGES, TEXTS[:9])])
def test_every_method_refuses_bad_rows(name, rows):
    with pytest.raises(InputError):
        METHODS[name](bits=5).fit(*rows)


@pytest.mark.parametrize("name", ["RREH", "NoReconstruction", "SelfTraining", "CMFH", "RFDH-linear", "SPDH-style"])
def test_pairs_share_their_learnt_code(name):
    model = METHODS[name](bits=5, n_landmarks=30).fit(IMAGES, TEXTS, MASK)
    np.testing.assert_array_equal(model.codes_["image"][MASK], model.codes_["text"][MASK])
    assert (model.codes_["image"][~MASK] != model.codes_["text"][~MASK]).any()


@pytest.mark.parametrize("name", ["NoReconstruction", "CMFH", "RFDH-linear", "CVH"])
def test_unpaired_codes_are_hashed(name):
    model = METHODS[name](bits=5, n_landmarks=30).fit(IMAGES, TEXTS, MASK)
    np.testing.assert_array_equal(model.codes_["text"][~MASK], model.transform(texts=TEXTS)[~MASK])


def test_no_reconstruction_is_rreh_on_pairs():
    a = NoReconstruction(bits=5).fit(IMAGES, TEXTS, MASK, toy(9, seed=1)[0])
    b = RREH(bits=5).fit(IMAGES[MASK], TEXTS[MASK])
    np.testing.assert_array_equal(a.codes_["image"][:120][MASK], b.codes_["image"])
    np.testing.assert_array_equal(a.transform(images=IMAGES), b.transform(images=IMAGES))
    np.testing.assert_array_equal(a.anchor_index_, np.flatnonzero(MASK))
    c = NoReconstruction(bits=5).fit(IMAGES.tolist(), TEXTS.tolist(), np.flatnonzero(MASK))
    np.testing.assert_array_equal(a.codes_["text"], c.codes_["text"])


def test_self_training_is_rreh_without_theta():
    a = SelfTraining(bits=5, theta=3.0).fit(IMAGES, TEXTS, MASK)
    b = RREH(bits=5, theta=0.0).fit(IMAGES, TEXTS, MASK)
    np.testing.assert_array_equal(a.codes_["image"], b.codes_["image"])
    assert a.get_params()["theta"] == 3.0


def test_cvh_solves_the_generalised_eigenproblem():
    model = CVH(bits=5, reg=1e-12, kernel=None).fit(IMAGES, TEXTS)
    x, y = IMAGES - IMAGES.mean(axis=0), TEXTS - TEXTS.mean(axis=0)
    zero = np.zeros
    cross = np.block([[zero((7, 7)), x.T @ y], [y.T @ x, zero((5, 5))]])
    own = np.block([[x.T @ x, zero((7, 5))], [zero((5, 7)), y.T @ y]])
    np.testing.assert_allclose(model.correlations_, eigh(cross, own, eigvals_only=True)[::-1][:5], atol=1e-8)
    a, b = model.project(images=IMAGES), model.project(texts=TEXTS)
    np.testing.assert_allclose(a.T @ b / 120, np.diag(model.correlations_), atol=1e-8)
    np.testing.assert_allclose(a.T @ a / 120, np.eye(5), atol=1e-8)


def test_cvh_has_no_more_directions_than_features():
    model = CVH(bits=9, kernel=None).fit(IMAGES, TEXTS)
    assert model.n_directions_ == 5
    assert (unpack(model.codes_["image"], 9)[:, 5:] == 1).all()
    root = inverse_root(np.diag([4.0, 1.0]), 0.0)
    np.testing.assert_allclose(root, np.diag([0.5, 1.0]))


def test_random_codes_are_balanced_and_independent_of_each_other():
    model = RandomCodes(bits=32).fit(IMAGES, TEXTS)
    a, b = (unpack(model.codes_[v], 32).astype(float) for v in ("image", "text"))
    assert abs(a.mean()) < 0.1
    assert abs((a * b).mean()) < 0.1
    np.testing.assert_array_equal(model.transform(images=IMAGES), model.transform(images=IMAGES))
    assert (model.transform(images=IMAGES[1:]) != model.transform(images=IMAGES)[1:]).any()


@pytest.mark.parametrize("kernel", [None, "rbf"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [CMFH, RFDHLinear, SPDHStyle])
def test_objectives_never_rise(make, seed, kernel):
    rows = toy(90, seed=seed, noise=1.0)
    trace = make(bits=6, kernel=kernel, n_landmarks=30, random_state=seed).fit(*rows, np.arange(60)).objective_
    assert trace[-1] < trace[0]
    assert np.diff(trace).max() <= 1e-10 * trace[0]


def test_cmfh_updates_are_stationary_points():
    rng = np.random.default_rng(0)
    X, V, W = [rng.standard_normal((20, k)) for k in (4, 3)], rng.random((20, 2)), [rng.random((k, 2)) for k in (4, 3)]
    model = CMFH(bits=2, mu=3.0, reg=0.5, lam=0.3)
    model._check_parameters()
    U, V2, W2 = model._round(X, V, W)
    parts = {"U": (X, U, V, W), "V": (X, U, V2, W), "W": (X, U, V2, W2)}
    for name, arguments in parts.items():
        best = model._objective(*arguments)
        target = {"U": U[1], "V": V2, "W": W2[1]}[name]
        for _ in range(20):
            step = 1e-3 * rng.standard_normal(target.shape)
            target += step
            assert model._objective(*arguments) > best
            target -= step


def test_principal_basis_has_unit_mean_square():
    x = np.random.default_rng(0).standard_normal((50, 6)) * np.arange(1, 7)
    scores = x @ principal_basis(x, 3)
    assert (scores**2).sum(axis=1).mean() == pytest.approx(1)
    off = scores.T @ scores
    np.testing.assert_allclose(off, np.diag(off.diagonal()), atol=1e-9)


def test_imh_embedding_is_the_constrained_minimum():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((9, 3)), rng.standard_normal((8, 2))]
    costs = [residual_projector(x, 1.0) + laplacian(x, 2) for x in X]
    S = [np.eye(4, 9), np.eye(4, 8)]

    def value(F):
        tie = 50 * ((S[0] @ F[0] - S[1] @ F[1]) ** 2).sum()
        return sum(np.trace(f.T @ c @ f) for f, c in zip(F, costs, strict=True)) + tie

    F = embed(X, 4, 2, 1.0, 1.0, 50.0, 2)
    np.testing.assert_allclose(F[0].T @ F[0], np.eye(2), atol=1e-9)
    for _ in range(200):
        first = np.linalg.qr(F[0] + 0.1 * rng.standard_normal((9, 2)))[0]
        second = np.linalg.solve(costs[1] + 50 * S[1].T @ S[1], 50 * S[1].T @ S[0] @ first)
        assert value([first, second]) >= value(F) - 1e-9


def test_imh_links_agree_and_samples_are_capped():
    model = IMH(bits=5, kernel=None).fit(IMAGES, TEXTS, MASK)
    a, b = (unpack(model.codes_[v], 5) for v in ("image", "text"))
    assert (a[MASK] == b[MASK]).mean() > 0.85
    assert (a[MASK] == b[MASK]).mean() > (a[~MASK] == b[~MASK]).mean()
    few = IMH(bits=5, kernel=None, max_samples=30).fit(IMAGES, TEXTS, MASK)
    assert few.codes_["image"].shape == (120, 1)
    assert subset(3, 9, None).tolist() == [0, 1, 2]
    assert len(subset(50, 9, np.random.default_rng(0))) == 9


def test_graph_laplacian_by_hand():
    L = laplacian(np.array([[0.0], [1.0], [3.0]]), 1)
    near = (1 + 1 + 4) / 3
    a, b = np.exp(-1 / (2 * near)), np.exp(-4 / (2 * near))
    np.testing.assert_allclose(L, [[a, -a, 0], [-a, a + b, -b], [0, -b, b]])
    P = residual_projector(np.array([[1.0], [1.0]]), 2.0)
    np.testing.assert_allclose(P, [[0.75, -0.25], [-0.25, 0.75]])


def test_rfdh_bits_are_balanced_and_best():
    assert balanced(np.array([[3.0], [1.0], [2.0], [9.0]])).ravel().tolist() == [0, 1, 1, 0]
    rng = np.random.default_rng(0)
    X, rows, weights = [rng.standard_normal((6, 4))], [rng.random(6) + 0.5], np.ones(1)
    B = balanced(rng.random((6, 1)))
    F = [factor(X[0], B, rows[0], 0.1)]

    def loss(b):
        return (rows[0] * ((X[0] - b @ F[0].T) ** 2).sum(axis=1)).sum()

    best = loss(set_bits(X, B, F, rows, weights, 5))
    choices = [np.array([[i >> j & 1] for j in range(6)], float) for i in range(64)]
    assert best == pytest.approx(min(loss(b) for b in choices if b.sum() == 3))


def test_rfdh_codes_are_balanced():
    codes = unpack(RFDHLinear(bits=5).fit(IMAGES, TEXTS).codes_["image"], 5)
    assert (codes.sum(axis=0) == 0).all()


def test_anchor_graph_rows_sum_to_one():
    x = np.random.default_rng(0).random((12, 3))
    Z = anchor_weights(x, x[:5], 2).toarray()
    np.testing.assert_allclose(Z.sum(axis=1), 1)
    assert ((Z > 0).sum(axis=1) == 2).all()
    assert anchor_weights(x[:0], x[:5], 2).shape == (0, 5)
    assert (Z[:5].argmax(axis=1) == np.arange(5)).all()


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (CVH, {"reg": 0}),
        (CMFH, {"lam": 2}),
        (CMFH, {"n_components": 0}),
        (IMH, {"max_samples": 5}),
        (IMH, {"link": 0}),
        (RFDHLinear, {"p": 1}),
        (SPDHStyle, {"n_neighbors": 0}),
        (SPDHStyle, {"beta": 0}),
    ],
)
def test_wrong_parameters(make, parameters):
    (name,) = parameters
    with pytest.raises(InputError, match=name):
        make(bits=5, **parameters).fit(IMAGES, TEXTS)
