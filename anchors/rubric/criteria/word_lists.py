"""Lists of English words that voices are counted by (our own, small)."""

FIRST_PERSON = "i me my mine myself i'm i've i'd i'll we us our ours ourselves we're we've we'd we'll"
SECOND_PERSON = "you your yours yourself yourselves you're you've you'd you'll"

SENSORY = """
red blue green yellow white black grey gray brown golden silver pale dark bright dim shadow light glow gleam glint
shine dust smoke fog mist steam ash mud rust moss frost ice snow rain wind storm thunder
loud quiet silent silence hum buzz rattle creak crack whisper murmur hiss rustle thud echo clatter ring knock drip
smell scent smelled stink reek perfume sweet sour bitter salty salt bland sharp taste tasted flavour flavor
warm cold hot cool chilly icy damp wet dry rough smooth soft hard sticky slippery heavy prickly crisp brittle
ache sting burn itch sweat shiver breath breathe breathing touch touched felt heard saw tasted listened watched
"""
CONCRETE = """
hand hands finger fingers palm arm arms shoulder shoulders knee knees foot feet back neck face cheek mouth lips teeth
tongue eye eyes ear hair skin chest heart lungs
door window wall floor roof stairs kitchen table chair bed lamp cup plate bowl spoon knife kettle pot stove bread
butter milk tea coffee sugar apple soup egg
coat shirt boots shoes hat scarf gloves pocket bag rope ladder bucket hammer nail broom blanket candle
road street path bridge river lake sea shore beach hill mountain ridge slope valley field forest tree trees branch leaf
leaves grass stone stones rock rocks sand garden gate fence barn boat train bus car bicycle station platform
dog cat bird birds horse cow sheep goat crow gull fish bee moth
mother father brother sister grandmother grandfather neighbour neighbor child baby
letter book page pencil paper photograph radio clock key keys coin ticket
"""
EMOTION = """
happy happiness sad sadness angry anger joy joyful joyous love loved hate hated fear afraid scared terrified proud pride
ashamed shame guilt guilty lonely loneliness grief sorrow excited excitement thrilled ecstatic euphoric blissful bliss
anxious anxiety nervous worried worry relieved relief grateful gratitude hopeful hope hopeless despair overwhelmed
overjoyed delighted miserable devastated heartbroken furious rage jealous envy content contentment awe wonder amazed
amazing emotional emotion emotions feelings passion passionate
"""
INTENSIFIERS = """
very really truly absolutely extremely incredibly utterly totally completely deeply profoundly amazingly remarkably
immensely insanely literally definitely certainly undoubtedly unbelievably breathtaking breathtakingly stunning
stunningly extraordinary unforgettable magical life-changing epic
"""
HEDGES = """
perhaps maybe possibly probably likely might somewhat arguably apparently seemingly generally typically usually often
sometimes roughly approximately
"""
SLOP = """
delve; delves; delving; tapestry; tapestries; testament to; kaleidoscope; symphony of; rich tapestry; intricate dance;
ever-evolving; ever-changing landscape; in today's fast-paced world; in the realm of; navigate the complexities;
unlock the power; unlock the potential; a beacon of; beacon of hope; treasure trove; game changer; cutting-edge;
seamlessly; meticulously; multifaceted; pivotal role; plays a crucial role; foster a sense of; a sense of wonder;
a sense of peace; barely above a whisper; breath caught; couldn't help but; sent shivers down; shivers down my spine;
the weight of the world; time seemed to stand still; heart pounding in; bathed in golden; golden hues; hues of orange;
danced across; dancing in the; a mix of; whispers of the; etched into; bustling; nestled; unwavering; indelible mark;
embark on a journey; embark on this journey; journey of self-discovery; tapestry of life; as the sun set;
as the sun dipped; a gentle reminder; it's not just; it is not just; more than just; not only that but; at its core;
in essence; the power of; harness the power; transformative; vibrant; robust; holistic; synergy; leverage; paradigm;
paramount; underscores the importance; shed light on; a myriad of; plethora of; ministrations; palpable; ethereal;
resonate; resonates; resonated; profound sense; newfound; bittersweet; unspoken; crescendo; cacophony; labyrinthine
"""


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list in lower case."""
    return frozenset(text.lower().split())
