"""The road past one machine: reward functions in TRL's own trainer, and the launch of the paper profile."""

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import warnings

import numpy as np
import pytest
import yaml
from rubric.rl_case import PROMPTS, tiny
from rubric.test_reward import CALM, LOWER, NO_COMMA, Judge, rubric
from rubric.trl_case import trainer

from anchors.companion.errors import InputError
from anchors.rubric import trl
from anchors.rubric.aggregate import Aggregator, Saturation, Veto
from anchors.rubric.rubric import Criterion, Rubric
from anchors.rubric.rubric import read as read_rubric

GOOD = Criterion(id="good", description="says good", check="contains", options={"words": ["good"]})
SHORT = Criterion(
    id="short", description="few words", kind="statistic", check="words", options={"low": 8, "high": 1}, snap=False
)


def test_the_first_function_is_the_reward_and_the_others_only_watch():
    both = rubric(NO_COMMA, LOWER)
    found = trl.to_trl(both, Aggregator(both, (Veto(),)), per_criterion=True)
    assert [f.__name__ for f in found.functions] == ["rubric", "no_comma", "lower"]
    assert found.weights == [1, 0, 0]
    logged = {}
    how = {
        "prompts": ["p"] * 3,
        "completions": ["a", "a, b", "A"],
        "completion_ids": [[1]] * 3,
        "other_column": [0] * 3,
    }
    values = [f(**how, log_metric=logged.__setitem__) for f in found.functions]
    assert values == [[1, 0.5, 0], [1, 0, 1], [1, 1, 0]]
    assert logged == {"rubric/frac_unjudged": 0, "rubric/frac_vetoed": 1 / 3}
    assert [f.__name__ for f in trl.reward_funcs(both)] == ["rubric"]


def test_a_response_without_judgement_is_none_for_every_function():
    """TRL adds up what is no NaN: a monitor's number beside a missing reward would count as the reward 0."""
    functions = trl.reward_funcs(rubric(NO_COMMA, CALM), judge=Judge(), per_criterion=True)
    values = [f(prompts=["p", "p"], completions=["a", "silent"]) for f in functions]
    assert values == [[0.625, None], [1, None], [0.5, None]]


def test_criteria_are_scored_once_per_batch():
    calls = []

    class Counted(Judge):
        def judge(self, criterion, prompts, responses):
            calls.append(len(responses))
            return super().judge(criterion, prompts, responses)

    functions = trl.reward_funcs(rubric(NO_COMMA, CALM), judge=Counted(), per_criterion=True)
    for completions in (["a", "b"], ["a", "c"]):
        for f in functions:
            f(prompts=["p", "p"], completions=completions)
    assert calls == [2, 2]


def test_one_function_per_criterion_for_gdpo():
    found = trl.to_trl_separate(rubric(NO_COMMA, CALM), judge=Judge())
    assert found.weights == [1, 3]
    values = [f(prompts=["p", "p"], completions=["a,", "silent"]) for f in found.functions]
    assert values == [[0, 1], [0.5, None]]


def test_messages_are_read_by_their_last_text():
    assert trl.text_of("a") == "a"
    assert trl.text_of([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]) == "u"
    assert (
        trl.text_of([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])
        == "ab"
    )
    assert trl.text_of([{"role": "assistant", "content": None}]) == trl.text_of([]) == ""
    [reward] = trl.reward_funcs(rubric(LOWER))
    ask = [[{"role": "user", "content": "Q"}]]
    assert reward(prompts=ask, completions=[[{"role": "assistant", "content": "a"}]]) == [1]


def test_any_reward_may_be_used_and_must_say_its_names_to_be_watched():
    from anchors.rubric.reward import Rewarded

    def length(prompts, responses):
        return Rewarded(np.array([len(response) for response in responses]))

    [function] = trl.reward_funcs(length)
    assert function(prompts=["p"], completions=["abc"]) == [3]
    with pytest.raises(InputError, match="per_criterion"):
        trl.to_trl(length, per_criterion=True)


def test_two_steps_of_trl(tmp_path):
    model = tiny()
    found = trl.to_trl(rubric(GOOD, SHORT), per_criterion=True)
    before = [p.clone() for p in model.network.parameters()]
    run = trainer(model, tmp_path, found.functions, PROMPTS, reward_weights=found.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.train()
    steps = [entry for entry in run.state.log_history if "reward" in entry]
    assert len(steps) == 2
    for entry in steps:
        assert entry["reward"] == pytest.approx(entry["rewards/rubric/mean"], abs=1e-5)
        expected = (entry["rewards/good/mean"] + entry["rewards/short/mean"]) / 2
        assert entry["reward"] == pytest.approx(expected, abs=1e-5)
        assert entry["rubric/frac_unjudged"] == 0
    assert any((a != b).any() for a, b in zip(before, model.network.parameters(), strict=True))


def plain():
    return Rubric(id="plain", title="Plain", criteria=(GOOD, SHORT))


def test_the_paper_profile_writes_what_is_known_and_marks_what_is_not(tmp_path):
    made = trl.launch(tmp_path, plain(), ["Is there true love in this world?"], learning_rate=1e-6)
    assert (
        " ".join(made.command)
        == "accelerate launch --config_file accelerate.yaml -m trl.scripts.grpo --config grpo.yaml"
    )
    assert shlex.join(made.command) in (tmp_path / "launch.sh").read_text()
    text = (tmp_path / "grpo.yaml").read_text()
    settings = yaml.safe_load(text)
    assert settings["model_name_or_path"] == "Qwen/Qwen3-30B-A3B"
    assert settings["learning_rate"] == 1e-6
    assert settings["use_vllm"] is True
    assert "inclusionAI/Rubicon-Preview" in text
    assert text.index("# published") < text.index("model_name_or_path") < text.index("# chosen here, not published")
    assert not set(made.unknown) & set(settings), "no number is invented"
    for name in ("num_generations", "beta", "max_completion_length", "per_device_train_batch_size"):
        assert f"# {name}: unknown" in text
    assert "# learning_rate" not in text
    record = json.loads((tmp_path / "launch.json").read_text())
    assert record["known"] == {"model_name_or_path": "Qwen/Qwen3-30B-A3B"}
    assert "learning_rate" in record["chosen"]
    assert yaml.safe_load((tmp_path / "accelerate.yaml").read_text())["deepspeed_config"]["zero_stage"] == 3
    assert read_rubric(tmp_path / "rubric.yml").hash == plain().hash
    [row] = [json.loads(line) for line in (tmp_path / "prompts" / "train.jsonl").read_text().splitlines()]
    assert row == {"prompt": [{"role": "user", "content": "Is there true love in this world?"}]}


def test_every_name_in_the_configuration_is_trls(tmp_path):
    """TRL's own parser reads the file; unknown hyper-parameters keep its defaults."""
    from trl import GRPOConfig, ModelConfig

    made = trl.launch(tmp_path, plain(), ["p"], vllm_tensor_parallel_size=4)
    names = set(GRPOConfig.__dataclass_fields__) | set(ModelConfig.__dataclass_fields__)
    names |= {"reward_funcs", "dataset_name"}
    settings = yaml.safe_load((tmp_path / "grpo.yaml").read_text())
    assert set(settings) <= names
    assert set(trl.UNKNOWN) <= names
    assert "vllm_tensor_parallel_size" not in made.unknown


def test_a_launch_without_prompts_is_refused(tmp_path):
    for prompts, processes in (([], 1), (["p"], 0)):
        with pytest.raises(InputError, match="prompts, processes"):
            trl.launch(tmp_path, plain(), prompts, processes=processes)


def loaded(folder):
    """Return the module of reward functions that a launch wrote."""
    spec = importlib.util.spec_from_file_location("launched_rewards", folder / "rewards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_launched_keeps_the_aggregation_the_veto_and_the_judge(tmp_path):
    praise = Criterion(
        id="no_praise", description="praises", kind="lexicon", check="prefatory_praise", avoid=True, critical=True
    )
    rubric = Rubric(id="r", criteria=(*plain().criteria, praise))
    trl.launch(tmp_path / "veto", rubric, ["p"])
    text = [{"role": "assistant", "content": "Great question! good"}]
    asked = [[{"role": "user", "content": "p"}]]
    assert loaded(tmp_path / "veto").reward(prompts=asked, completions=[text]) == [0.0]
    trl.launch(tmp_path / "shaped", rubric, ["p"], steps=(Saturation(2.0), Veto(-1.0)))
    module = loaded(tmp_path / "shaped")
    assert module.reward(prompts=asked, completions=[text]) == [-1.0]
    judged = Rubric(id="j", criteria=(Criterion(id="kind", description="is kind", kind="llm_judge"),))
    with pytest.raises(InputError, match="judge"):
        trl.launch(tmp_path / "judge", judged, ["p"])
    trl.launch(tmp_path / "judge", judged, ["p"], judge=("http://localhost:1", "m"))
    assert callable(loaded(tmp_path / "judge").reward)


@pytest.mark.slow
def test_what_is_launched_trains_here_on_a_tiny_model(tmp_path):
    """The written command itself, on one CPU process, without vLLM: two steps of TRL's script."""
    model = tiny()
    model.tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    for part in (model.network, model.tokenizer):
        part.save_pretrained(tmp_path / "model")
    made = trl.launch(
        tmp_path, plain(), PROMPTS, model=str(tmp_path / "model"), processes=1, vllm=False, use_cpu=True, bf16=False,
        gradient_checkpointing=False, max_steps=2, num_generations=4, per_device_train_batch_size=8,
        max_completion_length=6, report_to="none", save_strategy="no", logging_steps=1, log_completions=False,
    )  # fmt: skip
    assert made.known == {}, "another model is not the published one"
    environment = os.environ | {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", *made.command[2:]]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.count("rewards/good/mean") == 2
    assert (tmp_path / "trained" / "model.safetensors").is_file()
