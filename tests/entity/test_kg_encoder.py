"""Towers against a plain SimKGC written out here; padding; anchors as tokens; frozen layers; the pooled shortcut."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from entity.kg_case import DEPTH, WIDTH, save_bert, small_graph, tiny

from anchors.companion.errors import InputError
from anchors.entity import training
from anchors.entity.anchors import FAR, NONE
from anchors.entity.encoder import AnchorEmbedding, AnchorTable, Plm, Texts, freeze, plm, tokenise
from anchors.entity.graph import Graph
from anchors.entity.settings import Settings
from anchors.models import embed

GRAPH = small_graph()
HEADS, RELATIONS = torch.arange(12), torch.arange(12) % GRAPH.directions


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def found(bert):
    return {top: training.inputs(GRAPH, tiny(bert, top=top)) for top in (0, 1, DEPTH)}


def model_of(found, bert, top=DEPTH, **changes):
    model = training.untrained(found[top], tiny(bert, top=top, **changes))
    model.encoder.eval()
    return model


def anchors_of(model, entities):
    return model._read(np.asarray(entities), "own")


# ---- against SimKGC -------------------------------------------------------------------------------------------------


def simkgc(folder, entities, relations):
    """Return query and candidate vectors as SimKGC computes them: pairs, two BERTs, masked mean, unit length."""
    tokenizer, network = embed.load(folder)
    towers = [deepcopy(network), deepcopy(network)]
    texts = [GRAPH.texts[entity] for entity in entities]
    words = [GRAPH.directed_texts[relation] for relation in relations]
    inputs = [tokenizer(texts, words, padding=True, return_tensors="pt"), None]
    inputs[1] = tokenizer(texts, padding=True, return_tensors="pt")
    vectors = []
    for tower, tokens in zip(towers, inputs, strict=True):
        hidden = tower(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].float()
        vectors.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    return vectors


def test_towers_without_anchors_are_simkgc(found, bert):
    encoder = model_of(found, bert).encoder
    with torch.no_grad():
        queries, candidates = simkgc(bert, HEADS, RELATIONS)
        torch.testing.assert_close(encoder.candidates(HEADS), candidates, atol=1e-5, rtol=0)
        torch.testing.assert_close(encoder.queries(HEADS, RELATIONS), queries, atol=1e-5, rtol=0)


def test_the_pair_is_put_together_as_a_tokenizer_does(bert):
    tokenizer, _ = embed.load(bert)
    tokens = tokenizer("red cats", "likes the")
    words = " ".join(tokenizer.convert_ids_to_tokens(tokens["input_ids"]))
    assert words == "[CLS] red cat ##s [SEP] likes the [SEP]"
    assert tokens["token_type_ids"] == [0] * 5 + [1] * 3


def test_two_towers_start_alike_and_are_not_shared(found, bert):
    encoder = model_of(found, bert).encoder
    pairs = list(zip(encoder.query.parameters(), encoder.candidate.parameters(), strict=True))
    assert len(pairs) > 20
    assert all(torch.equal(a, b) and a is not b for a, b in pairs)


def test_models_of_the_same_inputs_do_not_share_weights(found, bert):
    for top in found:
        one, two = (model_of(found, bert, top=top, k=2) for _ in range(2))
        before = {name: value.clone() for name, value in two.encoder.state_dict().items()}
        with torch.no_grad():
            for parameter in one.encoder.parameters():
                parameter.add_(1)
        assert all(torch.equal(value, before[name]) for name, value in two.encoder.state_dict().items())
        again = model_of(found, bert, top=top, k=2).encoder.state_dict()
        assert all(torch.equal(value, before[name]) for name, value in again.items())


def test_the_random_state_outside_is_left_alone(found, bert):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model_of(found, bert, top=0, k=2)
    assert torch.equal(torch.rand(3), expected)


# ---- padding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [0, 1, DEPTH])
@pytest.mark.parametrize("changes", [{}, {"k": 3}, {"k": 3, "place": "prefix"}, {"k": 3, "pool_anchors": False}])
def test_a_sequence_has_the_same_vector_alone_and_in_a_batch(found, bert, top, changes):
    model = model_of(found, bert, top=top, **changes)
    everyone = np.arange(GRAPH.size)
    together = model.entity_vectors()
    alone = np.concatenate(
        [model._encoded(lambda rows, e=e: model._candidates(e, "own"), 1) for e in everyone[:, None]]
    )
    np.testing.assert_allclose(together, alone, atol=1e-5)
    triples = GRAPH.directed("test")
    queries = np.concatenate([model.query_vectors(triple[None]) for triple in triples])
    np.testing.assert_allclose(model.query_vectors(triples), queries, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, rtol=1e-5)


# ---- anchors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [0, 1, DEPTH])
def test_anchors_enter_both_sides(found, bert, top):
    model = model_of(found, bert, top=top, k=3)
    ids, hops = anchors_of(model, HEADS)
    ids = torch.where(ids == NONE, 0, ids)
    other = (ids + 1) % model.anchors.count
    encode = (
        lambda i: model.encoder.candidates(HEADS, i, hops),
        lambda i: model.encoder.queries(HEADS, RELATIONS, i, hops),
    )
    with torch.no_grad():
        for side in encode:
            assert (side(ids) - side(other)).abs().max(1).values.min() > 1e-4
            nobody = side(torch.full_like(ids, NONE))
            assert (side(ids) - nobody).abs().max(1).values.min() > 1e-4


@pytest.mark.parametrize("top", [0, 1, DEPTH])
def test_hops_enter(found, bert, top):
    model = model_of(found, bert, top=top, k=2)
    for side in model.encoder.sides:
        side.hop.data.normal_(generator=torch.Generator().manual_seed(1))
    ids, hops = torch.zeros(3, 2, dtype=torch.long) + torch.tensor([0, 1]), torch.tensor([[0, 1], [1, 2], [FAR, 1]])
    with torch.no_grad():
        vectors = model.encoder.candidates(torch.zeros(3, dtype=torch.long), ids, hops)
    assert torch.pdist(vectors).min() > 1e-4


def test_the_order_of_anchors_matters_only_through_positions(found, bert):
    model = model_of(found, bert, k=3)
    ids, hops = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 1, 2]])
    turned = torch.tensor([2, 0, 1])
    row = torch.tensor([4])
    with torch.no_grad():
        before = model.encoder.candidates(row, ids, hops)
        after = model.encoder.candidates(row, ids[:, turned], hops[:, turned])
        assert (before - after).abs().max() > 1e-5
        model.encoder.candidate.embeddings.position_embeddings.weight.zero_()
        before = model.encoder.candidates(row, ids, hops)
        after = model.encoder.candidates(row, ids[:, turned], hops[:, turned])
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


@pytest.mark.parametrize("top", [0, 1, DEPTH])
def test_a_gap_among_anchors_is_as_if_they_stood_together(found, bert, top):
    model = model_of(found, bert, top=top, k=3)
    row = torch.tensor([4])
    with torch.no_grad():
        gap = model.encoder.candidates(row, torch.tensor([[2, NONE, 1]]), torch.tensor([[1, 3, 2]]))
        tight = model.encoder.candidates(row, torch.tensor([[2, 1, NONE]]), torch.tensor([[1, 2, FAR]]))
    torch.testing.assert_close(gap, tight, atol=1e-5, rtol=0)


def test_switches_of_place_and_pooling_differ(found, bert):
    runs = [{}, {"place": "prefix"}, {"pool_anchors": False}, {"place": "prefix", "pool_anchors": False}]
    for top in (1, DEPTH):
        vectors = torch.stack(
            [torch.tensor(model_of(found, bert, top=top, k=3, **run).entity_vectors()) for run in runs]
        )
        assert torch.pdist(vectors[:, 3]).min() > 1e-4


def test_without_pooling_the_mean_is_over_the_text_only(found, bert):
    model = model_of(found, bert, k=2, pool_anchors=False)
    tower = model.encoder.candidate
    tower.layers = torch.nn.ModuleList()  # then anchors cannot reach the text
    row = torch.tensor([4])
    with torch.no_grad():
        one = model.encoder.candidates(row, torch.tensor([[0, 1]]), torch.tensor([[1, 1]]))
        two = model.encoder.candidates(row, torch.tensor([[3, 2]]), torch.tensor([[1, 1]]))
    torch.testing.assert_close(one, two)


def test_anchors_alone_have_no_text(found, bert):
    for top in (0, 1, DEPTH):
        model = model_of(found, bert, top=top, k=2, text=False)
        ids, hops = torch.tensor([[0, 1], [0, 1]]), torch.ones(2, 2, dtype=torch.long)
        with torch.no_grad():
            a, b = model.encoder.candidates(torch.tensor([3, 8]), ids, hops)
            c, d = model.encoder.queries(torch.tensor([3, 8]), torch.tensor([1, 1]), ids, hops)
            e, f = model.encoder.queries(torch.tensor([3, 3]), torch.tensor([0, 1]), ids, hops)
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(c, d)
        assert (e - f).abs().max() > 1e-4


@pytest.mark.parametrize("top", [0, 1, DEPTH])
def test_an_unseen_entity_is_encoded_with_and_without_anchors(found, bert, top):
    unseen = GRAPH.size - 1
    assert not GRAPH.in_train[unseen]
    model = model_of(found, bert, top=top, k=3)
    assert (model.anchors.nearest[unseen] == NONE).all()
    vectors, plain = model.entity_vectors(), model.entity_vectors(None)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[unseen], plain[unseen], atol=1e-6)
    seen = model.anchors.nearest[:, 0] != NONE
    assert np.abs(vectors - plain).max(1)[seen].min() > 1e-5
    query = model.query_vectors(np.array([[unseen, 0, 1]]))
    assert np.isfinite(query).all()


def test_no_parameter_belongs_to_an_entity(found, bert):
    for top in (0, 1, DEPTH):
        shapes = [p.shape for p in model_of(found, bert, top=top, k=3).encoder.parameters()]
        assert all(GRAPH.size not in shape for shape in shapes)
        assert any(shape[0] == 8 for shape in shapes if len(shape)), "the table of 8 anchors"


# ---- frozen layers --------------------------------------------------------------------------------------------------


def test_states_under_the_trainable_layer_lead_to_the_same_vector(found, bert):
    whole, part = (model_of(found, bert, top=top).encoder for top in (DEPTH, 1))
    with torch.no_grad():
        torch.testing.assert_close(part.candidates(HEADS), whole.candidates(HEADS), atol=2e-3, rtol=0)
    assert part.entities.states.dtype == torch.float16
    assert whole.entities.states is None


def test_pooled_vectors_are_the_mean_of_the_last_layer(found, bert):
    tokenizer, network = embed.load(bert)
    tokens = tokenizer(list(GRAPH.texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = network(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    torch.testing.assert_close(found[0].entities.pooled, mean, atol=1e-4, rtol=1e-4)


def test_first_layers_only(bert):
    cut = plm(tiny(bert, layers=2))
    assert (len(cut.network.encoder.layer), cut.frozen, cut.width) == (2, 2, WIDTH)
    _, network = embed.load(bert)
    tokens = torch.tensor([[2, 8, 9, 3]])
    with torch.no_grad():
        states = network(tokens, output_hidden_states=True).hidden_states[2]
    read = freeze(cut, Texts(tokens, torch.tensor([4])))
    torch.testing.assert_close(read.pooled, states.mean(1), atol=1e-5, rtol=1e-4)
    assert len(network.encoder.layer) == DEPTH, "the loaded network is left alone"


def test_freeze_does_not_depend_on_the_batches(bert):
    for top in (0, 1):
        model = plm(tiny(bert, top=top))
        texts = tokenise(model, GRAPH.texts, 12)
        one, two = freeze(model, texts, batch=1), freeze(model, texts, batch=64)
        for a, b in ((one.pooled, two.pooled), (one.states, two.states)):
            if a is not None:
                read = slice(None) if a.ndim == 2 else torch.arange(a.shape[1]) < texts.lengths[:, None]
                torch.testing.assert_close(a[read], b[read], atol=4e-3, rtol=4e-3)


def test_freeze_with_nothing_frozen_returns_the_texts(bert):
    model = plm(tiny(bert, top=DEPTH))
    texts = tokenise(model, GRAPH.texts, 12)
    assert freeze(model, texts) is texts


def test_long_texts_are_cut_and_end_with_a_separator(bert):
    texts = tokenise(plm(tiny(bert)), ["red " * 40, "cat"], 9)
    assert texts.ids.shape == (2, 9)
    assert texts.lengths.tolist() == [9, 3]
    assert (texts.ids[0, 0], texts.ids[0, -1], texts.ids[1, 2]) == (2, 3, 3)
    assert texts.ids[1, 3:].tolist() == [0] * 6


# ---- the table of anchors -------------------------------------------------------------------------------------------


def embedding(count=6, rows=12, width=WIDTH):
    generator = torch.Generator().manual_seed(3)
    table = AnchorTable(count, rows, None, generator)
    side = AnchorEmbedding(table, width, generator)
    side.hop.data.normal_(generator=generator)
    return table.table, side


def test_pooled_anchors_are_linear_of_the_mean():
    table, side = embedding()
    linear = torch.nn.Linear(WIDTH, 20, bias=False)
    generator = torch.Generator().manual_seed(4)
    ids = torch.randint(NONE, len(table), (40, 5), generator=generator)
    ids[0] = NONE
    hops = torch.randint(0, 9, (40, 5), generator=generator)
    hops[1] = FAR
    vectors, mask = side(table, ids, hops)
    mean = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    expected, got = linear(mean), side.pooled(table, ids, hops, linear)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    parameters = [table, side.hop, side.none, side.project.weight, side.norm.weight, linear.weight]
    grads = [torch.autograd.grad((out * torch.arange(20)).sum(), parameters) for out in (expected, got)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-4)


def test_no_anchor_is_one_token():
    table, side = embedding()
    vectors, mask = side(table, torch.tensor([[NONE, NONE], [NONE, 3]]), torch.tensor([[FAR, FAR], [2, 2]]))
    assert mask.tolist() == [[True, False], [False, True]]
    torch.testing.assert_close(vectors[0, 0], side.none)


def test_hops_beyond_five_share_an_embedding_and_out_of_reach_has_its_own():
    table, side = embedding()
    vectors, _ = side(table, torch.zeros(1, 4, dtype=torch.long), torch.tensor([[5, 9, FAR, 4]]))
    torch.testing.assert_close(vectors[0, 0], vectors[0, 1])
    assert torch.pdist(vectors[0, 1:]).min() > 0.1


def test_a_table_wide_enough_starts_at_the_given_vectors():
    given = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    table = AnchorTable(6, 12, given, generator)
    side = AnchorEmbedding(table, WIDTH, generator)
    torch.testing.assert_close(side.project(table.table)[:, :], given, atol=0.6, rtol=0)
    projected = (table.table[:, :6] @ side.project.weight[:, :6].T).detach()
    torch.testing.assert_close(projected, given, atol=1e-4, rtol=0)


def test_anchors_start_at_their_texts_by_default(found, bert):
    names, normal = (model_of(found, bert, k=2, start=start, anchor_width=32).encoder for start in ("names", "normal"))
    words = found[DEPTH].model.network.embeddings.word_embeddings.weight
    model = model_of(found, bert, k=2, anchor_width=32)
    texts = found[DEPTH].entities
    first = int(model.anchors.chosen[0])
    mean = words[texts.ids[first, : texts.lengths[first]]].mean(0)
    side = names.sides[0]
    keep = len(names.anchors.basis)
    start = names.anchors.table[0, :keep] @ side.project.weight[:, :keep].T
    torch.testing.assert_close(start, mean, atol=1e-4, rtol=0)
    assert normal.anchors.basis is None
    assert normal.anchors.table.std() < 0.05


# ---- language models ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"layers": 4}, {"top": 4}, {"layers": 1, "top": 2}])
def test_more_layers_than_there_are(bert, changes):
    with pytest.raises(InputError, match=r"layers, top: found .* top <= layers <= 3"):
        plm(tiny(bert, **changes))


def test_a_decoder_is_no_encoder(tmp_path):
    from transformers import GPT2Config, GPT2Model

    save_bert(tmp_path)
    GPT2Model(GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"GPT2Model.*a BERT-like encoder"):
        plm(Settings(plm=str(tmp_path)))


@pytest.mark.parametrize(("top", "layers"), [(0, 0), (1, 2), (2, 2)])
def test_minilm(top, layers):
    few = Graph("few", ("a", "b"), ("r",), {s: np.array([[0, 0, 1]]) for s in ("train", "valid", "test")},
                ("bank: a financial institution", "river: a natural stream of water"), ("lies near",))  # fmt: skip
    settings = Settings(top=top, layers=layers, k=1, anchors=2, anchor_width=8, width=16, hidden=16)
    found = training.inputs(few, settings)
    assert isinstance(found.model, Plm)
    assert found.model.width == 384
    vectors = training.untrained(found, settings).entity_vectors()
    assert np.isfinite(vectors).all()
    if top == 0:
        expected = embed.embed(few.texts)
        pooled = torch.nn.functional.normalize(found.entities.pooled, dim=1).numpy()
        np.testing.assert_allclose(pooled, expected, atol=1e-5)
        assert training.untrained(found, replace(settings, seed=1)).entity_vectors() != pytest.approx(vectors)
