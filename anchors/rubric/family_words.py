"""Words that program families ask for: common English nouns, verbs and adjectives, chosen by us."""

NOUNS = """
air animal answer apple area arm art autumn baby bag ball band bank basket beach bean bed bell bench bird birthday
boat body bone book border bottle bowl box branch bread breakfast bridge brother brush bucket building bus butter
button cabin cake camera camp candle canyon car card carpet castle cat ceiling chain chair chalk change child church
circle city class clay clock cloth cloud coal coast coat coffee coin color company compass cook copper corner cotton
country course cousin cow crop crowd cup curtain dance daughter dawn desert desk dinner dirt dish doctor dog door
dream dress drink drum duck dust eagle ear earth echo egg engine evening eye face factory family farm father feather
fence ferry field finger fire fish flag flame floor flour flower flute fog food foot forest fork fox friend frog
frost fruit game garden gate gift glass glove goat gold grain grandmother grass gravel guest guitar hail hair hall
hammer hand harbor harvest hat hill history hole honey horse hospital hotel hour house ice idea ink insect iron
island jacket jar jewel journey juice jungle kettle key kitchen kite knife ladder lake lamp language leaf leather
lemon lesson letter library lightning lion list lock machine map market mask meadow meal meat metal milk mill minute
mirror money month moon morning mother mountain mouse mouth museum music nail name neck needle nest net newspaper
night noise north nose notebook number nurse ocean office oil onion orange orchard oven owl page paint palace paper
parade park party path pear pencil pepper piano picture pillow pilot pipe planet plant plate pocket poem police pond
port potato powder prairie price prison puzzle queen rabbit radio rail rain rainbow ribbon rice ring river road rock
roof room root rope rose sail salt sand sandwich school sea season seed shade sheep shelf shell ship shirt shoe shop
shoulder silence silk silver sister skin sky smoke snake snow soap soil soldier song sound soup south spider spoon
spring stair star station steam stone storm story stove stranger straw stream street student sugar summer sun supper
table tail tale teacher team tent theater thread thunder ticket tide tiger timber time tool tooth tower town toy
train tree trip truck tunnel turtle umbrella uncle valley vase village violin visitor voice wagon wall war watch
water wave weather wedding week west whale wheat wheel whistle willow wind window wing winter wire wolf woman wood
wool word work world worm yard year zebra
"""
OTHERS = """
ancient begin borrow brave bright broken build busy calm carry catch cheap climb cold dance deep deliver distant
draw early empty enough fall famous find follow forget gather gentle give green grow happy heavy hidden hungry
invent jump keep large laugh lazy lean learn leave light listen lonely lost lucky measure narrow new old open
patient plain polite proud quick quiet rare ready remember repair rough round run save sharp short simple sing sleep
slow small smooth soft spread steep strange strong sweep sweet swim tall teach thick thin tiny travel try walk warm
wash wet whisper wide wild wise wonder write yellow young
"""
WORDS = tuple(sorted(set(NOUNS.split()) | set(OTHERS.split())))

OPENINGS = (
    "Once, in a small town,", "To begin with,", "The short answer is", "My first thought was", "It was early morning",
    "In plain words,", "Dear reader,", "Here is the plan:", "Let us start with", "At first glance,", "Long ago,",
    "Nobody expected", "The question is", "Before anything else,", "Imagine that", "On a cold night,", "As a rule,",
    "There are three reasons", "In other words,", "First of all,", "Yes, because", "No, because", "It depends on",
    "When I was young,", "Last summer,", "The main point is", "Suppose that", "Good news:", "A warning:", "Attention:",
)  # fmt: skip
ENDINGS = (
    "The end.", "That is all.", "And so it goes.", "Until next time.", "More tomorrow.", "Yours sincerely",
    "Thank you.", "Case closed.", "Nothing more to add.", "The rest is silence.", "Good night.", "See you soon.",
    "End of report.",
    "To be continued.", "Now it is your turn.", "What do you think?", "Over and out.", "Best wishes", "So be it.",
    "Any questions?", "Take care.", "Happy reading!", "Mission accomplished.", "Amen.", "Farewell.", "Keep going.",
    "That was it.", "Stay safe.", "Good luck!", "I rest my case.",
)  # fmt: skip
