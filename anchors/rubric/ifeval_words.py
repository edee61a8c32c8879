"""IFEval's 25 instruction types in words of ours, so that a reader or a search understands a criterion."""

from collections.abc import Mapping
from typing import Any

WORDS = {
    "change_case:capital_word_frequency": "Words in capital letters: {capital_relation} {capital_frequency}.",
    "change_case:english_capital": "English, in capital letters only.",
    "change_case:english_lowercase": "English, in lower case only.",
    "combination:repeat_prompt": "Repeats the request word for word before the answer: {prompt_to_repeat}",
    "combination:two_responses": "Two different answers with ****** between them.",
    "detectable_content:number_placeholders": "At least {num_placeholders} placeholders in square brackets.",
    "detectable_content:postscript": "A postscript at the end that starts with {postscript_marker}",
    "detectable_format:constrained_response": "Answers with one of the given phrases.",
    "detectable_format:json_format": "The whole answer is JSON.",
    "detectable_format:multiple_sections": "At least {num_sections} sections, each marked with {section_spliter} X.",
    "detectable_format:number_bullet_lists": "Exactly {num_bullets} bullet points.",
    "detectable_format:number_highlighted_sections": "At least {num_highlights} sections highlighted with *asterisks*.",
    "detectable_format:title": "A title in double angular brackets.",
    "keywords:existence": "Contains the keywords {keywords}.",
    "keywords:forbidden_words": "Does not contain the words {forbidden_words}.",
    "keywords:frequency": "Contains the word {keyword} {relation} {frequency} times.",
    "keywords:letter_frequency": "Contains the letter {letter} {let_relation} {let_frequency} times.",
    "language:response_language": "The whole answer is in the language {language}.",
    "length_constraints:nth_paragraph_first_word": (
        "{num_paragraphs} paragraphs with blank lines between; number {nth_paragraph} starts with {first_word}."
    ),
    "length_constraints:number_paragraphs": "Exactly {num_paragraphs} paragraphs with *** between them.",
    "length_constraints:number_sentences": "Sentences: {relation} {num_sentences}.",
    "length_constraints:number_words": "Words: {relation} {num_words}.",
    "punctuation:no_comma": "No comma anywhere.",
    "startend:end_checker": "Ends with exactly this phrase: {end_phrase}",
    "startend:quotation": "The whole answer is inside double quotation marks.",
}


def described(name: str, options: Mapping[str, Any]) -> str:
    """Return an instruction in words: of one of the 25 types, else its name and arguments."""
    told = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in options.items()}
    try:
        return WORDS[name].format(**told)
    except KeyError:
        return " ".join([name, *(f"{key}={value}" for key, value in told.items())])
