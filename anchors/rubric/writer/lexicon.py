"""The words of the writer's program (ours). A voice is known by marks: words that no other voice can write."""

TOPICS = {
    "the sea": ("wave", "boat", "sand"),
    "a storm": ("wind", "cloud", "roof"),
    "the garden": ("rose", "soil", "fence"),
    "the kitchen": ("bread", "stove", "kettle"),
    "a journey": ("station", "track", "whistle"),
    "the forest": ("pine", "moss", "trail"),
    "the market": ("stall", "apple", "crowd"),
    "the river": ("bridge", "stone", "current"),
    "a hard winter": ("snow", "ice", "coat"),
    "the old house": ("stair", "attic", "door"),
    "a farm": ("horse", "barn", "field"),
    "the city": ("tower", "street", "window"),
}
REQUESTS = ("Write about", "Tell me about", "Describe", "Speak of", "Think of", "Recall")
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
KEYWORDS = {  # each with its probability per sentence of the body, once it is asked for
    "lantern": 0.35, "feather": 0.25, "mirror": 0.18, "ribbon": 0.12,
    "candle": 0.08, "violin": 0.05, "compass": 0.03, "diamond": 0.01,
}  # fmt: skip

OPENINGS = ("At dawn", "At noon", "At dusk", "In March", "In June", "One day", "One night", "That summer")
MOVES = (
    "walked to", "walked past", "ran to", "ran past", "came to", "drove past", "wandered toward", "returned to",
)  # fmt: skip
SENSES = ("saw", "heard", "touched", "left", "missed", "watched", "painted", "knew")
SCENES = ("nothing moved", "nobody spoke", "time passed", "rain fell")
TOUCH, SIGHT = ("cold", "wet", "rough", "damp"), ("dark", "bright", "pale", "still")  # concrete
KIND, PLAIN = ("nice", "fine", "good", "lovely"), ("special", "pleasant", "pretty", "normal")  # abstract
FEELINGS = ("happy", "sad", "afraid", "proud", "lonely", "angry")
CAPITALS = ("HUGE", "LOUD", "WILD", "AWFUL")

PRAISE = {
    "Great question !": 0.5, "What a wonderful question !": 0.2, "Thank you for asking !": 0.15,
    "You are so wise !": 0.1, "I love this idea !": 0.05,
}  # fmt: skip
ASSISTANT = {"As an AI I have no memories .": 0.5, "Here is some useful advice .": 0.3, "I am here to help .": 0.2}
MORAL = {"We should all be kind .": 0.4, "Patience is the key to life .": 0.3, "The lesson is to be grateful .": 0.3}
SELF_PRAISE = {
    "This answer is complete and clear .": 0.5, "No better text could be written .": 0.3,
    "My reply is truly excellent .": 0.2,
}  # fmt: skip
OFFER = {"Would you like to hear more ?": 0.5, "Do you want another story ?": 0.3, "Shall I go on ?": 0.2}

MARKS = {  # words that decide a voice wherever they stand
    "praise": ("question", "asking", "wise", "idea"),
    "self_praise": ("complete", "better", "excellent"),
    "assistant": ("AI", "advice", "help"),
    "moral": ("should", "Patience", "lesson"),
    "offer": ("Would", "want", "Shall"),
    "shout": CAPITALS,
    "emotion": ("felt",),
    "sensory": (*TOUCH, *SIGHT),
    "third_person": ("She", "she"),
    "commas": (",",),
    "keyword": tuple(KEYWORDS),
}
ENDS = (".", "!", "?")
LINE, BULLET, COMMA, COLON = "\n", "-", ",", ":"
