"""Which language a text is in, told by its script, its most common words and its letters (ours; word lists our own).

Languages that have a script for themselves are told by it. Those that share one are told by counting very common
words and letters of their own; a word that several languages have counts for each of them by its share. Only the
first 4,000 characters are read.
"""

import re
from collections import Counter
from functools import cache

HEAD = 4000  # characters that are read
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\s\d_.,;:!?()\[\]{}<>\"“”„«»*#/|=+।॥،؛؟۔、。–—-]+")  # \w+ would cut at Indic vowel signs

SCRIPTS = {  # inclusive ranges of code points
    "Latin": "A-Za-zÀ-ɏḀ-ỿ", "Cyrillic": "Ѐ-ӿ", "Greek": "Ͱ-Ͽ", "Arabic": "؀-ۿݐ-ݿ", "Hebrew": "֐-׿",
    "Devanagari": "ऀ-ॿ", "Bengali": "ঀ-৿", "Gurmukhi": "਀-੿", "Gujarati": "઀-૿", "Tamil": "஀-௿", "Telugu": "ఀ-౿",
    "Kannada": "ಀ-೿", "Malayalam": "ഀ-ൿ", "Thai": "฀-๿", "Hangul": "가-힣ㄱ-ㆎ", "Kana": "ぁ-ヿ", "Han": "一-鿿",
}  # fmt: skip
ALONE = {
    "Greek": "el", "Hebrew": "he", "Bengali": "bn", "Gurmukhi": "pa", "Gujarati": "gu", "Tamil": "ta", "Telugu": "te",
    "Kannada": "kn", "Malayalam": "ml", "Thai": "th", "Hangul": "ko", "Kana": "ja", "Han": "zh",
}  # fmt: skip
WORDS = {
    "Latin": {
        "en": "the of and to in is that it was for on with as his he she they be at by this had not are but from have "
        "an which you were her all their there been one so if would when what who will more no out up into than them "
        "can only other some could time these two may then do first any my now such like our over me even most after "
        "also did many before must through where much your how i i'm it's don't we us has its about just because",
        "es": "de la que el en y los se del las un por con no una su para es al lo como más pero sus le ya o este sí "
        "porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les "
        "ni contra otros ese eso ante ellos e esto mí antes algunos qué unos yo otro era está son fue tiene ser",
        "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à "
        "seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos "
        "ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa são "
        "nossa fazer ninguém duas ficou isto assim onde dia muita porque",
        "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec "
        "nous comme mais on ou si leur y dont elle c'est cette vous je aux être été ses tout même fait aussi sans ces "
        "entre peut son très où lui deux après bien faire encore donc était mon ma mes j'ai d'une qu'il n'est l'on",
        "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus "
        "er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor "
        "zur bis mehr durch man sein wurde wenn ich wir ihr mein sehr kann uns hier dann schon gut immer gibt unter",
        "it": "di che è e la il un a per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no questo "
        "qui hai sei del tu solo al mio dei della delle nel più alla era gli anche mia fa bene sua molto suo essere "
        "loro quando dove perché degli nella dopo senza tutto tutti sempre stato così poi ogni noi può ancora",
        "nl": "de het een en van ik te dat die in is niet zijn op aan met voor was hij er ook als maar om dan ze "
        "bij nog naar heeft worden uit wel werd over deze hebben kan zo door wordt meer geen haar hem dit veel zij wij "
        "moet jij onze ons waar mijn je ben heel goed omdat altijd",
        "sv": "och i att det som en på är av för med den till inte har de ett om var jag han men sig från vi så kan "
        "när hon ut nu alla efter detta vara också vid eller under skulle man mycket hade blev där här bara mer mig "
        "dig du oss sin våra varje",
        "da": "og i at det som en på er af for med den til ikke har de et om var jeg han men sig fra vi så kan når hun "
        "ud nu alle efter dette være også ved eller under skulle man meget havde blev hvor her kun mere mig dig du os "
        "hvad bliver hver vores",
        "fi": "ja on ei se että oli hän mutta niin kun ovat kuin tai myös joka ole sen olen nyt jos mitä vain minun "
        "sitä tämä siitä sinun kuitenkin hyvin olla voi koko he me te ne mukaan jo ollut sekä ennen kanssa minä sinä "
        "paljon aina mikä missä tämän jotka sitten vielä",
        "pl": "i w nie na z do to się że jest o a jak po co tak za od jego są przez było dla ale czy tego być już "
        "tylko może także które który jej oraz ten ich przed kiedy bardzo mnie jako był była mi te gdy ze ma nas "
        "więc gdzie tym jeszcze zawsze każdy",
        "cs": "a se v na je že s z do o to i jsem ale za by jako jak pro po od tak když byl není která který jsou "
        "byla bylo své také co už jen nebo aby jeho její mezi velmi protože kde tento být ještě",
        "ro": "și de la în a cu pe că nu un o este mai din pentru să care sunt al ce ca dar au fost se lui sau după "
        "prin între când foarte acest această fi unde doar ale îi avea eu noi ei",
        "hu": "a az és hogy nem is egy ez van volt de ha meg csak mint még már el vagy én azt ki fel mert minden "
        "nagyon így kell lesz sem itt ott pedig után nagy lehet ő aki amely",
        "tr": "ve bir bu da de için ile çok daha ne o gibi olarak ama en olan kadar var ben sonra her değil ki bana "
        "onun benim zaman şey ya diye mi oldu iyi olduğu vardı yok sen biz nasıl şimdi",
        "id": "yang dan di dengan untuk pada adalah itu dari dalam tidak akan ini ke karena oleh juga saya sudah bisa "
        "kami atau ada mereka lebih telah anda seperti kita dia tetapi bahwa sangat orang kepada menjadi dapat",
        "vi": "và của là có được trong cho không một với những này các đã để người khi như đến từ cũng về làm tôi "
        "thì rất nhiều ở ra mà bạn nhưng chúng phải sẽ nếu lại nên còn hơn rằng theo sau trên đó họ vì đi",
        "sw": "na ya wa kwa ni katika za la kuwa hii pia kama cha watu hiyo au yake lakini huo sana yao hivyo kila "
        "moja mimi wewe sisi wao baada kabla hapa kwamba ambayo ambao vya zaidi wakati siku nini kufanya yangu wetu "
        "yetu hakuna sasa ili tu bila hata kutoka",
    },
    "Cyrillic": {
        "ru": "и в не на я что он с как это по но она они мы все к у из за то так от же бы было был для только мне ещё "
        "вы если когда уже или ни быть него до вот опять меня был были её очень чтобы этот который есть себя может",
        "uk": "і в не на що з як та це до у за я він вона ми вони але від для так його було бути дуже є їх або про "
        "який якщо тільки коли ще був була після також мене ти ви й щоб вже цей чи можна усі своє",
        "bg": "и на да се в не за от са ще по е с че като той те тя това но до или при ли ми си аз ние тази много "
        "когато беше който която които защото има само му след още бъде съм вече може към как през както",
    },
    "Arabic": {
        "ar": "في من على إلى أن هذا التي هذه ما لا عن مع هو الذي كان هي أو لم كل ذلك بعد قد كما بين عند ثم حتى إن "
        "يكون وقد منذ حيث أنا نحن هناك كانت لكن يمكن أيضا جدا لقد غير",
        "fa": "و در به از که این است را با برای آن یک خود تا بر هم نیز شد می ها شده بود ما یا اما باید هر او من اگر "
        "دیگر چه کرد همه شما آنها بسیار وقتی هستند دارد کند نیست خیلی",
        "ur": "کے کی میں ہے اور سے کا کو نے پر ہیں یہ کہ اس ایک بھی تھا نہیں ان جو ہو گیا کر تھی لیے تو وہ اپنے کیا "
        "تھے ہم آپ مجھے جب بہت کوئی رہا ہوں ساتھ بعد تک",
    },
    "Devanagari": {
        "hi": "के है में की और से का को ने पर यह हैं कि इस एक भी था नहीं तो वह हो कर जो गया लिए अपने रहा थी साथ बाद "
        "ही मैं हम आप मुझे बहुत कुछ जब थे तक कोई हूँ या होता उस सकते",
        "mr": "आहे आणि या हे तर की मी ते व असे होते नाही आपण त्या त्यांनी केले एक झाला तो ती म्हणून होता करून आहेत "
        "खूप मला साठी पण आपल्या त्याच्या हा ही काही नंतर माझ्या असते जे",
        "ne": "छ र को मा का ले लाई पनि हो यो भएको गरेको छन् एक गर्न थियो तर त्यो हुन्छ म हामी उनी यस भने गर्ने धेरै "
        "लागि मेरो गर्छ तपाईं भयो सबै अनि छैन थिए साथै",
    },
}
LETTERS = {  # letters that speak for a language among those of its script
    "es": "ñ¿¡", "pt": "ãõ", "de": "ß", "fr": "œ", "da": "øæ", "pl": "łżźśćń", "cs": "řěů", "tr": "ğı",
    "vi": "ơưđạảấầẩậắằặẹẻẽềểệịọỏốồổộớờởợụủứừửựỳỹ", "ro": "țș", "hu": "őű", "ru": "ыэё", "uk": "іїєґ",
    "fa": "پچژگ", "ur": "ٹڈڑںےھہ", "mr": "ळ",
}  # fmt: skip
KNOWN = frozenset(ALONE.values()) | {language for lists in WORDS.values() for language in lists}
_BY_SCRIPT = {script: re.compile(f"[{chars}]") for script, chars in SCRIPTS.items()}


@cache
def _weights() -> tuple[dict, dict]:
    """Return for each word, and for each letter, the languages it speaks for and how strongly."""
    words = {language: text.split() for lists in WORDS.values() for language, text in lists.items()}
    return _shares(words, 1.0), _shares(LETTERS, 0.5)


def _shares(marks: dict, strength: float) -> dict[str, list[tuple[str, float]]]:
    owners: dict[str, list[str]] = {}
    for language, own in marks.items():
        for mark in dict.fromkeys(own):
            owners.setdefault(mark, []).append(language)
    return {mark: [(language, strength / len(found)) for language in found] for mark, found in owners.items()}


def has_letters(text: str) -> bool:
    """Return whether any letter is among what is read."""
    return _LETTER.search(text[:HEAD]) is not None


def script(text: str) -> str | None:
    """Return the script most letters are in; None without letters of a known script. Kana make Han Japanese."""
    head = text[:HEAD]
    if head.isascii():
        return "Latin" if _LETTER.search(head) else None
    counts = {name: len(pattern.findall(head)) for name, pattern in _BY_SCRIPT.items()}
    if counts["Kana"]:
        counts["Kana"] += counts["Han"]
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None


def scores(text: str) -> Counter:
    """Return how strongly common words and letters speak for each language."""
    found, low, (of_words, of_letters) = Counter(), text[:HEAD].lower(), _weights()
    for word in _WORD.findall(low):
        for language, weight in of_words.get(word, ()):
            found[language] += weight
    for letter in () if low.isascii() else low:
        for language, weight in of_letters.get(letter, ()):
            found[language] += weight
    return found


def detect(text: str) -> str | None:
    """Return the ISO 639-1 code a text is in; None where its script is unknown or its words say nothing (ours)."""
    best = likeliest(text)
    return best[0] if best else None


def likeliest(text: str) -> list[str]:
    """Return the languages that common words and letters speak for most strongly, several where they draw level."""
    name = script(text)
    if name in ALONE:
        return [ALONE[name]]
    known = scores(text)
    found = {language: known[language] for language in WORDS.get(name, ()) if known[language] > 0}
    top = max(found.values(), default=0.0)
    return [language for language, score in found.items() if score > top - 1e-9]


def written_in(text: str, language: str) -> bool:
    """Return whether a text is in a language; where nothing speaks for any language, whether it has the script.

    A text without letters counts, as it does for IFEval.
    """
    name = script(text)
    if name is None:
        return not has_letters(text)
    best = likeliest(text)
    return language in best if best else language in WORDS.get(name, ())
