"""Deleting a sentence's text: against one pass per text, and the official approximation by hand."""

import numpy as np
import pytest
import torch
from models.fake_server import Server, completion

from anchors.companion.errors import InputError
from anchors.models.language import load
from anchors.models.remote import Endpoint
from anchors.models.scoring import ends_of, scorer
from anchors.thought import deletion
from anchors.thought.attention import spans_of
from anchors.thought.sentences import Sentence, split

TEXT = (
    "d= b +2 ; b: 4 ; a: 3 ; find d ? we need d . plan step by step . recall d= b +2 . recall b: 4 . "
    "take d= b +2 with b: 4 so d: 6 . so we have d: 6 . the answer is \\boxed{ 6 } ."
)


@pytest.fixture(scope="module")
def parts():
    start = TEXT.index("we need")
    return [Sentence(s.start + start, s.end + start, s.text) for s in split(TEXT[start:])]


def test_the_sentence_and_one_blank_are_gone(parts):
    shorter, cut, gone = deletion.without(TEXT, parts[2])
    assert shorter == TEXT.replace(" recall d= b +2 .", "")
    assert TEXT[cut : cut + gone] == " recall d= b +2 ."
    assert deletion.without("One two. Three.", Sentence(0, 8, "One two.")) == ("Three.", 0, 9)


@pytest.mark.parametrize("name", ["reasoner", "smollm2"])
def test_reused_keys_change_nothing(name, parts):
    model = load(name)
    found = deletion.deletion_matrix(model, TEXT, parts, "total")
    ids = model.encode(TEXT)
    with torch.inference_mode():
        base = model.network(torch.tensor([ids])).logits[0].log_softmax(-1)
        for source in (0, 2, 4):
            shorter, _, _ = deletion.without(TEXT, parts[source])
            new = model.encode(shorter)
            q = model.network(torch.tensor([new])).logits[0].log_softmax(-1)
            last = len(parts) - 1  # the last sentence is the end of both texts
            a, b = spans_of(ends_of(model, TEXT), parts)[last]
            back = len(ids) - len(new)
            p = base[a - 1 : b - 1]
            slow = (p.exp() * (p - q[a - 1 - back : b - 1 - back])).sum().item()
            assert found[source, last] == pytest.approx(slow, abs=1e-4)
    upper = np.triu_indices(len(parts), 1)
    assert np.isfinite(found[upper]).all()
    assert np.isnan(found[np.tril_indices(len(parts))]).all()


def test_statistics(parts):
    model = load("reasoner")
    mean, total, first = (deletion.deletion_matrix(model, TEXT, parts, s) for s in deletion.STATISTICS)
    lengths = np.array([len(s.text.split()) for s in parts])
    assert total[0, 3] == pytest.approx(mean[0, 3] * lengths[3])
    assert first[0, 1] != mean[0, 1]
    assert deletion.deletion_matrix(model, TEXT, parts)[1, 4] == mean[1, 4]


def test_the_whole_vocabulary_as_a_list_is_the_exact_divergence(parts):
    model = load("reasoner")
    score = scorer(model, top=10_000)
    listed = deletion.deletion_matrix_from(score, TEXT, parts)
    exact = deletion.deletion_matrix(model, TEXT, parts)
    assert listed == pytest.approx(exact, abs=1e-4, nan_ok=True)
    five = deletion.deletion_matrix_from(scorer(model), TEXT, parts)
    assert np.isfinite(five[np.triu_indices(len(parts), 1)]).all()


def echo(score):
    """Answer completion requests as a server that echoes the prompt, one token of its own at the end."""

    def answer(_number, _path, body):
        found = score(body["prompt"])
        assert (body["echo"], body["logprobs"]) == (True, 5)
        reply = completion(body, body["prompt"] + "x")
        reply["choices"][0]["logprobs"] = {
            "tokens": [*found.tokens, "x"], "text_offset": [0, *found.ends.tolist()],
            "top_logprobs": [None, *found.likely[1:], {}],
        }  # fmt: skip
        return reply

    return answer


def test_an_endpoint_that_echoes_gives_the_same(parts):
    local = scorer(load("reasoner"))
    with Server(echo(local)) as server:
        found = deletion.deletion_matrix_from(Endpoint(server.url, "m").scored, TEXT, parts)
    assert found == pytest.approx(deletion.deletion_matrix_from(local, TEXT, parts), nan_ok=True)


def test_an_endpoint_that_does_not_echo_is_told_apart():
    with Server() as server, pytest.raises(InputError, match="an echoed prompt"):
        Endpoint(server.url, "m").scored("text")


def test_missing_tokens_take_the_lowest_logprob_seen():
    p, q = {"a": np.log(0.5), "b": np.log(0.25)}, {"a": np.log(0.25)}
    assert deletion._listed(p, q, np.log(0.01)) == pytest.approx(0.5 * np.log(2) + 0.25 * np.log(25))


def test_distance_profile_by_hand():
    matrix = np.full((6, 6), np.nan)
    i, j = np.triu_indices(6, 1)
    matrix[i, j] = 10 * (j - i) + i
    assert deletion.distance_profile(matrix) == pytest.approx([np.nan, 12.0, 21.5], nan_ok=True)


def test_bad_input(parts):
    with pytest.raises(InputError, match="statistic: found 'sum'"):
        deletion.deletion_matrix(load("reasoner"), TEXT, parts, "sum")
    with pytest.raises(InputError, match="at least two"):
        deletion.deletion_matrix(load("reasoner"), TEXT, parts[:1])
