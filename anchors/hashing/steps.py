"""The block steps and closed forms of RREH (reconstructed): what one row block does, and what the sums say.

Rows are samples. Per modality v: features X_v (n, d_v), hash functions W_v (d_v, r), factors U_v (d_v, r);
shared latent V (n, r), codes B (n, r). `Sums` are float64 and do not grow with n.
"""

import numpy as np

from anchors.hashing.blocks import load, place
from anchors.hashing.codes import pack, sign


def moments_step(*views, maps):
    """Step: column sums and Gram matrix of one view, or of both views side by side."""
    x = np.hstack([load(block, m) for block, m in zip(views, maps, strict=True)])
    return None, (x.sum(axis=0, dtype=np.float64), (x.T @ x).astype(np.float64))


def score_step(*columns, maps, pulls, beta, shift, anchor_term):
    """Step: Z = beta B + sum_v X_v P_v + shift V, plus ``anchor_term`` (m, r) on the anchor rows.

    Columns are the blocks of each view, the state (V, B) and the anchor picks. Sums: 1'Z and Z'Z.
    """
    *views, (latent, codes), (local, positions) = columns
    real = latent.dtype.type
    z = codes * real(beta)
    for block, m, pull in zip(views, maps, pulls, strict=True):
        z += load(block, m) @ pull.astype(real)
    if shift:
        z += latent * real(shift)
    if anchor_term is not None:
        z[local] += anchor_term[positions].astype(real)
    return z, _second_moments(z)


def _second_moments(z):
    z = z.astype(np.float64, copy=False)
    return z.sum(axis=0), z.T @ z


def finish_step(*columns, maps, weights, mean, transform, beta, count, anchor_latent=None):
    """Step: V = (Z - mean) T, B = sgn(beta V + sum_v X_v W_v), and every sum the small updates need.

    Columns are the blocks of each view, Z and the anchor picks. ``anchor_latent`` (m, r) overwrites anchor rows.
    Sums: X_v'[V, B] of each view, V'V, tr(B'V), anchor rows of V (m, r).
    """
    *views, z, (local, positions) = columns
    latent = (z - mean.astype(z.dtype)) @ transform.astype(z.dtype)
    if anchor_latent is not None:
        latent[local] = anchor_latent[positions]
    features = [load(block, m) for block, m in zip(views, maps, strict=True)]
    score = latent * latent.dtype.type(beta)
    for x, w in zip(features, weights, strict=True) if weights else ():
        score += x @ w.astype(latent.dtype)
    codes = sign(score)
    both = np.hstack([latent, codes])  # (rows, 2r)
    products = tuple((x.T @ both).astype(np.float64) for x in features)
    exact = latent.astype(np.float64, copy=False)
    sums = (*products, exact.T @ exact, np.array(np.vdot(exact, codes)), place(latent[local], positions, count))
    return (latent, codes), sums


def unpaired_step(block, relation, *, feature_map, weights, offset, anchor_latent):
    """Step: B_v = sgn(X W + offset [+ R' V_S]) for unpaired rows. Sums: X'B_v, 1'B_v, R B_v (m, r)."""
    x = load(block, feature_map)
    score = x @ weights.astype(x.dtype) + offset.astype(x.dtype)
    if relation is not None:
        score += relation @ anchor_latent.astype(x.dtype)
    codes = sign(score)
    cross = np.zeros_like(anchor_latent) if relation is None else relation.T @ codes.astype(np.float64)
    product = (x.T @ codes.astype(x.dtype)).astype(np.float64)
    return codes, (product, codes.sum(axis=0, dtype=np.float64), cross)


def pack_step(codes):
    """Step: packed codes of a block of signs."""
    return pack(codes), (np.zeros(1),)


def feasible(runner, z, total, gram, n, starts, seed, previous=None):
    """Maximise tr(V'Z) over V'V = n I, 1'V = 0 (centred SVD of Z by its Gram matrix).

    Parameters
    ----------
    z : column of Z blocks; ``total`` (r,) its column sums; ``gram`` (r, r) Z'Z; ``starts`` first rows of blocks.
    seed : int; keys the random rows that fill null directions of a rank-deficient Z.
    previous : column of states (V, B) to fall back on when rounding made tr(V'Z) smaller.

    Returns
    -------
    blocks, mean, transform : V = (blocks - mean) @ transform.
    """
    mean, cov = _centred(total, gram, n)
    values, vectors = np.linalg.eigh(cov)
    if values[0] > 1e-7 * np.trace(gram):
        return z, mean, np.sqrt(n) * (vectors / np.sqrt(values)) @ vectors.T
    blocks, centre, transform = feasible_by_levels(runner, z, total, gram, n, starts, seed)
    if previous is not None:
        _, (gain,) = runner.run(_gain_step, blocks, z, previous, mean=centre, transform=transform)
        if gain < 0:
            blocks = runner.run(_latent_step, previous)[0]
            centre, transform = np.zeros_like(mean), np.eye(len(mean))
    return blocks, centre, transform


def feasible_by_levels(runner, z, total, gram, n, starts, seed):
    """`feasible` for an ill-conditioned or rank-deficient Z: orthonormalise its directions level by level.

    Each round projects what is done out of the rest and keeps the directions within a factor 1e-3 of the largest one
    left; when only rounding is left, random rows take its place. Returns blocks, mean, transform.
    """
    r, done, filled = len(total), 0, False
    real = np.float32 if runner.run(_is_single_step, z)[1][0] else np.float64
    floor, axes, y = 100 * np.finfo(real).eps * np.sqrt(np.trace(gram)), np.eye(r), z
    while done < r:
        mean, cov = _centred(total, gram, n)
        project = np.eye(r)
        project[:done, done:] = -np.linalg.solve(cov[:done, :done], cov[:done, done:])
        y, sums = runner.run(_apply_step, y, mean=mean, transform=project)
        mean, cov = _centred(*sums, n)
        values, vectors = (a[..., ::-1] for a in np.linalg.eigh(cov[done:, done:]))
        if values[0] <= floor**2 and not filled:
            y, (total, gram) = runner.run(_fill_step, y, starts, mean=mean, done=done, n=n, seed=seed)
            filled = True
            continue
        keep = int((values > 1e-6 * values[0]).sum())
        transform = np.eye(r)
        transform[done:, done:] = vectors * np.concatenate([values[:keep] ** -0.5, np.ones(r - done - keep)])
        axes[:, done:] = axes[:, done:] @ vectors
        done += keep
        y, (total, gram) = runner.run(_apply_step, y, mean=mean, transform=transform)
    mean, cov = _centred(total, gram, n)
    return y, mean, np.sqrt(n) * np.linalg.solve(np.linalg.cholesky(cov).T, axes.T)


def _centred(total, gram, n):
    """Return the mean (r,) and the centred Gram matrix (r, r)."""
    mean = total / n
    return mean, gram - n * np.outer(mean, mean)


def _is_single_step(z):
    return None, (np.array(float(z.dtype == np.float32)),)


def _fill_step(y, start, *, mean, done, n, seed):
    """Step: the first ``done`` columns, centred, and random ones that depend on seed and row number only."""
    extra = -(-(y.shape[1] - done) // 4) * 4  # Philox gives four words per counter value
    source = np.random.Generator(np.random.Philox(key=seed, counter=start * extra // 4))
    noise = (source.random((len(y), extra)) - 0.5) * np.sqrt(12 / n)
    y = np.hstack([(y - mean)[:, :done], noise[:, : y.shape[1] - done]])
    return y, _second_moments(y)


def _apply_step(y, *, mean, transform):
    y = (y.astype(np.float64, copy=False) - mean) @ transform
    return y, _second_moments(y)


def _gain_step(y, z, state, *, mean, transform):
    return None, (np.array(np.vdot((y - mean) @ transform - state[0], z), dtype=np.float64),)


def _latent_step(state):
    return state[0], (np.zeros(1),)


def principal_directions(gram, total, n, weights, rank):
    """Return (D, rank) directions of the top principal components of the weighted, centred columns.

    ``weights`` (D,) scale the columns. The entry largest in size of each direction is positive; missing ones are 0.
    """
    from scipy.linalg import eigh

    mean = total / n
    cov = (gram - n * np.outer(mean, mean)) * np.outer(weights, weights)
    d = len(cov)
    top = min(rank, d)
    _, vectors = eigh(cov, subset_by_index=(d - top, d - 1))
    vectors = vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(top)])
    return weights[:, None] * np.hstack([vectors, np.zeros((d, rank - top))])


def sylvester_latent(left, quadratic_values, quadratic_vectors, right, theta):
    """Solve V_S P + theta M V_S = Y for the anchor rows V_S (m, r): P (r, r) positive, M = E diag E'."""
    values, vectors = np.linalg.eigh(left)
    inner = quadratic_vectors.T @ right @ vectors
    return quadratic_vectors @ (inner / (theta * quadratic_values[:, None] + values)) @ vectors.T
