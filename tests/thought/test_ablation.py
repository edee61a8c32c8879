"""Head ablation against weights set to zero by hand, for every architecture."""

import numpy as np
import pytest
import torch
from thought.architectures import ARCHITECTURES, TEXT, tiny

from anchors.companion.errors import InputError
from anchors.models.sampling import continuations
from anchors.thought import ablation


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    return tiny(request.param)


def logits(model):
    with torch.inference_mode():
        return model.network(torch.tensor([model.encode(TEXT)])).logits[0]


def test_ablation_equals_zero_columns_of_the_projection(model):
    """A head whose columns of the output projection are zero adds nothing: the same as a zero output."""
    before = logits(model)
    with ablation.ablated(model.network, [(1, 2), (2, 0), (1, 3)]):
        found = logits(model)
    assert torch.equal(logits(model), before), "the hooks are gone"
    saved = {}
    for layer, head in [(1, 2), (2, 0), (1, 3)]:
        projection = ablation.output_projections(model.network)[layer]
        saved.setdefault(layer, projection.weight.data.clone())
        columns = slice(head * 8, head * 8 + 8)
        inputs = projection.weight.data if hasattr(projection, "in_features") else projection.weight.data.T
        inputs[:, columns] = 0
    slow = logits(model)
    for layer, weight in saved.items():
        ablation.output_projections(model.network)[layer].weight.data = weight
    assert torch.allclose(found, slow, atol=1e-5)
    assert (found - before).abs().max() > 1e-3


def test_the_official_hook_does_something_else(model):
    """Zeroing slices of what comes after the projection (sec. 5.1) is not ablating a head."""
    projection = ablation.output_projections(model.network)[1]

    def official(_module, _inputs, output):
        changed = output.clone()
        changed.view(*changed.shape[:-1], 4, 8)[..., 2, :] = 0
        return changed

    with ablation.ablated(model.network, [(1, 2)]):
        right = logits(model)
    hook = projection.register_forward_hook(official)
    wrong = logits(model)
    hook.remove()
    assert (right - wrong).abs().max() > 1e-3


def test_sampling_sees_the_ablation(model):
    heads = [(layer, head) for layer in range(3) for head in range(4)]
    free = [c.token_ids for c in continuations(model, TEXT, range(8), 8, 1.0, 1.0)]
    with ablation.ablated(model.network, heads):
        cut = [c.token_ids for c in continuations(model, TEXT, range(8), 8, 1.0, 1.0)]
    assert free != cut
    assert free == [c.token_ids for c in continuations(model, TEXT, range(8), 8, 1.0, 1.0)]


def test_a_head_that_is_not_there(model):
    with pytest.raises(InputError, match="3 layers of 4 heads"), ablation.ablated(model.network, [(3, 0)]):
        pass
    assert ablation.head_width(model.network, ablation.output_projections(model.network)[0]) == 8


def test_another_architecture_is_refused():
    network = torch.nn.Linear(2, 2)
    network.config = type("Config", (), {"num_hidden_layers": 2, "num_attention_heads": 2})
    with pytest.raises(InputError, match="in each of 2 layers"):
        ablation.output_projections(network)
    assert np.isfinite(network(torch.zeros(2)).detach().numpy()).all()
