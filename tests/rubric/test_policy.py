"""The policy: shared sampling, packed log-probabilities, adapters that leave the base alone."""

import numpy as np
import pytest
import torch
from rubric.rl_case import PROMPTS, WORDS, rollouts, tiny

from anchors.companion.errors import InputError
from anchors.models.decoding import SHARING
from anchors.models.sampling import continuations
from anchors.rubric import grove
from anchors.rubric.packing import pack
from anchors.rubric.policy import Policy

KINDS = ("Llama", "Qwen3", "GPT2", "Mistral", "Olmo")  # the last one is not known to share


@pytest.fixture(scope="module")
def model():
    return tiny()


def moved(policy, size=0.3):
    """Give the adapters random weights, as training would."""
    generator = torch.Generator().manual_seed(1)
    for parameter in policy.parameters:
        parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return policy


def plain(network, prompt, response):
    """Log-probabilities and entropies of one rollout by one ordinary forward pass."""
    logits = network(torch.tensor([prompt + response])).logits[0].float().log_softmax(-1)[len(prompt) - 1 : -1]
    entropy = -(logits.exp() * logits).sum(-1)
    return logits[torch.arange(len(response)), response], entropy


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_sampled_together_give_what_each_gives_alone(kind):
    model = tiny(kind)
    assert (model.network.config.model_type in SHARING) == (kind != "Olmo")
    prompts = [prompt for prompt in PROMPTS for _ in range(3)]
    seeds = list(range(len(prompts)))
    ids = [model.encode(prompt) for prompt in prompts]
    for batch in (256, 5):
        found = grove.sample(model, ids, seeds, 10, temperature=0.9, top_p=0.95, batch=batch)
        for prompt, seed, one in zip(prompts, seeds, found, strict=True):
            [alone] = continuations(model, prompt, [seed], 10, temperature=0.9, top_p=0.95)
            assert one.token_ids == alone.token_ids
            assert (one.text, one.finished, one.seed) == (alone.text, alone.finished, seed)
            assert one.logprob == pytest.approx(alone.logprob, abs=1e-4)
    assert len({len(one.token_ids) for one in found}) > 2, "rows end at different times"


def test_a_prompt_near_the_end_of_the_context_gets_what_room_there_is():
    model = tiny(max_position_embeddings=12)
    long, short = model.encode("a " * 10), model.encode("a")
    found = grove.sample(model, [long, short], [0, 1], 8)
    assert len(found[0].token_ids) <= 2
    for prompt in ([], [3] * 12):
        with pytest.raises(InputError, match="prompt: found"):
            grove.sample(model, [prompt], [0], 8)


def test_the_gaps_of_rows_that_ended_are_filled_from_the_end():
    assert grove.closed([False, True, False, True, False]) == [0, 4, 2]
    assert grove.closed([True, True]) == []
    assert grove.closed([False]) == [0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens", [12, 40, 4096])
def test_packed_log_probabilities_are_those_of_plain_passes(kind, tokens):
    policy = Policy(tiny(kind), rank=0)
    prompts, responses = rollouts(policy.base, count=16)
    seen = np.zeros((16, 7), int)
    for part in policy.parts(prompts, responses, tokens):
        logp, entropy = policy.score(part)
        for n in set(part.rollout.tolist()):
            own = part.rollout == n
            expected = plain(policy.network, prompts[n], responses[n])
            assert torch.allclose(logp[own], expected[0], atol=2e-5)
            assert torch.allclose(entropy[own], expected[1], atol=2e-5)
        seen[part.rollout, part.place] += 1
    assert (seen == (np.arange(7) < np.array([[len(r)] for r in responses]))).all(), "every token once"


def test_a_prompt_is_read_once_for_all_its_responses(model):
    prompts, responses = rollouts(model, count=8)
    [together] = pack(prompts, responses)
    assert len(together.ids) == 2
    [apart] = pack(prompts, responses, share=False)
    assert len(apart.ids) == 8
    assert all(part.ids.numel() <= 24 or len(part.ids) == 1 for part in pack(prompts, responses, tokens=24))


def test_eager_attention_reads_the_same_mask(model):
    policy = Policy(tiny(), rank=0)
    prompts, responses = rollouts(model)
    expected = policy.table(prompts, responses, 64)
    policy.network.set_attn_implementation("eager")
    assert torch.allclose(policy.table(prompts, responses, 64), expected, atol=1e-5)


def test_a_sliding_window_shorter_than_a_rollout_is_not_shared():
    policy = Policy(tiny("Mistral", sliding_window=4), rank=0)
    prompts, responses = rollouts(policy.base)
    found = policy.table(prompts, responses, 4096)
    for n, response in enumerate(responses):
        expected = plain(policy.network, prompts[n], response)[0]
        assert torch.allclose(found[n, : len(response)], expected, atol=2e-5)


def test_temperature_divides_the_logits(model):
    policy = Policy(model, rank=0)
    prompts, responses = rollouts(model, count=1)
    logits = policy.network(torch.tensor([prompts[0] + responses[0]])).logits[0] / 0.7
    expected = logits.log_softmax(-1)[len(prompts[0]) - 1]
    assert policy.table(prompts, responses, 64, temperature=0.7)[0, 0].item() == pytest.approx(
        expected[responses[0][0]].item(), abs=1e-5
    )


@pytest.mark.parametrize("kind", ["Llama", "GPT2"])
def test_adapters_change_the_policy_and_never_the_base(kind):
    model = tiny(kind)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.network.parameters()]
    policy = Policy(model, rank=4)
    prompts, responses = rollouts(model)
    fresh = policy.table(prompts, responses, 64)
    frozen = Policy(model, rank=0).table(prompts, responses, 64)
    assert torch.allclose(fresh, frozen, atol=1e-6), "new adapters change nothing"
    moved(policy)
    assert not torch.allclose(policy.table(prompts, responses, 64), frozen, atol=1e-2)
    assert torch.equal(policy.table(prompts, responses, 64, base=True), frozen), "adapters off is the base, to the bit"
    policy.sample(PROMPTS, range(4), 5)
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert [parameter.requires_grad for parameter in model.network.parameters()] == flags


@pytest.mark.parametrize("kind", ["Llama", "GPT2"])
def test_the_writer_is_the_merged_policy(kind):
    policy = moved(Policy(tiny(kind), rank=4))
    found = policy.sample(PROMPTS, range(4), 8)
    for prompt, one in zip(PROMPTS, found, strict=True):
        expected = plain(policy.network, policy.encode(prompt), list(one.token_ids))[0].sum().item()
        assert one.logprob == pytest.approx(expected, abs=1e-3)
    shared = {p.data_ptr() for p in policy.base.network.parameters()}
    own = [p for p in policy.writer.network.parameters() if p.data_ptr() not in shared]
    assert len(own) == len(policy.pairs) > 0, "only adapted weights are held twice"


def test_a_full_policy_trains_a_copy(model):
    policy = Policy(model, rank=0)
    assert len(policy.parameters) == len(list(model.network.parameters()))
    moved(policy)
    prompts, responses = rollouts(model)
    frozen = policy.table(prompts, responses, 64, base=True)
    assert torch.equal(frozen, Policy(model, rank=0).table(prompts, responses, 64))
    assert policy.writer.network is policy.network


def test_fingerprints_follow_weights_and_settings(model):
    one = Policy(model, rank=2, seed=0)
    assert one.fingerprint() == Policy(model, rank=2, seed=0).fingerprint()
    others = [Policy(model, rank=2, seed=1), Policy(model, rank=2, alpha=8), Policy(model, rank=0), moved(one)]
    assert len({other.fingerprint() for other in others}) == 4


def test_a_saved_policy_is_read_by_its_library(model, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    prompts, responses = rollouts(model)
    policy = moved(Policy(model, rank=2))
    policy.save(tmp_path / "adapter")
    again = PeftModel.from_pretrained(tiny().network, tmp_path / "adapter").eval()
    expected = policy.table(prompts, responses, 64)[0, : len(responses[0])]
    assert torch.allclose(plain(again, prompts[0], responses[0])[0], expected, atol=1e-5)
    Policy(model, rank=0).save(tmp_path / "whole")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "whole", use_safetensors=True)


def test_chat_puts_prompts_into_the_template():
    model = tiny()
    with pytest.raises(InputError, match="no chat template"):
        Policy(model, chat=True)
    template = "{% for m in messages %}tell {{ m.content }}{% endfor %}{% if add_generation_prompt %} !{% endif %}"
    model.tokenizer.chat_template = template
    words = [WORDS[i] for i in Policy(model, rank=0, chat=True).encode("a b")]
    assert words == ["tell", "a", "b", "!"]


def test_bad_settings_and_prompts_are_refused(model):
    with pytest.raises(InputError, match="rank, alpha"):
        Policy(model, rank=-1)
    policy = Policy(model, rank=0)
    for prompt in ("", "a " * 64):
        with pytest.raises(InputError, match="prompt: found"):
            policy.encode(prompt)
