"""RREH: monotone objective, feasible latent rows, closed forms, invariances, switches, files and errors."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits

from anchors.companion.errors import InputError
from anchors.hashing import steps
from anchors.hashing.anchors import local_weights, nearest_to_centres, relations, ridge_factor
from anchors.hashing.baselines import RandomCodes
from anchors.hashing.blocks import LocalRunner, cut, gather, load
from anchors.hashing.codes import unpack
from anchors.hashing.kernel import FeatureMap, rbf
from anchors.hashing.pairs import split_rows
from anchors.hashing.rreh import RREH
from anchors.hashing.training import build_problem, initialise, objective, update


def toy(n=120, d=(7, 5), seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 4))
    return tuple(np.tanh(z @ rng.standard_normal((4, k))) + 0.2 * rng.standard_normal((n, k)) + 3 for k in d)


def trained(model, *rows, rounds=3, anchors=None, **more):
    """Return (problem, state) after some rounds, with given anchor rows if any."""
    model._check_parameters()
    data = split_rows(*rows, **more)
    model._check_size(data)
    fitted = [model._fit_view(data, v) for v in (0, 1)]
    model.features_ = {"image": fitted[0][0], "text": fitted[1][0]}
    edge = len(data.pair_sizes)
    data.pairs, data.unpaired = [f[1][:edge] for f in fitted], [f[1][edge:] for f in fitted]
    if anchors is not None:
        import anchors.hashing.training as training

        original, training.anchor_rules.choose = training.anchor_rules.choose, lambda *_: anchors
    try:
        problem = build_problem(model, data, [f[2] for f in fitted])
    finally:
        if anchors is not None:
            training.anchor_rules.choose = original
    state = initialise(problem)
    for _ in range(rounds):
        state = update(problem, state)
    return problem, state


def rises(trace):
    return np.diff(trace).max() / abs(trace[0])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_objective_never_rises(data):
    draw = data.draw
    seed, bits, n = draw(st.integers(0, 10**6)), draw(st.integers(1, 8)), draw(st.integers(2, 40))
    n, d = n + bits, (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    rng = np.random.default_rng(seed)
    rank = draw(st.integers(1, 5))
    z = rng.standard_normal((n, rank)) * 10.0 ** rng.uniform(-4, 2, rank)
    images, texts = (z @ rng.standard_normal((rank, k)) for k in d)
    extra = rng.standard_normal((draw(st.integers(0, 30)), d[0]))
    model = RREH(
        bits=bits,
        kernel=draw(st.sampled_from([None, "rbf"])),
        reconstruction=draw(st.sampled_from(["ridge", "sum_to_one", "knn"])),
        orthogonal=draw(st.booleans()),
        n_landmarks=20,
        tol=0.0,
        random_state=seed,
    ).fit(images, texts, unpaired_images=extra if len(extra) else None)
    assert rises(model.objective_) <= (1e-10 if model.orthogonal else 1e-6)  # free V: (V'V)^-1 may be ill-conditioned


@pytest.mark.parametrize("rounded", [False, True])
def test_objective_never_rises_on_degenerate_rows(rounded):
    """Repeated, rounded and badly scaled rows, of lower rank than the code."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((12, 3)) * 10.0 ** rng.uniform(-6, 3, 3)
        images, texts = (np.repeat(z @ rng.standard_normal((3, k)), 3, axis=0) * 100 + 7 for k in (5, 3))
        if rounded:
            images, texts = np.round(images), np.round(texts)
        model = RREH(bits=10, kernel=None, tol=0.0).fit(images, texts, paired=np.arange(30))
        assert rises(model.objective_) <= 1e-10


def test_objective_is_the_formula():
    images, texts = toy()
    mask = np.arange(120) % 3 == 0
    model = RREH(bits=6, kernel=None, theta=0.7, gamma=0.4, mu=2.0, alpha=0.3, n_anchors=15)
    p, s = trained(model, images, texts, paired=mask)
    V, B = (np.vstack(x) for x in zip(*s.pairs, strict=True))
    R_rows = V[p.anchors]
    value = 0.1 * ((B - V) ** 2).sum()
    for v, (a, x) in enumerate(zip((0.3, 0.7), (images, texts), strict=True)):
        x = x - x.mean(axis=0)
        x, u = x[mask], x[~mask]
        anchors = x[p.anchors]
        delta = 0.01 * (anchors**2).sum() / 15
        R = np.linalg.solve(anchors @ anchors.T + delta * np.eye(15), anchors @ u.T)
        scale = np.sqrt((x**2).sum(axis=1).mean())
        codes, lam = np.vstack(s.codes[v]), 0.01 * (x**2).sum() / x.shape[1]
        value += a * ((x / scale - V @ s.U[v].T) ** 2).sum() + 0.7 * ((codes - R.T @ R_rows) ** 2).sum()
        value += 2 * ((B - x @ s.W[v]) ** 2).sum() + 2 * 0.4 * ((codes - u @ s.W[v]) ** 2).sum()
        value += 2 * lam * (s.W[v] ** 2).sum()
    assert objective(p, s) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize("d", [(7, 5), (2, 1)])  # the second has fewer directions than bits
@pytest.mark.parametrize("kernel", [None, "rbf"])
def test_latent_rows_are_orthogonal_and_balanced(d, kernel):
    p, s = trained(RREH(bits=6, kernel=kernel), *toy(80, d), unpaired_texts=toy(50, d, 1)[1])
    V = np.vstack([latent for latent, _ in s.pairs])
    np.testing.assert_allclose(V.T @ V / p.n, np.eye(6), atol=1e-8)
    np.testing.assert_allclose(V.sum(axis=0), 0, atol=1e-8 * p.n)


def test_more_dimensions_than_freedom():
    """n = r + 1 leaves exactly one feasible subspace."""
    p, s = trained(RREH(bits=6, kernel=None), *toy(7))
    V = np.vstack([latent for latent, _ in s.pairs])
    np.testing.assert_allclose(V.T @ V / 7, np.eye(6), atol=1e-8)


def test_v_step_beats_random_feasible_matrices():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((30, 4)) @ np.diag([5, 2, 1, 0.1]) + 1
    blocks, mean, transform = steps.feasible(LocalRunner(), [z[:11], z[11:]], z.sum(0), z.T @ z, 30, [0, 11], 0)
    V = (np.vstack(blocks) - mean) @ transform
    best = np.vdot(V, z)
    for _ in range(1000):
        q = rng.standard_normal((30, 4))
        other = np.linalg.qr(q - q.mean(axis=0))[0] * np.sqrt(30)
        assert np.vdot(other, z) < best
    singular = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    assert best == pytest.approx(np.sqrt(30) * singular.sum())


def test_filled_v_step_never_loses_to_the_previous_rows():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 5))
    old = np.linalg.qr(rng.standard_normal((30, 6)) - 0.0)[0]
    old = np.linalg.qr(old - old.mean(axis=0))[0][:, :5] * np.sqrt(30)
    args = (LocalRunner(), [z], z.sum(0), z.T @ z, 30, [0], 0, [(old, None)])
    blocks, mean, transform = steps.feasible(*args)
    V = (blocks[0] - mean) @ transform
    np.testing.assert_allclose(V.T @ V / 30, np.eye(5), atol=1e-8)
    assert np.vdot(V, z) >= np.vdot(old, z)


@pytest.mark.parametrize(("m", "d"), [(6, 20), (30, 8)])
def test_ridge_factors_solve_the_augmented_least_squares(m, d):
    rng = np.random.default_rng(0)
    A, x = rng.standard_normal((m, d)), rng.standard_normal((25, d))
    ridge = 0.05 * (A**2).sum() / m
    augmented = np.vstack([A.T, np.sqrt(ridge) * np.eye(m)])
    target = np.vstack([x.T, np.zeros((m, 25))])
    expected = np.linalg.lstsq(augmented, target, rcond=None)[0]
    np.testing.assert_allclose(ridge_factor(A, 0.05) @ x.T, expected, atol=1e-10)


def test_exact_combinations_are_recovered():
    rng = np.random.default_rng(0)
    A, C = rng.standard_normal((6, 20)), rng.standard_normal((6, 9))
    np.testing.assert_allclose(ridge_factor(A, 1e-13) @ (A.T @ C), C, atol=1e-9)


def test_sum_to_one_is_the_augmented_ridge():
    rng = np.random.default_rng(0)
    A, x, c = rng.standard_normal((5, 8)), rng.standard_normal((4, 8)), 3.0
    r = relations("sum_to_one", A, 0.1, c, 5)
    wide = np.hstack([A, np.full((5, 1), c)])
    expected = ridge_factor(wide, 0.1) @ np.hstack([x, np.full((4, 1), c)]).T
    R = r.factor @ x.T + r.offset[:, None]
    np.testing.assert_allclose(R, expected, atol=1e-12)
    np.testing.assert_allclose(r.gram(None, None, x.T @ x, x.sum(0), 4), R @ R.T, atol=1e-10)
    B = np.sign(rng.standard_normal((4, 3)))
    np.testing.assert_allclose(r.cross(x.T @ B, B.sum(0), None), R @ B, atol=1e-10)


def test_neighbour_weights_sum_to_one_and_reconstruct():
    A = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    index, weight = local_weights(np.array([[0.25, 0.25]]), A, 3, 1e-9)
    assert index.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(weight, [[0.5, 0.25, 0.25]], atol=1e-6)
    r = relations("knn", A, 1e-3, 1.0, 3)
    x = np.random.default_rng(0).random((5, 2))
    blocks = r.columns(LocalRunner(), [x[:2], x[2:]], None)
    R = np.vstack([b.toarray() for b in blocks]).T
    np.testing.assert_allclose(R.sum(axis=0), 1)
    np.testing.assert_allclose(r.gram(LocalRunner(), blocks, None, None, 5), R @ R.T)


def test_sylvester_solution():
    rng = np.random.default_rng(0)
    P, M = (g @ g.T + np.eye(len(g)) for g in (rng.standard_normal((3, 3)), rng.standard_normal((5, 5))))
    Y = rng.standard_normal((5, 3))
    V = steps.sylvester_latent(P, *np.linalg.eigh(M), Y, 0.7)
    np.testing.assert_allclose(V @ P + 0.7 * M @ V, Y, atol=1e-10)


def test_anchor_order_does_not_matter():
    images, texts = toy()
    index = np.arange(5, 25)
    more = {"paired": np.arange(60)}
    one, two = (
        trained(RREH(bits=6, kernel=None, n_anchors=20), images, texts, anchors=order, **more)
        for order in (index, np.random.default_rng(0).permutation(index))
    )
    for a, b in zip(one[1].pairs, two[1].pairs, strict=True):
        np.testing.assert_allclose(a[0], b[0], atol=1e-8)
        np.testing.assert_array_equal(a[1], b[1])
    assert objective(*one) == pytest.approx(objective(*two), rel=1e-12)


def test_without_unpaired_rows_theta_is_irrelevant():
    rows = toy()
    a, b = (RREH(bits=6, theta=theta, gamma=gamma).fit(*rows) for theta, gamma in ((1.0, 1.0), (7.0, 0.0)))
    np.testing.assert_array_equal(a.codes_["image"], b.codes_["image"])
    np.testing.assert_allclose(a.objective_, b.objective_)
    np.testing.assert_array_equal(a.codes_["image"], a.codes_["text"])


@pytest.mark.parametrize("kernel", [None, "rbf"])
def test_swapping_modalities_swaps_outputs(kernel):
    images, texts = toy()
    mask = np.arange(120) < 50
    a = RREH(bits=6, alpha=0.3, kernel=kernel).fit(images, texts, paired=mask)
    b = RREH(bits=6, alpha=0.7, kernel=kernel).fit(texts, images, paired=mask)
    np.testing.assert_array_equal(a.codes_["image"], b.codes_["text"])
    np.testing.assert_array_equal(a.transform(texts=texts), b.transform(images=texts))
    np.testing.assert_allclose(a.objective_, b.objective_)


def test_broken_pairs_equal_extra_rows_and_keep_their_place():
    images, texts = toy()
    mask = np.random.default_rng(1).random(120) < 0.5
    a = RREH(bits=6, kernel=None).fit(images, texts, paired=mask)
    b = RREH(bits=6, kernel=None).fit(images[mask], texts[mask], None, images[~mask], texts[~mask])
    k = mask.sum()
    for view in ("image", "text"):
        np.testing.assert_array_equal(a.codes_[view][mask], b.codes_[view][:k])
        np.testing.assert_array_equal(a.codes_[view][~mask], b.codes_[view][k:])
    c = RREH(bits=6, kernel=None).fit(images, texts, paired=np.flatnonzero(mask)[::-1])
    np.testing.assert_array_equal(a.codes_["text"], c.codes_["text"])
    np.testing.assert_array_equal(a.codes_["image"][mask], a.codes_["text"][mask])
    assert mask[a.anchor_index_].all()


def test_blocks_do_not_change_the_result(monkeypatch):
    rows = toy()
    whole = RREH(bits=6).fit(*rows, paired=np.arange(70))
    monkeypatch.setattr(cut, "__defaults__", (None, 17))
    pieces = RREH(bits=6).fit(*rows, paired=np.arange(70))
    for view in ("image", "text"):
        np.testing.assert_array_equal(whole.codes_[view], pieces.codes_[view])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", ["rbf", None])
def test_save_and_load(tmp_path, dtype, kernel):
    images, texts = toy()
    a = RREH(bits=6, dtype=dtype, kernel=kernel, random_state=np.int64(3)).fit(images, texts, paired=np.arange(80))
    a.save(tmp_path / "model")
    b = RREH.load(tmp_path / "model")
    assert b.get_params() == a.get_params()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.npz"]
    np.testing.assert_array_equal(a.transform(texts=texts), b.transform(texts=texts))
    for view in ("image", "text"):
        np.testing.assert_array_equal(a.codes_[view], b.codes_[view])
    np.testing.assert_array_equal(a.objective_, b.objective_)
    b.save(tmp_path / "again")
    assert json.loads((tmp_path / "again.json").read_text())["shapes"]["W_.text"] == list(a.W_["text"].shape)


def test_load_refuses_what_is_not_a_model(tmp_path):
    with pytest.raises(InputError, match="readable"):
        RREH.load(tmp_path / "nothing")
    RandomCodes(bits=4).fit(*toy()).save(tmp_path / "other")
    with pytest.raises(InputError, match="RREH"):
        RREH.load(tmp_path / "other")


def test_seeds_and_clones():
    rows = toy()
    a, b, c = (RREH(bits=6, random_state=seed).fit(*rows) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.codes_["image"], b.codes_["image"])
    assert (a.codes_["image"] != c.codes_["image"]).any()
    assert clone(a).get_params() == a.get_params()
    assert not hasattr(clone(a), "codes_")


def test_float32_is_close_to_float64():
    images, texts = toy(400)
    a, b = (RREH(bits=8, dtype=dtype).fit(images, texts, paired=np.arange(200)) for dtype in ("float64", "float32"))
    assert b.project(images=images).dtype == np.float32
    assert b.objective_[-1] == pytest.approx(a.objective_[-1], rel=1e-3)
    agree = (unpack(a.codes_["image"], 8) == unpack(b.codes_["image"], 8)).mean()
    assert agree > 0.98


@pytest.mark.parametrize(
    "setting",
    [
        {"anchors": "kmeans"},
        {"anchors": "leverage"},
        {"quadratic": False},
        {"hash_functions": "two_step"},
        {"rotation": False},
        {"theta": 0.0},
        {"theta": 0.0, "gamma": 0.0},
        {"mu": 0.0},
        {"n_anchors": None},
        {"alpha": 1.0},
    ],
)
def test_switches(setting):
    images, texts = toy()
    model = RREH(**({"bits": 6, "n_anchors": 20, "n_landmarks": 40} | setting)).fit(images, texts, np.arange(60))
    assert len(set(model.anchor_index_.tolist())) == (60 if setting.get("n_anchors", 1) is None else 20)
    assert np.isfinite(model.objective_).all()
    assert len(model.objective_) == model.n_iter_ + 1
    assert unpack(model.codes_["text"], 6).std(axis=0).min() > 0
    if setting != {"quadratic": False}:
        assert rises(model.objective_) <= 1e-10


def test_two_step_hash_functions_are_ridge_regressions_of_the_codes():
    images, texts = toy()
    model = RREH(bits=6, kernel=None, hash_functions="two_step").fit(images, texts)
    x, B = images - images.mean(axis=0), unpack(model.codes_["image"], 6)
    expected = np.linalg.solve(x.T @ x + 0.01 * np.trace(x.T @ x) / 7 * np.eye(7), x.T @ B)
    np.testing.assert_allclose(model.W_["image"], expected)


def test_kernel_features():
    images, _ = toy()
    model = RREH(bits=6, n_landmarks=30).fit(images, toy()[1])
    f = model.features_["image"]
    distance = ((images[:, None] - (f.landmarks + f.shift)) ** 2).sum(axis=2)
    assert f.sigma2 == pytest.approx(distance.mean())
    k = np.exp(-distance / (2 * distance.mean()))
    np.testing.assert_allclose(f(images), k - k.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(rbf(images[:2], images[:2], 1.0).diagonal(), 1)


def test_helpers():
    x = np.arange(12.0).reshape(6, 2)
    blocks, sizes = cut(x, np.array([5, 0, 2]), 2)
    assert sizes == [2, 1]
    assert load(blocks[0]).tolist() == [[10, 11], [0, 1]]
    np.testing.assert_array_equal(gather(LocalRunner(), blocks, sizes, np.array([2, 0])), x[[2, 5]])
    assert len(set(nearest_to_centres(np.repeat(x, 2, axis=0), 5, 0))) == 5
    assert FeatureMap(np.zeros(2), "float32")(x.astype(int)).dtype == np.float32


def bad(value, cell=np.nan):
    out = value.copy()
    out[3, 1] = cell
    return out


IMAGES, TEXTS = toy(60)


@pytest.mark.parametrize(
    ("parameters", "rows", "word"),
    [
        ({}, (IMAGES[:50], TEXTS), "equal counts"),
        ({}, (bad(IMAGES), TEXTS), "NaN"),
        ({}, (IMAGES, bad(TEXTS, np.inf)), "NaN or infinity"),
        ({}, (IMAGES, TEXTS, None, bad(IMAGES)), "NaN"),
        ({"bits": 60}, (IMAGES, TEXTS), "more pairs than bits"),
        ({"bits": 0}, (IMAGES, TEXTS), "bits"),
        ({"bits": 2.5}, (IMAGES, TEXTS), "bits"),
        ({"n_anchors": 61}, (IMAGES, TEXTS), "m <= paired"),
        ({"n_anchors": 0}, (IMAGES, TEXTS), "n_anchors"),
        ({"n_anchors": "many"}, (IMAGES, TEXTS), "n_anchors"),
        ({}, (IMAGES, TEXTS, np.zeros(60, bool)), "no pairs"),
        ({}, (IMAGES[:0], TEXTS[:0]), "no pairs"),
        ({}, (IMAGES, TEXTS, np.ones(50, bool)), "mask"),
        ({}, (IMAGES, TEXTS, [1, 1]), "distinct"),
        ({}, (IMAGES, TEXTS, [1, 60]), "out of range"),
        ({}, (IMAGES, TEXTS, [0.5]), "paired"),
        ({}, (np.full_like(IMAGES, 0.1), TEXTS), "constant"),
        ({}, (np.full_like(IMAGES, 0.1), TEXTS, None, IMAGES), "constant features in the paired rows"),
        ({}, (IMAGES, TEXTS, None, IMAGES[:, :3]), "features"),
        ({}, (IMAGES[:, 0], TEXTS), "shape"),
        ({}, (IMAGES.astype(str), TEXTS), "real numbers"),
        ({"anchors": "best"}, (IMAGES, TEXTS), "anchors"),
        ({"kernel": "poly"}, (IMAGES, TEXTS), "kernel"),
        ({"reconstruction": None}, (IMAGES, TEXTS), "reconstruction"),
        ({"hash_functions": "late"}, (IMAGES, TEXTS), "hash_functions"),
        ({"dtype": "float16"}, (IMAGES, TEXTS), "dtype"),
        ({"alpha": 1.5}, (IMAGES, TEXTS), "alpha"),
        ({"beta": 0}, (IMAGES, TEXTS), "beta"),
        ({"theta": -1}, (IMAGES, TEXTS), "theta"),
        ({"mu": np.nan}, (IMAGES, TEXTS), "mu"),
        ({"max_iter": 0}, (IMAGES, TEXTS), "max_iter"),
        ({"random_state": None}, (IMAGES, TEXTS), "random_state"),
    ],
)
def test_bad_input_to_fit(parameters, rows, word):
    with pytest.raises(InputError, match=word) as caught:
        RREH(**({"bits": 6} | parameters)).fit(*rows)
    assert "\n" not in str(caught.value)


def test_bad_input_to_transform():
    model = RREH(bits=6)
    with pytest.raises(InputError, match="not fitted"):
        model.transform(images=IMAGES)
    model.fit(IMAGES, TEXTS)
    for arguments, word in (
        ({}, "exactly one"),
        ({"images": IMAGES, "texts": TEXTS}, "exactly one"),
        ({"images": TEXTS}, "features"),
        ({"images": bad(IMAGES)}, "NaN"),
    ):
        with pytest.raises(InputError, match=word):
            model.transform(**arguments)


def test_constant_column_is_fine():
    images = np.hstack([IMAGES, np.full((60, 1), 5.0)])
    for kernel in (None, "rbf"):
        assert rises(RREH(bits=6, kernel=kernel).fit(images, TEXTS).objective_) <= 1e-10


def precision(queries, database, labels, wanted, bits):
    """Mean share of the right class among the 100 nearest codes."""
    order = (-(unpack(queries, bits).astype(int) @ unpack(database, bits).T.astype(int))).argsort(axis=1, kind="stable")
    return (labels[order[:, :100]] == wanted[:, None]).mean()


def test_finds_digits_across_halves_and_uses_unpaired_rows():
    x, y = load_digits(return_X_y=True)
    pixels = x.reshape(-1, 8, 8)
    images, texts = pixels[:, :, :4].reshape(-1, 32), pixels[:, :, 4:].reshape(-1, 32)
    mask, scores = np.random.default_rng(0).random(1000) < 0.1, {}
    few = np.flatnonzero(mask)
    for name, model, rows in (
        ("rreh", RREH(), (images[:1000], texts[:1000], mask)),
        ("pairs", RREH(), (images[few], texts[few])),
        ("random", RandomCodes(), (images[:1000], texts[:1000], mask)),
    ):
        model.fit(*rows)
        database = model.transform(texts=texts[:1000])
        scores[name] = precision(model.transform(images=images[1000:]), database, y[:1000], y[1000:], 32)
    assert scores["rreh"] > scores["pairs"] + 0.02 > scores["random"] + 0.2
