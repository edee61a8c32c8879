"""The data sets: counts, splits that leak nothing, features, and a user's own file."""

import hashlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from sklearn.feature_extraction.text import TfidfVectorizer

from anchors.companion.errors import InputError, MissingData
from anchors.hashing import emoji_views, features
from anchors.hashing.views import Views, build, group_split, load, pictures, validation_split


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def emoji(cache_dir) -> Views:
    return load("emoji", cache_dir=cache_dir)


# ---- emoji ----------------------------------------------------------------------------------------------------------


def test_emoji_counts(emoji):
    print(emoji.notes)
    assert 1600 < len(emoji) < 1750
    assert emoji.image.shape == (len(emoji), 784)
    assert len(emoji.classes) == 9
    assert "Component" not in emoji.classes
    assert 390 <= emoji.notes["test"] <= 400
    assert emoji.notes["train"] + emoji.notes["test"] == emoji.notes["items"] == len(emoji)
    assert sum(emoji.notes["groups"].values()) == len(emoji)
    assert np.bincount(emoji.test().labels, minlength=9).min() >= 10
    assert emoji.notes["empty_texts"] == (np.abs(emoji.text).sum(axis=1) == 0).sum() < 100


def test_emoji_has_no_skin_tone_no_gender_pair_no_equal_pictures(emoji):
    assert not any(0x1F3FB <= int(point, 16) <= 0x1F3FF for code in emoji.extras["code"] for point in code.split("-"))
    people = emoji.extras["group"][emoji.labels == emoji.classes.index("People & Body")]
    assert len(people) == len(set(people))
    assert "person biking" in emoji.items
    assert "woman biking" not in emoji.items
    rgba = pictures(emoji, np.arange(len(emoji)))
    assert len({picture.tobytes() for picture in rgba}) == len(emoji)


def test_no_base_name_crosses_the_split(emoji):
    train, test = (set(part.extras["group"]) for part in (emoji.train(), emoji.test()))
    assert not train & test
    halves = validation_split(emoji, seed=3)
    train, test = (set(part.extras["group"]) for part in (halves.train(), halves.test()))
    assert not train & test


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("woman biking: dark skin tone", "biking"),
        ("men with bunny ears", "with bunny ears"),
        ("woman kneeling facing right", "kneeling"),
        ("family man woman boy", "family"),
        ("mermaid", "mer"),
        ("older person", "old"),
        ("man", "person"),
        ("girl", "child"),
        ("keycap 7", "keycap"),
        ("five o’clock", "clock face"),
        ("six-thirty", "clock face"),
        ("alarm clock", "alarm clock"),
        ("mango", "mango"),
    ],
)
def test_base_name(name, base):
    assert emoji_views.base_name(name) == base


def test_emoji_is_the_same_from_the_cache_and_for_a_seed(emoji, cache_dir):
    again, other = load("emoji", cache_dir=cache_dir), load("emoji", cache_dir=cache_dir, seed=1)
    assert again.fingerprint == emoji.fingerprint
    assert again.items == emoji.items
    assert other.fingerprint != emoji.fingerprint
    np.testing.assert_array_equal(other.image, emoji.image)


def test_cached_features_equal_fresh_ones(emoji):
    rows = np.arange(0, len(emoji), 97)
    fresh = features.image_features(emoji_views.render(emoji.extras["code"][rows].tolist()))
    np.testing.assert_allclose(emoji.image[rows], fresh, atol=1e-6)


def test_damaged_cache_is_made_anew(tmp_path):
    path = tmp_path / "emoji-pictures-k.npz"
    path.write_bytes(b"half a file")
    for _ in range(2):
        (stored,) = emoji_views._stored(tmp_path, "pictures", "k", lambda: (np.eye(3),))
        np.testing.assert_array_equal(stored, np.eye(3))
    (stored,) = emoji_views._stored(tmp_path, "pictures", "k", lambda: (np.zeros(1),))
    np.testing.assert_array_equal(stored, np.eye(3))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_tfidf_is_fitted_on_the_training_rows_only():
    documents = ["cat dog", "cat bird", "cat fish", "zebra zebra", "zebra cat", "zebra"]
    train = np.array([True, True, True, False, False, False])
    vectors, words = features.tfidf(documents, train, min_df=1)
    assert words == ["bird", "cat", "dog", "fish"]
    np.testing.assert_array_equal(vectors[[3, 5]], 0)
    np.testing.assert_allclose(vectors[4], [0, 1, 0, 0])
    reference = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit(documents[:3])
    np.testing.assert_allclose(vectors[:3], reference.transform(documents[:3]).toarray(), rtol=1e-6)


def test_emoji_text_ignores_the_test_rows(emoji):
    words = emoji.extras["words"]
    documents = [f"{name} {more}" for name, more in zip(emoji.items, words, strict=True)]
    train = emoji.split == "train"
    changed = [document if keep else "zzz" for document, keep in zip(documents, train, strict=True)]
    np.testing.assert_array_equal(features.tfidf(changed, train)[0][train], emoji.text[train])


def test_emoji_without_flags(cache_dir):
    views = load("emoji", cache_dir=cache_dir, flags=False, test=300)
    assert len(views.classes) == 8
    assert "Flags" not in views.classes
    assert len(views) < 1450


def test_pictures(emoji):
    rgba = pictures(emoji, [emoji.items.index("red apple")], size=24)[0]
    assert rgba.shape == (24, 24, 4)
    middle = rgba[12, 12].astype(int)
    assert middle[0] > middle[2]
    assert rgba[0, 0, 3] == 0
    with pytest.raises(InputError, match=r"emoji \| digits"):
        pictures(load("synthetic", n=50, test=10), [0])
    digit = pictures(load("digits"), [0, 1], size=16)
    assert digit.shape == (2, 16, 16, 4)


# ---- features -------------------------------------------------------------------------------------------------------


def halves(left, right, opaque=255):
    rgba = np.full((1, 72, 72, 4), opaque, dtype=np.uint8)
    rgba[:, :, :36, :3], rgba[:, :, 36:, :3] = left, right
    return rgba


def test_vertical_edge_fills_one_direction_of_the_middle_cells():
    histogram = features.image_features(halves(0, 255))[0, :288].reshape(6, 6, 8)
    assert (histogram[:, 2:4, 0] > 0).all()
    assert histogram[..., 1:].sum() == 0
    assert histogram[:, [0, 1, 4, 5]].sum() == 0
    assert np.linalg.norm(histogram) == pytest.approx(1)


def test_colour_histogram_of_two_halves():
    red, blue = (255, 0, 0), (0, 0, 255)
    histogram = features.image_features(halves(red, blue))[0, 288:352]
    np.testing.assert_allclose(histogram[[3 * 16, 3]], np.sqrt(0.5), rtol=1e-6)
    assert np.count_nonzero(histogram) == 2


def test_transparent_picture_is_white_and_has_no_features():
    np.testing.assert_array_equal(features.image_features(halves(0, 9, opaque=0)), 0)


def test_thumbnail_has_zero_mean_and_unit_norm():
    rgba = np.random.default_rng(0).integers(0, 256, size=(3, 72, 72, 4), dtype=np.uint8)
    small = features.image_features(rgba)[:, 352:]
    np.testing.assert_allclose(small.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, rtol=1e-5)


def test_chunks_do_not_matter():
    rgba = np.random.default_rng(1).integers(0, 256, size=(7, 24, 24, 4), dtype=np.uint8)
    np.testing.assert_array_equal(features.image_features(rgba, chunk=2), features.image_features(rgba, chunk=100))


def test_fourier_magnitudes_forget_position():
    scan = np.random.default_rng(2).random((1, 8, 8))
    shifted = np.roll(scan, (2, 3), axis=(1, 2))
    np.testing.assert_allclose(features.fourier_magnitudes(scan), features.fourier_magnitudes(shifted))


# ---- digits, synthetic, wiki ----------------------------------------------------------------------------------------


def test_digits():
    views = load("digits", seed=2)
    assert (views.image.shape, views.text.shape) == ((1797, 64), (1797, 40))
    assert len(views.test()) == 400
    shares = [np.bincount(part.labels) / len(part) for part in (views.train(), views.test())]
    np.testing.assert_allclose(*shares, atol=0.005)
    assert load("digits", seed=2).fingerprint == views.fingerprint != load("digits", seed=3).fingerprint


@pytest.mark.parametrize("text", ["relu", "linear"])
def test_synthetic_without_noise_is_the_stated_map(text):
    views = load("synthetic", n=300, test=50, d1=20, d2=10, latent=4, noise=0.0, text=text)
    z = views.extras["latent"]
    first = np.linalg.lstsq(z, np.arctanh(views.image), rcond=None)[0]
    np.testing.assert_allclose(np.tanh(z @ first), views.image, atol=1e-8)
    if text == "linear":
        assert np.linalg.matrix_rank(views.text) == 4
    else:
        assert views.text.min() == 0


def test_synthetic_world_does_not_depend_on_n():
    small, large = (load("synthetic", n=n, test=20, noise=0.0, text="linear") for n in (100, 400))
    worlds = [np.linalg.lstsq(v.extras["latent"], v.text, rcond=None)[0] for v in (small, large)]
    np.testing.assert_allclose(*worlds, atol=1e-9)


def test_synthetic_classes_are_gaussians_around_centres():
    views = load("synthetic", n=20_000, classes=3, latent=2, d1=2, d2=2)
    for c in range(3):
        z = views.extras["latent"][views.labels == c]
        np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.1)


@pytest.mark.needs("wiki")
def test_counts_of_wiki():
    views = load("wiki")
    assert (views.image.shape, views.text.shape) == ((2866, 128), (2866, 10))
    np.testing.assert_allclose(views.image.sum(axis=1), 1, atol=1e-6)
    assert " ".join(views.classes) == "art biology geography history literature media music royalty sport warfare"
    counts = [np.bincount(part.labels).tolist() for part in (views.train(), views.test())]
    assert counts[0] == [138, 272, 244, 248, 202, 178, 186, 144, 214, 347]
    assert counts[1] == [34, 88, 96, 85, 65, 58, 51, 41, 71, 104]


def test_wiki_nowhere_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv("ANCHORS_DATA_MIRROR", raising=False)
    monkeypatch.setenv("ANCHORS_DOWNLOADS", str(tmp_path))
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")
    with pytest.raises(MissingData, match=r"data set 'wiki' .*ANCHORS_DATA_MIRROR"):
        load("wiki")


# ---- splits and checks ----------------------------------------------------------------------------------------------


def test_validation_split_never_shows_a_test_row():
    views = load("synthetic", n=300, test=100)
    halves = validation_split(views, seed=0)
    assert len(halves) == 200
    assert len(halves.test()) == 40
    test = {row.tobytes() for row in views.test().image}
    assert not any(row.tobytes() in test for row in halves.image)
    assert len(halves.extras["latent"]) == 200
    assert validation_split(views, seed=0).fingerprint == halves.fingerprint
    assert validation_split(views, seed=1).fingerprint != halves.fingerprint


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 0.0001])
def test_validation_split_refuses_empty_sides(fraction):
    with pytest.raises(InputError, match="fraction"):
        validation_split(load("synthetic", n=60, test=10), seed=0, fraction=fraction)


@settings(max_examples=50, deadline=None)
@given(groups=st.lists(st.integers(0, 9), min_size=1, max_size=60), size=st.integers(0, 60), seed=st.integers(0, 99))
def test_group_split_keeps_groups_whole(groups, size, seed):
    groups = np.array(groups)
    chosen = group_split(groups, size, np.random.default_rng(seed))
    assert chosen.sum() <= size
    assert not set(groups[chosen]) & set(groups[~chosen])
    if size >= len(groups):
        assert chosen.all()


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("emojis", {}, "emoji | digits | synthetic | wiki"),
        ("digits", {"sed": 1}, "sed"),
        ("emoji", {"text": "bert"}, "tfidf | minilm"),
        ("synthetic", {"text": "x"}, "relu | linear"),
        ("synthetic", {"n": 10, "test": 10}, "between 0 and n"),
        ("mine.mat", {}, "no such file"),
        ("mine.txt", {}, "suffix"),
    ],
)
def test_bad_names_and_parameters(name, params, message):
    with pytest.raises(InputError) as caught:
        load(name, **params)
    assert message in str(caught.value)


# ---- a user's own file ----------------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
OWN = {
    "I_tr": RNG.random((6, 4)),
    "T_tr": RNG.random((6, 3)),
    "L_tr": np.array([1, 2, 3, 1, 2, 3]),
    "I_te": RNG.random((2, 4)),
    "T_te": RNG.random((2, 3)),
    "L_te": np.array([3, 1]),
}


def save(folder, kind, arrays):
    path = folder / f"own{kind}"
    if kind == ".mat":
        savemat(path, arrays)
    elif kind == ".npz":
        np.savez(path, **arrays)
    elif kind == ".h5":
        with h5py.File(path, "w") as store:
            for name, array in arrays.items():
                store[name] = array
    else:
        path.mkdir()
        for name, array in arrays.items():
            np.savetxt(path / f"{name}.csv", array, delimiter=",", fmt="%.17g")
    return path


@pytest.mark.parametrize("kind", [".mat", ".npz", ".h5", ""])
def test_own_file_in_four_formats(tmp_path, kind):
    views = load(str(save(tmp_path, kind, OWN)))
    np.testing.assert_allclose(views.train().image, OWN["I_tr"])
    np.testing.assert_allclose(views.test().text, OWN["T_te"])
    assert views.labels.tolist() == [0, 1, 2, 0, 1, 2, 2, 0]
    assert views.classes == ["1", "2", "3"]
    assert len(views.database()) == 6


def test_one_hot_and_multi_hot_labels(tmp_path):
    hot = {"L_tr": np.eye(3, dtype=np.uint8)[OWN["L_tr"] - 1], "L_te": np.eye(3, dtype=np.uint8)[OWN["L_te"] - 1]}
    assert load(save(tmp_path, ".mat", OWN | hot)).labels.tolist() == [0, 1, 2, 0, 1, 2, 2, 0]
    hot["L_tr"][0, 2] = 1
    views = load(save(tmp_path, ".npz", OWN | hot))
    assert views.labels.shape == (8, 3)
    assert views.labels[0].tolist() == [1, 0, 1]


def test_own_database(tmp_path):
    own = OWN | {"I_db": OWN["I_tr"][:5], "T_db": OWN["T_tr"][:5], "L_db": OWN["L_tr"][:5]}
    views = load(save(tmp_path, ".npz", own))
    assert [len(part) for part in (views.train(), views.test(), views.database())] == [6, 2, 5]
    assert len(validation_split(views, seed=0, fraction=0.5)) == 6


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_own_file_with_nan(tmp_path, bad):
    image = OWN["I_tr"].copy()
    image[4, 1] = bad
    with pytest.raises(InputError, match="own: image: found NaN or infinity in row 4"):
        load(save(tmp_path, ".npz", OWN | {"I_tr": image}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L_tr": None}, "no L_tr among I_te, I_tr, L_te, T_te, T_tr"),
        ({"I_db": OWN["I_tr"]}, "no T_db, L_db among"),
        ({"T_tr": OWN["T_tr"][:5]}, "'T_tr': 5"),
        ({"T_te": OWN["T_te"][:, :2]}, "equal column counts"),
        ({"L_tr": OWN["L_tr"] + 0.5}, "whole numbers"),
        ({"L_tr": OWN["L_tr"] * np.nan}, "whole numbers"),
        ({"L_tr": np.eye(6) * 2, "L_te": np.eye(6)[:2]}, "other than 0 and 1"),
        ({"I_tr": OWN["I_tr"][0]}, "shape (4,)"),
        ({"I_tr": np.array([["a"] * 4] * 6)}, "numbers, 2-d"),
        ({key: OWN[key][:0] for key in ("I_te", "T_te", "L_te")}, "no rows in the test part"),
        ({"I_tr": np.array([object()] * 6)}, "an object"),
    ],
)
def test_bad_own_file_is_one_clear_line(tmp_path, change, message):
    arrays = {key: value for key, value in (OWN | change).items() if value is not None}
    with pytest.raises(InputError) as caught:
        load(save(tmp_path, ".npz", arrays))
    assert message in str(caught.value)
    assert "own.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_own_file(tmp_path):
    path = save(tmp_path, ".mat", OWN)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"own\.mat"):
        load(path)


def test_build_hashes_content_and_checks_rows():
    arguments = [(np.eye(2), np.eye(2)), np.arange(2), np.array(["train", "test"]), ["a", "b"], ["0", "1"]]
    views = build("x", *arguments)
    assert len(views.fingerprint) == len(hashlib.sha256().hexdigest())
    assert build("x", (np.eye(2) * 2, np.eye(2)), *arguments[1:]).fingerprint != views.fingerprint
    with pytest.raises(InputError, match="rows"):
        build("x", (np.eye(3), np.eye(2)), *arguments[1:])
