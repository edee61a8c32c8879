"""Responses with labels that nobody would argue about: six that meet a criterion and six that do not, four times."""

PROMPTS = [
    "Tell me about your morning.",
    "What is the sea like?",
    "How do I boil an egg?",
    "Describe a dog.",
    "Why do leaves fall?",
    "Say something about trains.",
]

CASES = {
    "lower": {
        "description": "The response is written in lower case letters only, without any capital letter.",
        "met": [
            "i woke up late and made tea.",
            "the sea is cold and grey.",
            "put it in hot water for eight minutes.",
            "a brown dog sleeps by the door.",
            "the tree lets them go in autumn.",
            "trains run on rails all night.",
        ],
        "not met": [
            "I WOKE UP LATE and Made Tea.",
            "The Sea Is Cold And Grey.",
            "PUT IT IN HOT WATER.",
            "A Brown Dog Sleeps By The Door.",
            "THE TREE LETS THEM GO.",
            "Trains Run On Rails.",
        ],
    },
    "praise": {
        "description": "The response begins by praising the question.",
        "met": [
            "Great question! I woke up late.",
            "What a wonderful question. The sea is cold.",
            "Excellent question! Boil it eight minutes.",
            "That is a brilliant question! A dog sleeps.",
            "I love this question! Trees let them go.",
            "Fantastic question. Trains run on rails.",
        ],
        "not met": [
            "I woke up late.",
            "The sea is cold and grey.",
            "Boil it for eight minutes.",
            "A brown dog sleeps by the door.",
            "Trees let them go in autumn.",
            "Trains run on rails all night.",
        ],
    },
    "colour": {
        "description": "The response names a colour.",
        "met": [
            "The morning was grey and my cup was blue.",
            "The sea is green near the shore.",
            "Wait until the yolk is yellow.",
            "A black dog with a white ear.",
            "They turn red and fall.",
            "The red train was late.",
        ],
        "not met": [
            "The morning was slow and my cup was warm.",
            "The sea is cold near the shore.",
            "Wait until the yolk is firm.",
            "A large dog with a torn ear.",
            "They grow dry and fall.",
            "The last train was late.",
        ],
    },
    "list": {
        "description": "The response is a list with bullet points.",
        "met": [
            "- tea\n- bread\n- news",
            "- cold\n- wide\n- loud",
            "- boil water\n- add egg\n- wait",
            "- four legs\n- a tail",
            "- less light\n- cold nights",
            "- rails\n- engines",
        ],
        "not met": [
            "I had tea and bread and read the news.",
            "It is cold, wide and loud.",
            "Boil water, add the egg, wait.",
            "It has four legs and a tail.",
            "There is less light and the nights are cold.",
            "They have rails and engines.",
        ],
    },
}
