"""Categories: the labeller by rules and the one by a language model."""

import json

import pytest

from anchors.companion.errors import InputError
from anchors.thought.taxonomy import CATEGORIES, INITIALS, NAMES, label_by_rules, label_with_llm, parse, request

SENTENCES = [
    "Okay, so I have this problem about pages.",
    "Let me count the digits first.",
    "I remember that each hexadecimal digit is four bits.",
    "So 6 * 65536 = 393216 in all.",
    "Wait, that does not look plausible.",
    "So that's 19 bits in total.",
    "Correct, it matches the earlier value.",
    "**Final Answer**\nIt is \\boxed{19}.",
]
EXPECTED = ["PS", "PG", "FR", "AC", "UM", "RC", "SC", "FAE"]


class Client:
    """A model that gives the prepared replies in order and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def chat(self, messages, **settings):
        self.asked.append((messages, settings))
        return self.replies.pop(0)


def reply(labels):
    return json.dumps({"labels": {str(k): label for k, label in enumerate(labels)}})


def test_names():
    assert len(CATEGORIES) == len(set(INITIALS.values())) == len(NAMES) == 8
    assert NAMES["fact_retrieval"] == "Fact retrieval"


def test_rules_know_the_plain_cases():
    assert [INITIALS[label] for label in label_by_rules(SENTENCES)] == EXPECTED


def test_rules_always_give_a_category():
    assert set(label_by_rules(["", "é", "\n", "1 + 1 = 2"])) <= set(CATEGORIES)
    assert label_by_rules([]) == []
    assert label_by_rules(["Some words about pages."], position=False) == ["fact_retrieval"]


def test_llm_labels_in_one_call():
    labels = [CATEGORIES[k] for k in range(8)]
    client = Client("Here you are:\n```json\n" + reply(labels) + "\n```")
    assert label_with_llm("How many bits?", SENTENCES, client) == labels
    [(messages, settings)] = client.asked
    assert settings["temperature"] == 0.0
    assert "How many bits?" in messages[1]["content"]
    assert "[7] **Final" in messages[1]["content"]
    assert all(category in messages[0]["content"] for category in CATEGORIES)


def test_llm_garbage_is_asked_again_once():
    labels = ["plan_generation"] * 8
    client = Client("I would rather not.", reply(labels))
    assert label_with_llm("p", SENTENCES, client) == labels
    assert len(client.asked) == 2
    assert "refused" in client.asked[1][0][-1]["content"]


def test_llm_garbage_twice_is_an_error_of_one_line():
    client = Client("no", "{}")
    with pytest.raises(InputError, match="two attempts") as caught:
        label_with_llm("p", SENTENCES, client)
    assert "\n" not in str(caught.value)
    assert client.replies == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "found '\\[1, 2'"),
        ('{"labels": {"0": "plan_generation"}}', "no label '1'"),
        ('{"labels": ["plan_generation"]}', "1 labels"),
        ('{"labels": ["plan_generation", "dreaming"]}', "'dreaming'"),
        ('{"labels": 3}', "labels"),
        ('{"labels": {"0": "plan_generation", "1": null}}', "None"),
        ('{"labels": [["a"], {}]}', "the category \\['a'\\]"),
        ('{"labels": ' + "[" * 100_000 + "]" * 100_000 + "}", 'found \'{"labels": '),
        ('{"labels": ' + "9" * 5000 + "}", 'found \'{"labels": '),
        ("}" * 1_000_000 + "{" * 1_000_000, "found '}}}"),
    ],
)
def test_bad_replies(text, message):
    with pytest.raises(InputError, match=message):
        parse(text, 2)


def test_request_has_two_messages():
    assert [message["role"] for message in request("p", ["a"])] == ["system", "user"]


def test_short_names_are_evenly_spaced_and_few():
    from anchors.thought.taxonomy import short_names

    trace = ["problem_setup", "plan_generation", "active_computation", "self_checking", "final_answer_emission"]
    assert short_names(trace, 9) == (range(0, 5, 1), ["PS 0", "PG 1", "AC 2", "SC 3", "FAE 4"])
    assert short_names(trace, 3) == (range(0, 5, 2), ["PS 0", "AC 2", "FAE 4"])
    assert short_names([], 3) == (range(0, 0, 1), [])
