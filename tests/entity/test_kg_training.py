"""Runs: against a SimKGC written out here, resumed, in chunks, stopped early, and what is said when one fails."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from entity.kg_case import DEPTH, save_bert, small_graph, tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import AnchorsError, InputError
from anchors.entity import store, training
from anchors.entity.anchors import NONE
from anchors.entity.loss import info_nce
from anchors.entity.parts import Parts, World
from anchors.entity.settings import CONTROLS, VARIANTS, variant
from anchors.entity.training import Training, rate_share
from anchors.models import embed

GRAPH = small_graph()
TOPS = (0, 1, DEPTH)
EVERYTHING = {"k": 3, "random": 6, "self_negative": True, "pre_batch": 2, "refresh": 3, "evaluate_every": 2}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A BERT without dropout."""
    return save_bert(tmp_path_factory.mktemp("calm"), dropout=0.0)


@pytest.fixture
def begin(bert):
    """Return a function that begins a run; texts are read once for each way of reading them."""
    read = {}

    def begun(folder=None, every=200, graph=GRAPH, plm=bert, **changes):
        run = tiny(plm, **changes)
        key = graph.texts, training.reading(run)
        found = read.setdefault(key, training.inputs(graph, run))
        return Training(replace(found, graph=graph), run, folder, every)

    return begun


def losses(run, steps=0):
    return [entry["loss"] for entry in run.run(steps).log]


def same_weights(one, two):
    pairs = [run.encoder.state_dict() for run in (one, two)]
    return pairs[0].keys() == pairs[1].keys() and all(torch.equal(v, pairs[1][k]) for k, v in pairs[0].items())


# ---- SimKGC ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", TOPS)
def test_without_anchors_and_random_negatives_sea_is_simkgc_bit_for_bit(begin, bert, top):
    base = tiny(bert, top=top)
    inert = {
        "drop_anchor": 0.4, "drop_set": 0.4, "strategy": "random", "anchors": 3, "anchor_width": 5, "start": "normal",
        "place": "prefix", "pool_anchors": False, "leakage_rule": False, "weighting": "degree", "refresh": 3,
        "random_gradient": False, "anchor_rate": 99.0,
    }  # fmt: skip
    plain = begin(**vars(variant("simkgc_ib", base)))
    off = begin(**vars(replace(variant("sea", base), k=0, random=0, **inert)))
    assert losses(plain) == losses(off)
    assert same_weights(plain, off)
    assert losses(begin(**vars(variant("sea", base)))) != losses(plain)


def test_the_losses_are_those_of_a_plain_simkgc(begin, calm):
    run = begin(plm=calm, top=DEPTH, steps=5, rate=2e-3)
    got = losses(run)
    tokenizer, network = embed.load(calm)
    query, entity = deepcopy(network), deepcopy(network)
    scale = torch.nn.Parameter(torch.tensor(1 / 0.05).log())
    parameters = [*query.parameters(), *entity.parameters(), scale]
    optimizer = torch.optim.AdamW(parameters, weight_decay=1e-4)
    triples, facts = GRAPH.directed("train"), set(map(tuple, GRAPH.directed("train").tolist()))
    expected = []

    def encode(tower, *texts):
        tokens = tokenizer(*texts, padding=True, return_tensors="pt")
        mask = tokens["attention_mask"][..., None]
        hidden = tower(**tokens).last_hidden_state
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    for step in range(5):
        batch = triples[run.rows(step)]
        heads, relations, tails = batch.T.tolist()
        u = encode(query, [GRAPH.texts[h] for h in heads], [GRAPH.directed_texts[r] for r in relations])
        v = encode(entity, [GRAPH.texts[t] for t in tails])
        logits = (u @ v.T - 0.02 * torch.eye(len(batch))) * scale.exp()
        for i, (h, r, t) in enumerate(batch.tolist()):
            for j, other in enumerate(tails):
                if i != j and ((h, r, other) in facts or other == t):
                    logits[i, j] = -1e4
        goal = torch.arange(len(batch))
        loss = torch.nn.functional.cross_entropy(logits, goal) + torch.nn.functional.cross_entropy(logits.T, goal)
        expected.append(loss.item())
        optimizer.param_groups[0]["lr"] = 2e-3 * rate_share(step, 5, 400)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert got[0] == pytest.approx(expected[0], rel=1e-5)


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("name", [*VARIANTS, *CONTROLS])
def test_every_variant_learns_and_ranks(begin, bert, top, name):
    base = tiny(bert, top=top, steps=12, rate=2e-2 if top == 0 else 3e-3, evaluate_every=12)
    run = begin(**vars(variant(name, base, k=3, random=10)))
    found = losses(run)
    assert np.isfinite(found).all()
    assert np.mean(found[-4:]) < found[0]
    ranks = run.model.ranks(GRAPH.directed("test"))
    assert len(ranks.realistic) == 20
    assert 1 <= ranks.realistic.min() <= ranks.realistic.max() <= GRAPH.size
    assert 0 < run.model.log[-1]["MRR"] <= 1


# ---- seeds and batches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", TOPS)
def test_the_seed_decides(begin, top):
    first, again, other = (begin(top=top, seed=seed, **EVERYTHING) for seed in (4, 4, 5))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    one = losses(first)
    torch.manual_seed(2)
    assert losses(again) == one
    assert same_weights(first, again)
    assert losses(other) != one


def test_every_epoch_takes_each_triple_at_most_once_in_its_own_order(begin):
    run = begin()
    many = len(run.triples) // run.batch
    assert (len(run.triples), run.batch, many) == (140, 16, 8)
    epochs = [np.concatenate([run.rows(step) for step in range(e * many, (e + 1) * many)]) for e in (0, 1)]
    for rows in epochs:
        assert len(set(rows.tolist())) == len(rows) == 128
    assert (epochs[0] != epochs[1]).any()
    np.testing.assert_array_equal(run.rows(3), begin().rows(3))


def test_a_batch_larger_than_the_graph_is_the_graph(begin):
    run = begin(batch=10_000, steps=2)
    assert run.batch == 140
    assert sorted(run.rows(1)) == list(range(140))
    assert len(losses(run)) == 2


def test_the_rate_rises_and_falls():
    shares = [rate_share(step, 100, 400) for step in range(100)]
    assert np.argmax(shares) in (9, 10), "a tenth of the steps at most"
    assert max(shares) == 1
    assert (np.diff(shares[10:]) < 0).all()
    assert (np.diff(shares[:10]) > 0).all()
    assert 0 < shares[0] < 0.2
    assert 0 < shares[-1] < 0.02
    assert rate_share(0, 100, 0) == 1


def test_the_table_of_anchors_learns_faster(begin):
    slow, fast = (begin(k=3, anchor_rate=rate, steps=1, top=0) for rate in (1.0, 10.0))
    before = slow.encoder.anchors.table.detach().clone()
    for run in (slow, fast):
        run.run()
    moved = [(run.encoder.anchors.table.detach() - before).norm() for run in (slow, fast)]
    assert float(moved[1] / moved[0]) == pytest.approx(10, rel=0.05)
    assert torch.equal(slow.encoder.query.out.weight, fast.encoder.query.out.weight)


@pytest.mark.parametrize("top", TOPS)
def test_half_precision_runs_close_to_single(begin, top):
    single, half = (losses(begin(top=top, steps=2, dtype=dtype)) for dtype in ("float32", "bfloat16"))
    assert half != single
    np.testing.assert_allclose(half, single, rtol=0.2)


# ---- negatives ------------------------------------------------------------------------------------------------------


@pytest.fixture
def spied(monkeypatch):
    """Record what every step gives to the loss."""
    calls = []

    def spy(queries, tails, known, scale, margin, extra=()):
        calls.append((queries, tails, known, scale.item(), margin, list(extra)))
        return info_nce(queries, tails, known, scale, margin, extra)

    monkeypatch.setattr(training, "info_nce", spy)
    return calls


FACTS = set(map(tuple, GRAPH.directed("train").tolist()))


def masked(triples, entities):
    return [[(h, r, e) in FACTS or e == t for e in entities] for h, r, t in triples.tolist()]


@pytest.mark.parametrize("chunk", [0, 5])
def test_what_the_loss_gets(begin, spied, chunk):
    run = begin(
        k=2,
        random=7,
        self_negative=True,
        pre_batch=2,
        steps=4,
        chunk=chunk,
        rate=0.0,
        drop_anchor=0,
        drop_set=0,
        dropout=0.0,
    )
    run.run()
    batches = [run.triples[run.rows(step)] for step in range(4)]
    vectors = run.model.entity_vectors()
    for step, (queries, tails, known, scale, margin, extra) in enumerate(spied):
        triples = batches[step]
        assert (queries.shape, tails.shape, margin) == ((16, 16), (16, 16), 0.02)
        assert scale == pytest.approx(20, rel=1e-4)
        np.testing.assert_array_equal(known, masked(triples, triples[:, 2]))
        kinds = ["random"] + ["earlier"] * (step > 0) + ["own"]
        assert len(extra) == len(kinds)
        parts = dict(zip(kinds, extra, strict=True))
        drawn = run.plan(step).drawn
        np.testing.assert_allclose(parts["random"].vectors.detach(), vectors[drawn], atol=1e-5)
        np.testing.assert_array_equal(parts["random"].known, masked(triples, drawn))
        assert parts["random"].factor == parts["own"].factor == 1
        np.testing.assert_allclose(parts["own"].vectors.detach()[:, 0], vectors[triples[:, 0]], atol=1e-5)
        own = [[(h, r, h) in FACTS or h == t] for h, r, t in triples.tolist()]
        np.testing.assert_array_equal(parts["own"].known, own)
        if step:
            before = np.concatenate([batches[s][:, 2] for s in range(step - 1, max(-1, step - 3), -1)])
            assert parts["earlier"].factor == 0.5
            assert not parts["earlier"].vectors.requires_grad
            assert parts["earlier"].vectors.shape == (len(before), 16)
            np.testing.assert_array_equal(parts["earlier"].known, masked(triples, before))


def test_random_negatives_serve_several_steps_and_then_have_no_gradient(begin, spied):
    run = begin(random=7, refresh=3, steps=7, batch=8)
    plans = [run.plan(step) for step in range(7)]
    run.run()
    assert [len(plan.drawn) for plan in plans] == [7, 0, 0, 7, 0, 0, 7]
    parts = [extra[0] for *_, extra in spied]
    assert [part.vectors.requires_grad for part in parts] == [True, False, False, True, False, False, True]
    assert torch.equal(parts[0].vectors, parts[1].vectors)
    assert torch.equal(parts[1].vectors, parts[2].vectors)
    assert not torch.equal(parts[2].vectors, parts[3].vectors)
    for step, part in enumerate(parts):
        drawn = plans[step // 3 * 3].drawn
        np.testing.assert_array_equal(part.known, masked(run.triples[run.rows(step)], drawn))


def test_random_negatives_may_go_without_gradient(begin, spied):
    one, two = begin(random=7, steps=3), begin(random=7, steps=3, random_gradient=False)
    found = losses(one), losses(two)
    assert found[0][0] == found[1][0]
    assert found[0][1:] != found[1][1:]
    assert [extra[0].vectors.requires_grad for *_, extra in spied] == [True] * 3 + [False] * 3


def test_more_random_negatives_than_entities(begin):
    run = begin(random=10_000, steps=2)
    assert sorted(run.plan(0).drawn) == list(range(GRAPH.size))
    assert np.isfinite(losses(run)).all()


def test_anchors_of_a_run_are_of_training_and_one_is_spare(begin):
    run = begin(k=3)
    assert run.model.anchors.nearest.shape == (GRAPH.size, 4)
    assert GRAPH.in_train[run.model.anchors.chosen].all()
    ids, _ = run.model._read(np.arange(GRAPH.size), "own")
    assert ids.shape == (GRAPH.size, 3)
    assert begin(k=0).model.anchors is None
    permuted, extra = (begin(k=3, **{kind: True}).model.anchors for kind in ("permuted", "extra"))
    assert sorted(map(tuple, permuted.nearest)) == sorted(map(tuple, run.model.anchors.nearest))
    assert (extra.nearest == np.arange(4)).all()


def test_vectors_without_anchors_are_those_of_nobody(begin):
    run = begin(k=3, steps=3)
    model = run.run()
    bare = model.entity_vectors(None)
    unseen = np.flatnonzero(model.anchors.nearest[:, 0] == NONE)
    np.testing.assert_allclose(bare[unseen], model.entity_vectors()[unseen], atol=1e-6)
    other = model.anchors.permuted(np.random.default_rng(0))
    assert np.abs(model.entity_vectors(other) - model.entity_vectors()).max() > 1e-4
    assert model.ranks(GRAPH.directed("test"), anchors=None).realistic.shape == (20,)


@pytest.mark.parametrize("top", TOPS)
def test_relation_types_stand_beside_anchors(begin, top):
    run = begin(top=top, k=2, relation_tokens=2, steps=3)
    assert run.model.anchors.count == 8 + GRAPH.directions
    assert np.isfinite(losses(run)).all()
    alone = begin(top=top, k=0, relation_tokens=2, text=False, steps=3)
    assert np.isfinite(losses(alone)).all()
    assert np.isfinite(alone.model.entity_vectors(None)).all()


# ---- resumed runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize(
    "changes", [{}, {"pre_batch": 2}, {"random": 7, "refresh": 4}, EVERYTHING, EVERYTHING | {"chunk": 5}]
)
def test_a_stopped_run_continues_as_if_nothing_had_been(begin, tmp_path, top, changes):
    whole = begin(top=top, **changes)
    expected = losses(whole)
    assert len(expected) == 6
    for stop in (2, 5):
        part = begin(tmp_path, top=top, **changes)
        assert losses(part, stop) == expected[:stop]
    last = begin(tmp_path, top=top, **changes)
    assert losses(last) == expected
    assert same_weights(last, whole)
    assert [e.get("MRR") for e in last.model.log] == [e.get("MRR") for e in whole.model.log]
    assert losses(begin(tmp_path, top=top, **changes)) == expected, "nothing is left to do"
    files = sorted(path.name.split(".")[0] for path in tmp_path.glob("*.safetensors"))
    assert set(files) == {"step-6"}


def test_checkpoints_come_every_so_many_steps(begin, tmp_path, monkeypatch):
    run, saved = begin(tmp_path, every=2), []
    monkeypatch.setattr(run, "_save", lambda: saved.append(run.step))
    run.run(5)
    assert saved == [2, 4, 5]


@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"rate": 1e-4}, {"k": 2}, {"steps": 7}, {"graph": small_graph(many=80)}]
)
def test_the_checkpoint_of_another_run_is_refused(begin, tmp_path, changes):
    begin(tmp_path).run(1)
    with pytest.raises(InputError) as caught:
        begin(tmp_path, **changes).run()
    text = str(caught.value)
    assert "checkpoint of another training" in text
    assert "Delete the folder" in text
    assert "\n" not in text


def test_texts_read_for_other_settings_are_refused(begin, bert):
    found = begin(top=1).found
    for changes in ({"top": 0}, {"top": 2}, {"top": 1, "layers": 2}, {"top": 1, "max_tokens": 9}):
        with pytest.raises(InputError, match="inputs: found texts read with"):
            Training(found, tiny(bert, **changes))


# ---- in parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_give_the_same_losses(begin, calm, top, chunk):
    changes = EVERYTHING | {"top": top, "dropout": 0.0, "plm": calm, "steps": 4}
    whole, parts = begin(**changes), begin(chunk=chunk, **changes)
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-5)


def test_chunks_over_a_frozen_model_draw_the_same_dropout(begin):
    changes = EVERYTHING | {"top": 0, "dropout": 0.3}
    np.testing.assert_allclose(losses(begin(chunk=5, **changes)), losses(begin(**changes)), rtol=1e-5)


class Kept(Parts):
    """Chunks whose graphs are all kept: what gradient caching must equal, dropout and all."""

    def vectors(self):
        self.lone = True
        return torch.cat([self.job(rows) for rows in self.slices])


@pytest.mark.parametrize("top", TOPS)
def test_chunks_repeat_their_dropout(begin, monkeypatch, top):
    changes = EVERYTHING | {"top": top, "chunk": 5, "dropout": 0.3}
    cached = losses(begin(**changes))
    monkeypatch.setattr(training, "Parts", Kept)
    np.testing.assert_allclose(cached, losses(begin(**changes)), rtol=1e-5)


def test_gradients_of_parts_are_those_of_the_whole():
    torch.manual_seed(0)
    layer, inputs = (
        torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)),
        torch.randn(10, 4),
    )
    grads = []
    for kind in (Parts, Kept):
        torch.manual_seed(7)
        part = kind(10, lambda rows: layer(inputs[rows]), 3, World())
        vectors = part.vectors()
        layer.zero_grad()
        (vectors @ vectors.T).logsumexp(1).sum().backward()
        after = torch.get_rng_state()
        part.backward()
        assert torch.equal(after, torch.get_rng_state()), "what is drawn next does not depend on the second pass"
        grads.append([p.grad.clone() for p in layer.parameters()])
        assert part.slices == [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 10)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50), st.integers(1, 8))
def test_shares_of_processes_cover_all_rows(count, size):
    world = World()
    world.size = size
    ends = world.share(count)
    assert (ends[0], ends[-1], len(ends)) == (0, count, size + 1)
    parts = [b - a for a, b in pairwise(ends)]
    assert max(parts) - min(parts) <= 1


# ---- stopping and failing -------------------------------------------------------------------------------------------


def test_a_run_stops_when_validation_no_longer_gains(begin, tmp_path):
    run = begin(tmp_path, evaluate_every=2, patience=2, steps=40, rate=0.0)
    log = run.run().log
    assert [entry["step"] for entry in log if "MRR" in entry] == [2, 4, 6]
    assert len(log) == 6
    assert len(begin(tmp_path, evaluate_every=2, patience=2, steps=40, rate=0.0).run().log) == 6, "and stays so"


def test_the_last_step_is_validated(begin):
    log = begin(evaluate_every=4).run().log
    assert [entry["step"] for entry in log if "MRR" in entry] == [4, 6]
    assert all(entry["seconds"] > 0 for entry in log if "MRR" in entry)


def test_validation_takes_both_directions_of_the_first_triples(begin, monkeypatch):
    run = begin()
    whole = run.validation()
    ranks = run.model.ranks(GRAPH.directed("valid")).realistic
    assert whole["MRR"] == pytest.approx((1 / ranks).mean())
    monkeypatch.setattr(training, "WATCHED", 4)
    few = ranks.reshape(2, -1)[:, :4].ravel()
    assert run.validation()["MRR"] == pytest.approx((1 / few).mean())


def test_nothing_to_validate_on(begin):
    empty = replace(GRAPH, splits=GRAPH.splits | {"valid": np.zeros((0, 3), np.int64)})
    with pytest.raises(InputError, match="valid"):
        begin(graph=empty, evaluate_every=2).run()
    assert len(begin(graph=empty).run().log) == 6


def test_a_loss_that_is_no_number_is_one_clear_line(begin, tmp_path):
    run = begin(tmp_path, every=1)
    run.run(2)
    with torch.no_grad():
        run.encoder.query.out.weight.fill_(torch.nan)
    with pytest.raises(AnchorsError) as caught:
        run._safe_update()
    text = str(caught.value)
    assert "step 2: the loss is nan; lower rate" in text
    assert "\n" not in text
    assert losses(begin(tmp_path)) == losses(begin()), "what was saved is whole"


@pytest.mark.parametrize(
    ("error", "chunk", "hint"),
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes\nand so on"),
            0,
            "chunk=8",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), 6, "chunk=3"),
        (MemoryError(), 1, "chunk=1"),
    ],
)
def test_too_little_memory_is_one_clear_line_with_a_hint(begin, tmp_path, monkeypatch, error, chunk, hint):
    begin(tmp_path, chunk=chunk).run(2)
    run = begin(tmp_path, chunk=chunk)

    def fail(plan):
        raise error

    monkeypatch.setattr(run, "update", fail)
    with pytest.raises(AnchorsError) as caught:
        run.run()
    text = str(caught.value)
    assert f"step 2: the memory does not suffice; say {hint}" in text
    assert "\n" not in text
    assert begin(tmp_path, chunk=chunk).run(2).log[-1]["step"] == 2


def test_other_errors_are_not_taken_for_lack_of_memory(begin, monkeypatch):
    run = begin()

    def fail(plan):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(run, "update", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run.run()


# ---- texts that are kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", TOPS)
def test_texts_are_read_once_and_kept_on_disk(bert, tmp_path, monkeypatch, top):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    run, fresh = tiny(bert, top=top), training.inputs(GRAPH, tiny(bert, top=top))
    kept = []
    for _ in range(2):
        store._recent.clear()
        kept.append(store.read(GRAPH, run))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    for found in kept:
        for side in ("entities", "relations"):
            for name, value in vars(getattr(fresh, side)).items():
                other = getattr(getattr(found, side), name)
                assert (value is None and other is None) or torch.equal(value, other)
    assert losses(Training(kept[1], run)) == losses(Training(fresh, run))
    store.read(GRAPH, replace(run, max_tokens=8))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4, "another length is another file"
    other = store.read(replace(GRAPH, name="other"), run)
    assert other.graph.name == "other"
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4, "the texts are the same"
    store._recent.clear()
