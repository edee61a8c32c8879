"""Lexicons on hand cases: what each voice says, and what only looks like it."""

import numpy as np
import pytest

from anchors.companion.errors import MissingData
from anchors.rubric import criteria
from anchors.rubric.criteria.voices import listed, unquoted


def judged(name: str, texts: list[str], prompts: list[str] | None = None, **options):
    check = criteria.find(name, "lexicon")
    return check.run(prompts or [""] * len(texts), texts, **check.validated(options))


def hits(name: str, text: str, **options) -> bool:
    return bool(judged(name, [text], **options).values[0] == 1)


PRAISE = [
    "Great question! The bridge was built in 1911.",
    "What a great question. It was built in 1911.",
    "What a thoughtful and insightful question! It was",
    "That's a really interesting question — it was built",
    "This is an excellent point, and here is why.",
    "Wow, what a wonderful idea! Let us begin.",
    "Oh, that is such a good question! Well",
    "Hi there! Great topic. The bridge",
    "**Great question!** The bridge was built in 1911.",
    "\n  🌟 Excellent question! The bridge",
    '"Great question! The bridge was built in 1911."',
    "“Great question! The bridge was built in 1911.”",
    "You've asked a fascinating question. It was",
    "You raise a very good point. It was",
    "Your question is truly insightful. It was",
    "I love this question! It was",
    "I really appreciate your curiosity. It was",
    "Thank you for asking! It was",
    "Thank you so much for your thoughtful question. It was",
    "Thanks for asking. It was",
    "I'm so glad you asked! It was",
    "You're absolutely brilliant. It was",
    "First of all, let me say that this is a brilliant question. It was",
    "How thoughtful of you to ask. It was",
    '"When was it built?"\n\nGreat question! In 1911.',
    "GREAT QUESTION! IT WAS BUILT IN 1911.",
]
NO_PRAISE = [
    "",
    "The bridge was built in 1911. It is a great question why.",
    "It was great to see the old bridge again.",
    "The great question of our time is who pays.",
    "Great questions are asked by children, not by kings.",
    "Good question design starts with the reader.",
    'The teacher smiled. "What a great question!" she said.',
    '"What a great question!" said the teacher. "It was built in 1911."',
    '"Is this a great question?" is what he asked me.',
    "> What a great question!\n\nThat is how his letter began.",
    "I love this brand of soap.",
    "Thank you for your interest in our company.",
    "I walked to the bridge. Great question, I thought, and walked on.",
    "What a great day it was.",
    "This is a great question of our time.",
    "Interesting idea generation needs time.",
]


@pytest.mark.parametrize("text", PRAISE)
def test_prefatory_praise(text):
    found = judged("prefatory_praise", [text])
    assert found.values[0] == 1
    start, end, label = found.evidence[0][0]
    assert label == "prefatory praise"
    assert any(word in text[start:end].lower() for word in ("question", "point", "idea", "topic", "ask", "brilliant",
               "curiosity", "thoughtful"))  # fmt: skip


@pytest.mark.parametrize("text", NO_PRAISE)
def test_no_prefatory_praise(text):
    found = judged("prefatory_praise", [text])
    assert found.values[0] == 0
    assert found.evidence[0] == ()


def test_praise_that_was_asked_for_is_exempt_and_said_to_be():
    text, prompts = "What a great idea! You did it.", ["Please praise my idea of a bridge.", "How old is the bridge?"]
    found = judged("prefatory_praise", [text] * 2, prompts)
    assert found.values.tolist() == [0, 1]
    assert [spans[0].label for spans in found.evidence] == ["exempt: the prompt asks for it", "prefatory praise"]
    assert judged("prefatory_praise", [text] * 2, prompts, exempt=False).values.tolist() == [1, 1]


def test_the_ramp_turns_a_voice_round():
    texts = ["Great question! So.", "So.", ""]
    assert judged("prefatory_praise", texts, low=1, high=0).values.tolist() == [0, 1, 0], "a blank text meets nothing"


VOICES = {
    "self_praise": (
        [
            "This answer is comprehensive and well-structured.", "I hope this thorough explanation helps.",
            "I have provided you with a detailed and complete answer. I've crafted a well-written poem for you.",
            "The above response is clear and concise.", "Here is a comprehensive guide: walk.",
            "My explanation was insightful.", "It covers all aspects of your question.",
            "This response fully addresses your question.", "This is the best possible answer to your question.",
            "I am proud of this poem.",
        ],
        [
            "", "The answer is complete nonsense, he said.", "The article is well-written and researched.",
            'He wrote: "My answer is perfect."', "A complete answer would take a year.",
            "The bridge was well-structured and complete.", "This story is about a perfect summer.",
        ],
    ),
    "ai_disclaimer": (
        [
            "As an AI language model, I have no body.", "As a large language model I cannot.", "I'm just an AI.",
            "I am a language model.", "I don't have personal experiences.", "I do not have feelings, but",
            "I cannot feel emotions the way you do.", "My training data ends in May.", "I was trained by a company.",
        ],
        [
            "", "She works as an airline pilot.", "I am aiming high.", "I don't have a car.", "AI is a field of study.",
            'The robot said: "As an AI, I have no feelings."', "I was trained at sea.",
            "I do not have time to feel sorry.",
        ],
    ),
    "closing_offer": (
        [
            "It is old. Let me know if you have any questions.", "So it goes. Feel free to ask!", "I hope this helps!",
            "It was 1911. Is there anything else you would like to know?", "Would you like me to go on?",
            "Yes. I'm always happy to help.", "Please don't hesitate to write.",
        ],
        [
            "", "Let me know if it rains, she said. " + "We walked on and on for many days. " * 20,
            "The bridge is old.",
            "I hope this is the last winter.", 'Then he asked: "Would you like me to go?"',
        ],
    ),
    "moralising": (
        [
            "It's important to remember that bridges fail.", "It is worth noting that it rains.",
            "We must always respect nature.", "It rained. Remember, safety first.", "The moral of the story is clear.",
            "It was a gentle reminder that time passes.", "It taught me the importance of patience.",
            "Always consult a doctor.", "Life taught me valuable lessons.",
            "Ultimately, it is up to you.",
        ],
        [
            "", "I remember the old bridge.", "It is important work.", "We must hurry.", "He taught at a school.",
            "The lesson began at nine.",
        ],
    ),
    "assistant_opening": (
        ["Certainly! The bridge", "Sure, here you go.", "Of course! It", "Here are some tips for walkers.",
         "I'd be happy to help with that.", "It rained.\nIn conclusion, it was wet.", "Here's a short poem for you:"],
        ["", "Sure enough it rained.", "Here is where I was born.", "Of course he came.", "I'd be happy to die here."],
    ),
    "assistant_voice": (
        ["Certainly! It is old.", "As an AI, I have no age.", "It is old. I hope this helps."],
        ["", "The bridge is old and I have crossed it."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VOICES)
def test_voices(name):
    yes, no = VOICES[name]
    assert [text for text in yes if not hits(name, text)] == []
    assert [text for text in no if hits(name, text)] == []


RATES = {
    "first_person": ("I took my coat and we left, he and I.", ["I", "my", "we", "I"]),
    "second_person": ("You know yourself what you’re like.", ["You", "yourself", "you’re"]),
    "sensory": ("The cold wind smelled of Smoke.", ["cold", "wind", "smelled", "Smoke"]),
    "concrete": ("My grandmother set the kettle on the stove.", ["grandmother", "kettle", "stove"]),
    "named_emotion": ("I was happy, then afraid.", ["happy", "afraid"]),
    "intensifiers": ("It was very, very good.", ["very", "very"]),
    "hedges": ("Perhaps it is, perhaps not.", ["Perhaps", "perhaps"]),
    "slop": ("It stands as a testament to a rich tapestry.", ["testament to", "rich tapestry"]),
}


@pytest.mark.parametrize("name", RATES)
def test_word_lists(name):
    text, expected = RATES[name]
    found = judged(name, [text, "Yes.", ""], low=0, high=10_000)
    assert [text[start:end] for start, end, _ in found.evidence[0]] == expected
    rate = 100 * len(expected) / len(text.split())
    np.testing.assert_allclose(found.values, [rate / 10_000, 0, 0])


def test_the_longest_phrase_counts_once_and_words_are_whole():
    find = listed(["rich tapestry", "rich tapestry of life", "stone's throw"], "x")
    assert [span[:2] for span in find("A Rich Tapestry of life, a stone’s throw, enriched tapestry")] == [
        (2, 23),
        (27, 40),
    ]


def test_phrases_of_ones_own():
    text = "As I see it, rain falls. It falls hard. And then it stops. As I see it, that is all."
    for where, count in (("anywhere", 2), ("opening", 1), ("ending", 1)):
        found = judged("phrases", [text], phrases=["as i see it"], where=where, low=0, high=2)
        assert len(found.evidence[0]) == count
        assert found.values[0] == count / 2
    assert judged("phrases", [text], phrases=["as i see it"], where="ending").evidence[0][0].start == 59


def test_quoted_speech_is_blanked_in_place():
    text = 'He said "Great question!" and > left.\n> quoted line\n«oui» “non”'
    assert unquoted(text) == "He said                   and > left.\n             \n           "
    assert unquoted('"All of it."') == " All of it. "
    assert unquoted('"Great! He said "no" and left."') == " Great! He said      and left. "


def test_larger_lists_that_are_not_here_are_named():
    with pytest.raises(MissingData, match="rubric_antislop"):
        judged("slop", ["a text"], lists="antislop")


@pytest.mark.needs("rubric_antislop")
def test_the_larger_lists_of_slop():
    text = "She took a deep breath, her voice barely above a whisper."
    own, larger = (judged("slop", [text], lists=lists) for lists in ("own", "antislop"))
    assert len(larger.evidence[0]) > len(own.evidence[0]) >= 1
    first = larger.evidence[0][0]
    assert text[first.start : first.end] == "took a deep breath"
