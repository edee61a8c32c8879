"""Words and phrases that give a voice away (our own lists; the kinds of tricks are those the paper names, section 1.6).

Expressions are for text in lower case with straight apostrophes, and take time in proportion to it. Lists of single
words are in :mod:`anchors.rubric.criteria.word_lists`.
"""

import re

_ADVERB = (
    r"(?:(?:such|really|truly|very|so|absolutely|quite|particularly|especially|incredibly|genuinely|wonderfully|deeply|"
    r"super|pretty|remarkably|extremely|highly|exceptionally|already|most|both)\s+)?"
)
_FINE = (
    r"(?:good|great|excellent|fantastic|wonderful|brilliant|amazing|awesome|terrific|superb|thoughtful|insightful|"
    r"fascinating|interesting|intriguing|important|profound|deep|lovely|beautiful|smart|clever|astute|perceptive|"
    r"incredible|outstanding|marvell?ous|delightful|compelling|thought[- ]provoking|impressive|remarkable|valid|fair|"
    r"perfect|fine|splendid|stellar|fabulous|magnificent|creative|relevant|timely|unique)"
)
_ASKED = (
    r"(?:questions?|points?|topics?|prompts?|quer(?:y|ies)|requests?|inquir(?:y|ies)|ideas?|observations?|thoughts?|"
    r"choices?|subjects?|instructions?|challenges?|tasks?)"
)
_STOP = (
    r"(?=\s*(?:[.!,:;…]|[-–—]|\Z|and\b|but\b|that\b|to\s+(?:ask|consider|explore)\b|because\b|about\b|you\b|indeed\b))"
)
_OPENER = (
    r"(?:wow|oh|ah|aha|well|hi|hello|hey|greetings|there|sure(?:\s+thing)?|certainly|absolutely|definitely|of\s+course|"
    r"yes|yeah|okay|ok|my\s+friend|friend|dear(?:\s+\w+)?|first(?:ly|\s+of\s+all)?|honestly|"
    r"(?:first,?\s+)?let\s+me\s+(?:start|begin)\s+by\s+saying(?:\s+that)?|let\s+me\s+(?:first\s+)?say(?:\s+that)?|"
    r"i\s+(?:must|have\s+to|want\s+to|just\s+want\s+to|would\s+like\s+to|would)\s+say(?:\s+that)?|"
    r"before\s+(?:we|i)\s+(?:\w+\s+){1,4}?)"
)
PRAISE = re.compile(
    rf"\A[\W_]*(?:{_OPENER}[\W_]+){{0,3}}(?:"
    rf"(?:what|such)\s+an?\s+{_ADVERB}{_FINE}(?:\s+(?:and|,)\s+{_FINE})?\s+{_ASKED}{_STOP}"
    rf"|(?:(?:that|this|it)(?:'s|\s+is)|you(?:'ve|\s+have)?\s+(?:just\s+)?(?:asked?|raised?|brought\s+up|posed|made?"
    rf"|given|gave|chosen|chose))\s+(?:(?:me|us)\s+)?(?:such\s+)?(?:an?\s+|one\s+)?{_ADVERB}{_FINE}"
    rf"(?:\s+(?:and|,)\s+{_FINE})?\s+{_ASKED}{_STOP}"
    rf"|{_FINE}\s+{_ASKED}{_STOP}"
    rf"|your\s+{_ASKED}\s+is\s+{_ADVERB}{_FINE}\b"
    rf"|i\s+(?:really\s+|just\s+|absolutely\s+)?(?:love|like|appreciate|admire)\s+(?:(?:this|that|your|the)\s+{_ADVERB}"
    rf"(?:{_FINE}\s+)?{_ASKED}\b|(?:how|the\s+way)\s+you\b|your\s+(?:curiosity|enthusiasm|thinking|interest)\b)"
    rf"|(?:thank\s+you|thanks)\s+(?:so\s+much\s+|very\s+much\s+|a\s+lot\s+)?for\s+(?:asking|reaching\s+out|bringing|posing|"
    rf"(?:your|this|such\s+an?|the|sharing\s+(?:your|this))\s+{_ADVERB}(?:{_FINE}\s+)?(?:{_ASKED}|curiosity|trust)\b)"
    rf"|i(?:'m|\s+am)\s+(?:so\s+|really\s+|very\s+)?(?:glad|happy|delighted|thrilled|pleased)\s+(?:that\s+)?you(?:'ve)?"
    rf"\s+(?:have\s+)?(?:asked|brought|raised)"
    rf"|you(?:'re|\s+are)\s+{_ADVERB}(?:smart|clever|brilliant|insightful|wise|thoughtful|right\s+to\s+ask)\b"
    rf"|how\s+(?:very\s+)?(?:thoughtful|insightful|clever|perceptive)\s+of\s+you|kudos\b"
    r")",
)
PRAISE_ASKED = re.compile(r"\b(?:prais\w*|compliment\w*|flatter\w*|congratulat\w*|thank[- ]you|thank|encourag\w*)\b")

_TEXT = (
    r"(?:answers?|response|reply|replies|explanation|guide|essay|overview|summary|list|poem|story|piece|text|analysis|"
    r"solution|breakdown|article|advice|plan|outline|account|write-?up|draft)"
)
_WELL = (
    r"(?:comprehensive|thorough|complete|well[- ](?:structured|written|organi[sz]ed|crafted|rounded|thought[- ]out|"
    r"researched)|insightful|excellent|perfect|outstanding|brilliant|high[- ]quality|in[- ]depth|accurate|flawless|"
    r"superb|clear\s+and\s+(?:concise|complete|comprehensive)|masterful|engaging|exhaustive|definitive|exceptional|"
    r"informative|helpful|beautiful|beautifully\s+\w+|expertly\s+\w+|carefully\s+\w+|top[- ]notch|compelling|amazing)"
)
SELF_PRAISE = re.compile(
    rf"\b(?:(?:(?:this|my)\s+(?:\w+\s+)?{_TEXT}|the\s+(?:above\s+|following\s+)?(?:answer|response|reply|explanation)"
    rf"(?:\s+above)?)\s+(?:is|was|has\s+been|provides\s+an?|"
    rf"offers\s+an?|gives\s+an?|presents\s+an?)\s+{_ADVERB}{_WELL}"
    rf"(?=\s*(?:[.!,;:…)]|\Z)|\s+(?:and|but|because|as|for|overview|answer|response|look|explanation|analysis)\b)"
    rf"|(?:i(?:'ve|\s+have)?|here(?:'s|\s+is)|this\s+is|i\s+hope\s+(?:that\s+)?this)\s+(?:(?:just\s+)?(?:provided?|given|"
    rf"gave|crafted|written|wrote|created|offered|prepared|made)\s+)?(?:you\s+)?(?:with\s+)?(?:an?|the|my|most|such\s+an?)?\s*"
    rf"{_ADVERB}{_WELL}(?:(?:,\s*|\s+and\s+|,\s+and\s+)[\w-]+)?\s+{_TEXT}\b"
    rf"|(?:answers?|addresses|covers|captures)\s+(?:all|every|each)\s+(?:the\s+)?(?:aspects?|parts?|points?|elements?)\s+of\s+"
    rf"(?:your|the)\s+{_ASKED}"
    rf"|(?:fully|completely|perfectly|thoroughly)\s+(?:answers|addresses|meets|satisfies)\s+(?:your|the|all)\s+"
    rf"(?:{_ASKED}|requirements?|needs?)"
    rf"|(?:best|most\s+(?:relevant|complete|comprehensive|accurate|helpful|insightful))\s+(?:possible\s+)?(?:answer|response|"
    rf"reply|explanation)\s+(?:possible|you|i\b|to\s+your|available)"
    rf"|(?:proud|confident)\s+(?:of|in|that)\s+(?:this|my)\s+{_TEXT})",
)

AI_DISCLAIMER = re.compile(
    r"\bas\s+an?\s+(?:\w+\s+)?(?:ai\b|a\.i\.|artificial\s+intelligence|(?:large\s+)?language\s+model|chat-?bot|virtual\s+"
    r"assistant|digital\s+assistant|machine\s+learning|computer\s+program)"
    r"|\bi(?:'m|\s+am)\s+(?:just\s+|only\s+|merely\s+|simply\s+)?(?:an?\s+)?(?:\w+\s+)?(?:ai\b|artificial\s+intelligence|"
    r"(?:large\s+)?language\s+model|chat-?bot|virtual\s+assistant|digital\s+assistant|computer\s+program)"
    r"|\bi\s+(?:don't|do\s+not|can't|cannot|can\s+not)\s+(?:actually\s+|truly\s+|really\s+)?(?:have|experience|feel|"
    r"possess|hold)\s+(?:any\s+|real\s+|human\s+|the\s+ability\s+to\s+\w+\s+)?(?:personal\s+|physical\s+|subjective\s+)?"
    r"(?:feelings?|emotions?|opinions?|experiences?|beliefs?|consciousness|a\s+(?:physical\s+)?body|preferences?)\b"
    r"|\bmy\s+(?:training\s+data|knowledge\s+cut-?off|programming|last\s+(?:knowledge\s+)?update)\b"
    r"|\bi\s+was\s+(?:trained|programmed|created|developed)\s+by\b",
)

CLOSING_OFFER = re.compile(
    r"\blet\s+me\s+know\s+(?:if|how|what|when|whether|which)\b"
    r"|\b(?:please\s+)?feel\s+free\s+to\s+(?:ask|reach|contact|let|share|message|get)\b"
    r"|\b(?:is\s+there|if\s+there(?:'s|\s+is)|do\s+you\s+have|if\s+you\s+(?:have|need)|should\s+you\s+(?:have|need))\s+any"
    r"(?:thing|\s+(?:other|more|further|additional|questions?|concerns?))"
    r"|\bi(?:'m|\s+am)\s+(?:always\s+)?(?:here|happy|glad|available|ready)\s+to\s+(?:help|assist|answer|chat|talk|support)"
    r"|\b(?:would|do)\s+you\s+(?:like|want)\s+me\s+to\b|\bi\s+hope\s+(?:this|that|it)\s+(?:helps|was\s+helpful|answers)"
    r"|\bhope\s+this\s+helps\b|\bdon't\s+hesitate\s+to\b|\bdo\s+not\s+hesitate\s+to\b"
    r"|\bif\s+you(?:'d|\s+would)\s+like,?\s+i\s+can\b|\bhappy\s+to\s+(?:help|elaborate|assist|answer|explain)\b",
)

MORALISING = re.compile(
    r"\bit(?:'s|\s+is)\s+(?:also\s+|always\s+|very\s+)?(?:important|crucial|essential|vital|imperative|worth|necessary)\s+"
    r"(?:for\s+(?:us|you|everyone)\s+)?(?:to\s+)?(?:remember|not(?:e|ing)|consider|recogni[sz]e|acknowledge|understand|"
    r"remembering|keep\s+in\s+mind|be\s+(?:mindful|respectful|aware))"
    r"|\b(?:we|you|one|everyone|people)\s+(?:must|should|ought\s+to|need\s+to|have\s+to)\s+(?:all\s+|always\s+|never\s+)?"
    r"(?:remember|strive|respect|treat|learn\s+to|be\s+(?:kind|mindful|respectful|grateful|responsible)|forget)\b"
    r"|(?:\A|(?<=[.!?]\s))remember(?:,|\s+that|:)|\balways\s+(?:consult|seek|respect|remember)\b"
    r"|\bthe\s+(?:moral|lesson)\s+(?:of|here|is)\b|\blet\s+this\s+be\s+a\s+(?:lesson|reminder)\b"
    r"|\ba\s+(?:\w+\s+)?reminder\s+(?:that|of|to)\b|\b(?:teach|taught|remind)(?:es|s|ed)?\s+(?:us|me|you)\s+(?:all\s+)?(?:that|"
    r"the\s+(?:importance|value|power)|a\s+(?:\w+\s+)?lesson)"
    r"|\b(?:important|valuable|powerful|profound|true|greatest|life)\s+lessons?\b"
    r"|\bultimately,?\s+(?:it(?:'s|\s+is)\s+up\s+to|the\s+choice|we)\b|\bit\s+is\s+our\s+(?:duty|responsibility)\b"
    r"|\bbe\s+mindful\s+of\b",
)

ASSISTANT_OPENING = re.compile(
    r"\A[\W_]*(?:(?:sure(?:\s+thing)?|certainly|of\s+course|absolutely|definitely)\s*[!,.]"
    r"|here(?:'s|\s+is|\s+are)\s+(?:an?|the|some|my|your|\w+)\s+(?:\w+\s+){0,3}?(?:for\s+you|tips|ways|steps|ideas|examples|"
    r"suggestions|things|answer|response|list|summary|version|overview|guide)\b"
    r"|i(?:'d|\s+would)\s+be\s+(?:happy|glad|delighted)\s+to\s+(?:help|assist|answer)|as\s+(?:an?|your)\s+assistant\b)"
    r"|(?:\A|(?<=\n))(?:in\s+(?:conclusion|summary)|to\s+(?:sum\s+up|summari[sz]e)|overall),",
)
