"""More families of program criteria: formats, languages, voices, statistics, overused phrases (ours)."""

from collections.abc import Iterator

from anchors.rubric.criteria.word_lists import SLOP
from anchors.rubric.families import Made, _shuffled, family, several

LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "kn": "Kannada", "ko": "Korean", "ml": "Malayalam", "mr": "Marathi", "ne": "Nepali", "nl": "Dutch",
    "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
FORMS = {
    "no_comma": "Has no comma.", "quoted": "Is inside double quotation marks as a whole.",
    "title": "Has a title in double angular brackets.", "json": "Is JSON as a whole.",
    "lowercase": "Has no capital letter.", "uppercase": "Is written in capital letters only.",
    "no_digits": "Has no digit.", "one_line": "Stands on one line.", "complete": "Ends with a finished sentence.",
}  # fmt: skip
VOICES = {
    "prefatory_praise": "Praises the question or the user before it answers.", "self_praise": "Praises itself.",
    "ai_disclaimer": "Says that it comes from an AI, or what an AI lacks.",
    "closing_offer": "Closes with an offer of more help.", "moralising": "Moralises, warns or reminds.",
    "assistant_opening": "Opens or sums up as an assistant does.", "assistant_voice": "Speaks in an assistant's voice.",
}  # fmt: skip
RATES = {
    "first_person": ("words of the first person", (2, 5, 8, 12)),
    "second_person": ("words of the second person", (1, 3, 5, 8)),
    "sensory": ("words of the senses", (1, 2, 4, 6)),
    "concrete": ("words for things, bodies and places", (1, 2, 4, 6)),
    "named_emotion": ("words that name a feeling", (0.5, 1, 2, 4)),
    "intensifiers": ("words that exaggerate", (0.5, 1, 2, 4)),
    "hedges": ("hedging words", (0.5, 1, 2, 4)),
    "slop": ("overused words and phrases", (0.5, 1, 2, 4)),
    "exclamations": ("exclamation marks", (0.5, 1, 2, 5)),
    "questions": ("question marks", (0.5, 1, 2, 5)),
    "bold": ("places in bold type", (0.5, 1, 2, 5)),
}  # per 100 words
LEVELS = {
    "type_token_ratio": ("share of distinct words", (0.5, 0.6, 0.7, 0.8, 0.9)),
    "distinct": ("share of distinct pairs of words", (0.7, 0.8, 0.9, 0.95)),
    "repetition": ("share of repeated runs of three words", (0.02, 0.05, 0.1, 0.2)),
    "repeated_lines": ("share of repeated lines", (0.05, 0.1, 0.2)),
    "sentence_length": ("mean number of words of a sentence", (6, 8, 10, 12, 15, 18, 22, 26)),
    "sentence_length_variation": ("variation of the lengths of sentences", (0.2, 0.3, 0.4, 0.5, 0.6)),
    "word_length": ("mean length of a word", (3.5, 4, 4.5, 5, 5.5)),
    "long_words": ("share of words of more than six letters", (0.1, 0.15, 0.2, 0.3)),
    "capitals": ("share of capital letters", (0.02, 0.05, 0.1, 0.3)),
    "capital_words": ("share of words in capital letters", (0.02, 0.05, 0.1, 0.3)),
    "bullet_lines": ("share of lines that are list items", (0.1, 0.25, 0.5, 0.75)),
    "quotes": ("share of the text that is quoted", (0.05, 0.1, 0.25, 0.5)),
    "digits": ("share of digits", (0.01, 0.03, 0.1)),
    "punctuation": ("share of punctuation", (0.02, 0.04, 0.06, 0.1)),
}


@family("formats", "after IFEval")
def formats() -> Iterator[Made]:
    for check, text in FORMS.items():
        yield Made(text, check)
    for count in range(1, 13):
        yield Made(
            f"Has at least {several(count, 'highlighted section')}, *such as this*.",
            "ifeval:detectable_format:number_highlighted_sections", {"num_highlights": count},
        )  # fmt: skip
        yield Made(
            f"Has at least {several(count, 'placeholder')} in square brackets, such as [name].",
            "ifeval:detectable_content:number_placeholders", {"num_placeholders": count},
        )  # fmt: skip
    for mark in ("Section", "Scene", "Day", "Part", "Chapter", "Act", "Step"):
        for count in range(2, 9):
            options = {"section_spliter": mark, "num_sections": count}
            text = f"Has at least {count} sections, each marked {mark} and a number."
            yield Made(text, "ifeval:detectable_format:multiple_sections", options)
    for mark in ("P.S.", "P.P.S", "N.B."):
        text = f"Ends with a postscript after {mark}"
        yield Made(text, "ifeval:detectable_content:postscript", {"postscript_marker": mark})


@family("languages", "after IFEval")
def languages() -> Iterator[Made]:
    for code, name in LANGUAGES.items():
        yield Made(f"Is written in {name}, all of it.", "ifeval:language:response_language", {"language": code})


@family("capital_words", "after IFEval")
def capital_words() -> Iterator[Made]:
    for relation, word, counts in (("at least", "at least", (1, 2, 3, 5, 8, 10, 20)),
                                   ("less than", "fewer than", (2, 3, 5, 10))):  # fmt: skip
        for count in counts:
            options = {"capital_frequency": count, "capital_relation": relation}
            text = f"Has {word} {several(count, 'word')} in capital letters."
            yield Made(text, "ifeval:change_case:capital_word_frequency", options)


@family("first_words", "after IFEval")
def first_words() -> Iterator[Made]:
    for total in range(2, 7):
        for place in range(1, total + 1):
            for word in _shuffled(f"first/{total}/{place}")[:6]:
                options = {"num_paragraphs": total, "nth_paragraph": place, "first_word": word}
                text = f"Has {total} paragraphs, of which number {place} begins with {word}."
                yield Made(text, "ifeval:length_constraints:nth_paragraph_first_word", options)


@family("voices", "after the paper, section 1.6")
def voices() -> Iterator[Made]:
    for check, text in VOICES.items():
        yield Made(text, check, {}, "lexicon", avoid=True)
    for check, (thing, rates) in RATES.items():
        kind = "statistic" if check in ("exclamations", "questions", "bold") else "lexicon"
        for rate in rates:
            yield Made(f"Has many {thing}: {rate:g} and more of 100 words score best.", check,
                       {"low": 0, "high": rate}, kind, graded=True)  # fmt: skip
            yield Made(f"Has few {thing}: none scores best, {rate:g} and more of 100 words score nothing.", check,
                       {"low": rate, "high": 0}, kind, graded=True)  # fmt: skip


@family("statistics")
def statistics() -> Iterator[Made]:
    for check, (thing, levels) in LEVELS.items():
        for level in levels:
            yield Made(f"Has a high {thing}, at least {level:g}.", check, {"low": level, "high": level}, "statistic")
            under = {"low": round(level * 1.2, 6), "high": level}
            yield Made(f"Has a low {thing}: {level:g} or less scores best, {under['low']:g} nothing.", check, under,
                       "statistic", graded=True)  # fmt: skip


@family("overused_phrases")
def overused_phrases() -> Iterator[Made]:
    for phrase in sorted({" ".join(phrase.split()) for phrase in SLOP.split(";")}):
        yield Made(f"Does not use the overused “{phrase}”.", "excludes", {"words": [phrase]})
