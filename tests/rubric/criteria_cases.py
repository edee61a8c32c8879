"""Cases for the criteria: options of every check, hostile texts, generated responses, one text in many languages."""

import json

import numpy as np

OPTIONS = {
    "ifeval:keywords:existence": {"keywords": ["river", "and"]},
    "ifeval:keywords:frequency": {"keyword": "a", "frequency": 3, "relation": "at least"},
    "ifeval:keywords:forbidden_words": {"forbidden_words": ["river", "stone"]},
    "ifeval:keywords:letter_frequency": {"letter": "a", "let_frequency": 3, "let_relation": "less than"},
    "ifeval:language:response_language": {"language": "en"},
    "ifeval:length_constraints:number_sentences": {"num_sentences": 3, "relation": "at least"},
    "ifeval:length_constraints:number_words": {"num_words": 20, "relation": "at least"},
    "ifeval:length_constraints:number_paragraphs": {"num_paragraphs": 2},
    "ifeval:length_constraints:nth_paragraph_first_word": {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "a"},
    "ifeval:detectable_content:number_placeholders": {"num_placeholders": 1},
    "ifeval:detectable_content:postscript": {"postscript_marker": "P.S."},
    "ifeval:detectable_format:number_bullet_lists": {"num_bullets": 2},
    "ifeval:detectable_format:number_highlighted_sections": {"num_highlights": 2},
    "ifeval:detectable_format:multiple_sections": {"section_spliter": "Section", "num_sections": 2},
    "ifeval:combination:repeat_prompt": {"prompt_to_repeat": "Write a poem."},
    "ifeval:startend:end_checker": {"end_phrase": "Peace!"},
    "ifeval:change_case:capital_word_frequency": {"capital_frequency": 2, "capital_relation": "at least"},
    "contains": {"words": ["river", "old bridge"]},
    "excludes": {"words": ["river"]},
    "starts_with": {"phrase": "The"},
    "ends_with": {"phrase": "end."},
    "paragraphs": {"count": 2},
    "short_sentences": {"most": 12},
    "regex": {"pattern": r"\b[a-z]+ing\b"},
    "phrases": {"phrases": ["great question", "river"], "where": "opening"},
    "similarity": {"reference": "An old bridge over a river."},
}


def options(check) -> dict:
    """Return options for a check: those above, and low 0, high 3 where a ramp must be given."""
    missing = [name for name, default in check.options.items() if isinstance(default, str) and default == "required"]
    return OPTIONS.get(check.name) or {name: {"low": 0.0, "high": 3.0}[name] for name in missing}


def hostile(length: int) -> dict[str, str]:
    """Return texts of about ``length`` characters meant to break or hang a check."""
    units = [
        ".", " ", "\n", "[", "<<", "*", "* ", '"', "“", "«", "\x00", "\u202eال", "\ud800a", "a", "A", "ab ", "-\n",
        "p. ", "a'", "`", '{"a":', "# ", ">\n", "1. ", "!", ",", "😀", "\u200d\u0301", "great ", "what a really ",
        "as an ", "I ", "this answer is very ", "i have provided you with a ", "sure, ", "it is important ", "a.",
        "\r\n", "कि ", '"a ', ".)", "\n ", "before we a b c d ", "let me say that ", "well, ", "_", "remember, ", "()",
    ]  # fmt: skip
    runs = {f"run of {unit!r}": (unit * length)[:length] + "x" for unit in units}
    return runs | {
        "empty": "",
        "blank": " \n\t ",
        "nested": "[" * (length // 2) + "]" * (length // 2),
        "quotes": "." + "”" * length,
    }


KWARGS = {  # of IFEval's own file, and some edges
    "punctuation:no_comma": [{}],
    "keywords:existence": [{"keywords": ["bridge", "river"]}, {"keywords": ["dog"]}, {"keywords": ["WE", "it"]}],
    "keywords:frequency": [
        {"keyword": "the", "frequency": 2, "relation": "at least"},
        {"keyword": " river ", "frequency": 1, "relation": "less than"},
        {"keyword": "to do", "frequency": 1, "relation": "at least"},
    ],
    "keywords:forbidden_words": [{"forbidden_words": ["bridge", "rock"]}, {"forbidden_words": ["fields"]}],
    "keywords:letter_frequency": [
        {"letter": "q", "let_frequency": 1, "let_relation": "at least"},
        {"letter": "T", "let_frequency": 9, "let_relation": "less than"},
    ],
    "language:response_language": [{"language": "en"}, {"language": "hi"}],
    "length_constraints:number_sentences": [
        {"num_sentences": 3, "relation": "at least"}, {"num_sentences": 5, "relation": "less than"},
    ],
    "length_constraints:number_words": [
        {"num_words": 20, "relation": "at least"}, {"num_words": 30, "relation": "less than"},
    ],
    "length_constraints:number_paragraphs": [{"num_paragraphs": n} for n in (1, 2, 3)],
    "length_constraints:nth_paragraph_first_word": [
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "the"},
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "River"},
        {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "it"},
    ],
    "detectable_content:number_placeholders": [{"num_placeholders": n} for n in (1, 3)],
    "detectable_content:postscript": [{"postscript_marker": m} for m in ("P.S.", "P.P.S", "PS:")],
    "detectable_format:number_bullet_lists": [{"num_bullets": n} for n in (0, 1, 2)],
    "detectable_format:constrained_response": [{}],
    "detectable_format:number_highlighted_sections": [{"num_highlights": n} for n in (1, 3)],
    "detectable_format:multiple_sections": [
        {"section_spliter": "Section", "num_sections": 2}, {"section_spliter": "SECTION", "num_sections": 1},
    ],
    "detectable_format:title": [{}],
    "detectable_format:json_format": [{}],
    "combination:two_responses": [{}],
    "combination:repeat_prompt": [{"prompt_to_repeat": "Write about the old bridge. "}],
    "startend:end_checker": [{"end_phrase": "Peace!"}, {"end_phrase": "Is there anything else I can help with?"}],
    "startend:quotation": [{}],
    "change_case:english_capital": [{}],
    "change_case:english_lowercase": [{}],
    "change_case:capital_word_frequency": [
        {"capital_frequency": 2, "capital_relation": "at least"},
        {"capital_frequency": 3, "capital_relation": "less than"},
    ],
}  # fmt: skip
MADE = {  # what makes a generated response follow an instruction now and then
    "keywords:existence": ["bridge", "river", "dog"],
    "keywords:frequency": ["the", "river", "to do"],
    "keywords:forbidden_words": ["bridge", "abridged", "fieldsfare", "rock-solid"],
    "keywords:letter_frequency": ["quay", "q"],
    "length_constraints:number_paragraphs": ["\n***\n", " *** "],
    "length_constraints:nth_paragraph_first_word": ["\n\nThe", "\n\n'River,", "\n\n\"it's"],
    "detectable_content:number_placeholders": ["[name]", "[x]"],
    "detectable_content:postscript": ["P.S. bye", "P.P.S bye", "ps: bye"],
    "detectable_format:number_bullet_lists": ["\n* one\n", "\n - two\n"],
    "detectable_format:constrained_response": ["My answer is maybe.", "my answer is yes."],
    "detectable_format:number_highlighted_sections": ["*it*", "**bold**"],
    "detectable_format:multiple_sections": ["Section 1", "Section2 ", "SECTION 1"],
    "detectable_format:title": ["<<A Title>>", "<< >>", "<<x"],
    "combination:two_responses": ["\n******\n", "******"],
}


def ending(name: str, kwargs: dict, text: str, rng: np.random.Generator) -> str:
    """Return the text turned, now and then, into one that follows the instruction (or nearly so)."""
    if rng.random() < 0.5:
        return text
    if name == "combination:repeat_prompt":
        return str(rng.choice(["", " ", "x"])) + kwargs["prompt_to_repeat"].upper() + text
    if name == "startend:end_checker":
        return text + kwargs["end_phrase"] + str(rng.choice(["", " ", '"', ".", "\n"]))
    if name == "detectable_format:json_format":
        body = json.dumps({"text": text, "n": 1})[: None if rng.random() < 0.7 else -1]
        fence = str(rng.choice(["", "```", "```json", "```JSON\n", "```Json"]))
        return f"{fence}{body}{'```' if fence else ''}\n"
    if name == "length_constraints:nth_paragraph_first_word":
        return str(rng.choice(["The ", "'the, ", "it. ", '"It"'])) + text.replace("\n\n", " ", 2)
    return text


TEXT = """
the old bridge river was closed for two weeks and nobody in the village knew what to do about it we walked through
fields instead of driving Because My Dear I I'm DON'T STOP NASA U.S. AND/OR WELL-KNOWN it's A B-52 It
"""
WORDS = TEXT.split()
PIECES = [
    ", ", ". ", "! ", "? ", "... ", "\n", "\n\n", "\n\n\n", " *** ", "***", "\n***\n", "******", "\n******\n",
    "* item\n", "\n* item", "\n- item", "\n  - item\n", "** bold **", "*it*", "**bold**", "* *", "[name]", "[]", "<<",
    "[a\nb]", "[[x]", "<<My Title>>", "<< >>", ">>", '"', '" ', "'", "P.S. bye", "P. S. bye", "p.p.s bye", "P.P.S. x",
    "```", "```json\n", '{"a": 1}', "[1, 2]", "Section 1", "SECTION 2", "Section3 ", "PARAGRAPH 1\n", "—", "--", "é",
    "My answer is yes.", "My answer is no.", "Dr. Smith", "e.g. this", " 3.14 ", ": ", "; ", " (aside) ", "ß",
]  # fmt: skip


def response(rng: np.random.Generator, extra: list[str]) -> str:
    """Return a random text of words and pieces that instructions look at, with the given ones among them."""
    parts = []
    for _ in range(int(rng.integers(1, 40))):
        draw = rng.random()
        source = WORDS if draw < 0.6 else PIECES
        source = extra if extra and draw > 0.85 else source
        parts.append(str(rng.choice(np.array(source, dtype=object))) + ("" if rng.random() < 0.3 else " "))
    text = "".join(parts)
    wrap = rng.random()
    if wrap < 0.1:
        text = f'"{text.strip()}"'
    elif wrap < 0.15:
        text = text.upper()
    elif wrap < 0.2:
        text = text.lower()
    return text


LANGUAGES = {
    "en": "The old bridge was closed for two weeks, and nobody in the village knew what to do about it. We walked "
    "through the fields instead.",
    "es": "El puente viejo estuvo cerrado durante dos semanas y nadie en el pueblo sabía qué hacer. Por eso "
    "caminamos por los campos hasta llegar a la ciudad.",
    "pt": "A ponte velha ficou fechada durante duas semanas e ninguém na aldeia sabia o que fazer. Por isso "
    "caminhámos pelos campos até à cidade, mas não foi fácil.",
    "fr": "Le vieux pont est resté fermé pendant deux semaines et personne dans le village ne savait quoi faire. "
    "Nous avons donc marché à travers les champs.",
    "de": "Die alte Brücke war zwei Wochen lang gesperrt, und niemand im Dorf wusste, was zu tun war. Also gingen "
    "wir durch die Felder in die Stadt.",
    "it": "Il vecchio ponte è rimasto chiuso per due settimane e nessuno nel paese sapeva che cosa fare. Così "
    "abbiamo camminato attraverso i campi fino alla città.",
    "nl": "De oude brug was twee weken gesloten en niemand in het dorp wist wat er moest gebeuren. Daarom liepen "
    "wij door de velden naar de stad.",
    "sv": "Den gamla bron var stängd i två veckor och ingen i byn visste vad man skulle göra. Därför gick vi genom "
    "fälten till staden.",
    "fi": "Vanha silta oli suljettu kaksi viikkoa, eikä kukaan kylässä tiennyt mitä tehdä. Siksi me kävelimme "
    "peltojen läpi kaupunkiin, mutta se ei ollut helppoa.",
    "pl": "Stary most był zamknięty przez dwa tygodnie i nikt we wsi nie wiedział, co robić. Dlatego poszliśmy "
    "przez pola do miasta, ale nie było to łatwe.",
    "tr": "Eski köprü iki hafta boyunca kapalıydı ve köyde kimse ne yapacağını bilmiyordu. Bu yüzden şehre kadar "
    "tarlaların içinden yürüdük, ama kolay değildi.",
    "id": "Jembatan tua itu ditutup selama dua minggu dan tidak ada orang di desa yang tahu apa yang harus "
    "dilakukan. Karena itu kami berjalan melalui sawah ke kota.",
    "vi": "Cây cầu cũ đã bị đóng trong hai tuần và không ai trong làng biết phải làm gì. Vì vậy chúng tôi đi bộ "
    "qua những cánh đồng để đến thành phố.",
    "sw": "Daraja la zamani lilifungwa kwa wiki mbili na hakuna mtu katika kijiji aliyejua la kufanya. Kwa hivyo "
    "tulitembea kupitia mashamba hadi mjini, lakini haikuwa rahisi.",
    "ru": "Старый мост был закрыт две недели, и никто в деревне не знал, что делать. Поэтому мы пошли через поля в "
    "город, но это было нелегко.",
    "uk": "Старий міст був закритий два тижні, і ніхто в селі не знав, що робити. Тому ми пішли через поля до "
    "міста, але це було нелегко.",
    "bg": "Старият мост беше затворен две седмици и никой в селото не знаеше какво да прави. Затова вървяхме през "
    "полята към града, но това не беше лесно.",
    "ar": "كان الجسر القديم مغلقا لمدة أسبوعين ولم يكن أحد في القرية يعرف ماذا يفعل. لذلك مشينا عبر الحقول إلى "
    "المدينة، لكن ذلك لم يكن سهلا.",
    "fa": "پل قدیمی دو هفته بسته بود و هیچ کس در روستا نمی‌دانست چه باید کرد. به همین دلیل ما از میان مزرعه‌ها به "
    "شهر رفتیم، اما این کار آسان نبود.",
    "ur": "پرانا پل دو ہفتے تک بند رہا اور گاؤں میں کسی کو معلوم نہیں تھا کہ کیا کرنا ہے۔ اس لیے ہم کھیتوں سے ہوتے "
    "ہوئے شہر تک گئے، لیکن یہ آسان نہیں تھا۔",
    "hi": "पुराना पुल दो सप्ताह तक बंद रहा और गाँव में किसी को नहीं पता था कि क्या करना है। इसलिए हम खेतों से होकर "
    "शहर तक गए, लेकिन यह आसान नहीं था।",
    "mr": "जुना पूल दोन आठवडे बंद होता आणि गावात कोणालाही काय करावे हे माहीत नव्हते. म्हणून आम्ही शेतातून "
    "शहरापर्यंत चालत गेलो, पण ते सोपे नव्हते.",
    "ne": "पुरानो पुल दुई हप्तासम्म बन्द थियो र गाउँमा कसैलाई पनि के गर्ने थाहा थिएन। त्यसैले हामी खेतको बाटो "
    "हुँदै सहर पुग्यौं, तर यो सजिलो थिएन।",
    "bn": "পুরনো সেতুটি দুই সপ্তাহ বন্ধ ছিল এবং গ্রামের কেউ জানত না কী করতে হবে। তাই আমরা মাঠের মধ্য দিয়ে শহরে গেলাম।",
    "pa": "ਪੁਰਾਣਾ ਪੁਲ ਦੋ ਹਫ਼ਤੇ ਬੰਦ ਰਿਹਾ ਅਤੇ ਪਿੰਡ ਵਿੱਚ ਕਿਸੇ ਨੂੰ ਪਤਾ ਨਹੀਂ ਸੀ ਕਿ ਕੀ ਕਰਨਾ ਹੈ। ਇਸ ਲਈ ਅਸੀਂ ਖੇਤਾਂ ਵਿੱਚੋਂ ਸ਼ਹਿਰ ਗਏ।",
    "gu": "જૂનો પુલ બે અઠવાડિયા બંધ રહ્યો અને ગામમાં કોઈને ખબર ન હતી કે શું કરવું. તેથી અમે ખેતરોમાં થઈને શહેર ગયા.",
    "ta": "பழைய பாலம் இரண்டு வாரங்கள் மூடப்பட்டிருந்தது, கிராமத்தில் யாருக்கும் என்ன செய்வது என்று தெரியவில்லை. "
    "எனவே நாங்கள் வயல்கள் வழியாக நகரத்திற்கு நடந்தோம்.",
    "te": "పాత వంతెన రెండు వారాలు మూసివేయబడింది, గ్రామంలో ఎవరికీ ఏమి చేయాలో తెలియదు. అందుకే మేము పొలాల గుండా పట్టణానికి నడిచాము.",
    "kn": "ಹಳೆಯ ಸೇತುವೆ ಎರಡು ವಾರಗಳ ಕಾಲ ಮುಚ್ಚಲ್ಪಟ್ಟಿತ್ತು ಮತ್ತು ಹಳ್ಳಿಯಲ್ಲಿ ಯಾರಿಗೂ ಏನು ಮಾಡಬೇಕೆಂದು ತಿಳಿದಿರಲಿಲ್ಲ. ಆದ್ದರಿಂದ ನಾವು ಹೊಲಗಳ ಮೂಲಕ ನಡೆದೆವು.",
    "ml": "പഴയ പാലം രണ്ടാഴ്ച അടച്ചിട്ടിരുന്നു, ഗ്രാമത്തിൽ ആർക്കും എന്ത് ചെയ്യണമെന്ന് അറിയില്ലായിരുന്നു. അതുകൊണ്ട് ഞങ്ങൾ വയലുകളിലൂടെ നടന്നു.",
    "th": "สะพานเก่าปิดเป็นเวลาสองสัปดาห์ และไม่มีใครในหมู่บ้านรู้ว่าจะทำอย่างไร เราจึงเดินผ่านทุ่งนาไปยังเมือง",
    "he": "הגשר הישן היה סגור במשך שבועיים ואף אחד בכפר לא ידע מה לעשות. לכן הלכנו דרך השדות אל העיר.",
    "ko": "오래된 다리는 두 주 동안 닫혀 있었고 마을 사람 누구도 어떻게 해야 할지 몰랐다.",
    "ja": "古い橋は二週間閉まっていて、村の誰もどうすればいいのか分からなかった。だから私たちは歩いた。",
}
