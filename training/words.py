"""How people say it: the wordings of every kind of task, and whose they are.

*Known* ones are what training draws from, *held* ones are held out of it; *others* (`other_words.py`) and *unseen* ones
(`unseen_words.py`) are two other people's, who had seen neither.

`{o}` and `{p}` are object phrases, `{t}` a place with its preposition, the rest as the task says. A wording whose line
stands in `HELD` is never trained on: `training/evaluate.py --words held` asks in these only. Around an order come
polite words and fillers; capitals, full stops, synonyms of shapes and typing mistakes are drawn as well.

Longer than most files: it is a list.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from dgemma_ros.tabletop.scenes import SHAPES, TRAYS
from training import more_words, other_words, unseen_words

Source = Literal["known", "held", "others", "unseen"]

ORDERS = {
    "push": """push {o} {n} cm {w}|move {o} {w} by {n} cm|shift {o} {n} cm {w}|push {o} {w}, {n} cm|slide {o} {n} cm {w}
        |push {o} {w} by {n} centimetres|nudge {o} {n} cm {w}|give {o} a push of {n} cm {w}|move {o} {n} cm {w}""",
    "fetch": """pick up {o}|get {o}|grab {o}|take {o}|fetch {o}|pick {o} up|lift {o}|lift {o} up|get me {o}|give me {o}
        |bring me {o}|hand me {o}|take hold of {o}|i need {o}""",
    "put": """put {o} {t}|place {o} {t}|move {o} {t}|set {o} {t}|bring {o} {t}|{o} belongs {t}|{o} goes {t}|lay {o} {t}
        |take {o} and put it {t}|i want {o} {t}|drop {o} {t}|carry {o} {t}|transfer {o} {t}""",
    "pair": """put {o} and {p} {t}|move {o} and {p} {t}|bring {o} and {p} {t}|put {o} {t} and {p} too
        |place both {o} and {p} {t}|{o} and {p} belong {t}|first {o}, then {p} {t}|put {o} {t}, then {p}""",
    "stack": """stack {o} on {p}|put {o} on top of {p}|set {o} on {p}|place {o} on {p}|lay {o} on top of {p}
        |stack {o} on top of {p}|put {o} onto {p}|{o} goes on {p}|build a tower with {o} on {p}""",
    "clear": """clear the table, everything goes {t}|put everything on the table {t}|tidy the table up {t}|clean up the table {t}
        |clear the table {t}|move all objects on the table {t}|put all things on the table {t}|tidy up, everything {t}
        |everything on the table belongs {t}|clear the table {t} in any order|bring everything that is on the table {t}""",
    "sort": """sort them, {a} {t}, {b} {u}|put the {a} {t} and the {b} {u}|sort the table: {a} {t}, {b} {u}
        |{a} go {t}, {b} go {u}|move the {a} on the table {t} and the {b} {u}|sort: {a} {t} and {b} {u}
        |bring the {a} {t} and the {b} {u}""",
    "all_of": """put all {a} {t}|move the {a} on the table {t}|bring every one of the {a} on the table {t}|all {a} belong {t}
        |all the {a} on the table go {t}|collect the {a} {t}""",
}
QUESTIONS = {
    "count": """how many {a} are there?|how many {a} can you see?|count the {a}|what is the number of {a}?|tell me how many {a} there are
        |how many {a} do you see?|how many {a} are on the table and in the trays?|number of {a}?""",
    "count_tray": """how many objects are in the {p}?|how many things lie in the {p}?|count the objects in the {p}
        |what is the number of objects in the {p}?""",
    "where": """where is {o}?|tell me where {o} is|can you see {o}?|where can i find {o}?|where did {o} go?|find {o}
        |what is the place of {o}?|in which place is {o}?|where has {o} been put?|can you tell me where {o} is?
        |i want to know where {o} is|say where {o} is|where is {o} at the moment?|where do you see {o}?|which place is {o} in?
        |where on the table is {o}?|where did somebody put {o}?|tell me the place of {o}""",
    "moved": """what has been moved?|which object was moved?|tell me what has been moved|what was moved?|which thing has moved?
        |what did somebody move?|has anything been moved?|what changed its place?""",
    "put_back": """put back the object that was moved|put back what has been moved|undo the last move|put it back where it was
        |move it back to where it was|bring the moved object back|return what was moved to its old place""",
    "gone": """what is gone?|what has been taken away?|is anything missing?|what is missing?|which object has been removed?
        |what was taken from the table?|what disappeared?""",
    "new": """what is new?|what has been added?|is there anything new?|which object is new?|what was put there?
        |what did somebody add?""",
}
EDITS = {
    "edit_target": """no, {p} instead|use {p} instead|rather {p}|no, {t}|better {t}|{t} instead|i meant {p}|change that to {p}
        |sorry, {p}|not there, {p}""",
    "edit_object": """not {o}, {p}|take {p} instead of {o}|no, i meant {p}, not {o}|{p} instead of {o}|use {p}, not {o}
        |i said {p}, not {o}|replace {o} by {p}|sorry, {p} and not {o}|{p}, not {o}|i need {p}, not {o}
        |it should be {p}, not {o}|make it {p} instead of {o}|wrong one, {p} instead of {o}|let it be {p}, not {o}
        |no, {p} and not {o}|put {p} there, not {o}|i want {p} instead of {o}|please {p} instead of {o}
        |take {p} and not {o}|i meant {p} instead of {o}""",
    "edit_drop": """leave {o} where it is|without {o}|but not {o}|do not move {o}|skip {o}|forget about {o}|leave out {o}
        |all but {o}|not {o}|let {o} stay|let {o} stay where it is|{o} can stay there|{o} should stay|the same without {o}
        |do not take {o}|no need to move {o}|everything but {o}|{o} is not needed|keep {o} out of it|{o} not|only the rest, not {o}
        |you need not move {o}|the plan without {o}""",
    "edit_order": """the other way round|in the other order|start with the last one|reverse the order|do the last one first
        |the same in reverse order|begin with the last one|first the last one|backwards|turn the order round|in reverse
        |do it backwards|last one first|change the order|the last one should be first|not in this order""",
    "edit_add": """and {o}, too|{o} too|also {o}|add {o}|and {o} as well|do not forget {o}|the same with {o}
        |{o} as well""",
}
OTHER = {
    "go_on": """go on|continue|carry on|what is next?|next|keep going|go on with the plan|continue with the plan|what now?
        |proceed|finish it|do the rest|carry on with the task|try to finish the task""",
    "cannot": """make me a coffee|open the door|throw {o} away|throw {o} out of the window|sing a song|wash {o}|paint {o}
        |paint {o} white|turn on the light|call my mother|drive to the kitchen|cut {o} in half|break {o}|open the window
        |write a letter|play some music|cook dinner|clean the window|charge the battery|walk to the door
        |what is the weather like?|tell me a story|what time is it?|switch off the light|buy a new {s}|eat {o}|heat {o}
        |weigh {o}|how heavy is {o}?|bring me a glass of water|fly to the moon|draw a picture|read the book|go home
        |turn the music on|fold the towel|feed the cat|water the plants|lock the door|melt {o}|bend {o}""",
}
# What no skill does is more than a list: a deed and what it is done to, in any pairing.
DEEDS = """wash|paint|cut|break|eat|heat|weigh|melt|bend|buy|cook|clean|charge|fold|feed|water|lock|open|write|read|draw|play|turn on
    |turn off|switch on|switch off|call|sing|throw away|walk to|drive to|fly to|go to|wait for|think of|make|make me|bake
    |fry|boil|stir|pour|drink|taste|smell|dig|climb|jump over|dance with|whistle|shout at|count to ten with|knit|sew|dry|polish
    |scrub|dust|vacuum|mop|rinse|peel|grate|slice|chop|crush|burn|drill|weld|glue|print|scan|photograph|film|record|translate
    |email|text|message|invite|greet|hug|kiss|tickle|ride|steer|park|repair|mend|tighten|unscrew|inflate|empty|fill|wrap|post
    |sell|pay for|order|borrow|hide|bury|shake hands with|wake|dress|comb|shave|train|teach|install|reboot|update|download"""
DONE_TO = """the door|the window|the light|the kitchen|the book|the towel|the cat|the plants|the battery|the letter|the music|my mother
    |my book|my dinner|the coffee|a glass of water|the moon|the robot|the room|the lab|the radio|the network|the floor|a story|a song
    |a cake|an omelette|some soup|my car|my bike|my sister|my father|the boss|the neighbour|the dog|the baby|my trousers|my jacket
    |the carpet|the stairs|the roof|the garden|the fridge|the oven|the dishes|the sink|the bed|the curtains|the ceiling|the lift
    |the computer|the printer|the photo|a joke|an email|the police|a taxi|a pizza|some tea|some bread|my homework|my hair|a hole"""
HELD = {
    "push": "please shove {o} {n} cm {w}|push {o} {w} for {n} cm",
    "fetch": "go and get {o}|could you hand {o} to me|pick {o}",
    "put": "leave {o} {t}|{o} should be {t}|see that {o} gets {t}",
    "pair": "{o} and {p} go {t}|take {o} and {p} and put them {t}",
    "stack": "{o} on top of {p}|set {o} on top of {p}",
    "clear": "put all that is on the table {t}|the table should be clear, everything {t}",
    "sort": "the {a} belong {t} and the {b} {u}|move {a} {t}, {b} {u}",
    "all_of": "every one of the {a} goes {t}|take all {a} and put them {t}",
    "count": "how many {a} have we got?|say how many {a} there are",
    "count_tray": "how many things can you see in the {p}?",
    "where": "where is {o} now?|do you know where {o} is?|show me where {o} is|at which place can {o} be found?",
    "moved": "what has changed its place?|tell me which object was moved",
    "put_back": "bring it back to its old place|put what was moved back",
    "gone": "what was removed?|tell me what is missing",
    "new": "tell me what is new|what has somebody added?",
    "edit_target": "i want it {t} instead|sorry, i meant {p}",
    "edit_object": "i want {p}, not {o}|sorry, not {o} but {p}|better {p} than {o}",
    "edit_drop": "{o} stays where it is|do it without {o}|you can leave {o} there",
    "edit_order": "the same the other way round|please reverse it|the order should be reversed",
    "edit_add": "take {o} as well|and please {o}",
    "go_on": "go ahead|please finish|what comes next?",
    "cannot": "close the door|make me a sandwich|sweep the floor|throw {o} at the wall|phone my brother|iron my shirt",
}
NEUTRAL = """the weather is fine today|it is raining|the battery is at {n} percent|lunch is at noon|anna has gone home|the lab is open
    until six|people are in the room|the camera was cleaned|the table is made of wood|today is monday|tom will come later
    |the door is open|the light was switched on|we started at nine|the shift ends at {n}|the robot was calibrated today
    |the floor is wet|a visitor is here|the window is open|the network is slow|work went well so far|there are {n} tasks left"""
NEUTRAL_HELD = (
    """the sun is shining|the battery is nearly full|peter is in the kitchen|the radio is on|tomorrow is a holiday"""
)
BROKEN = """the gripper is broken|the arm is broken|the gripper does not work|the arm is locked|the gripper is out of order"""
BROKEN_HELD = "the arm does not work|the gripper is locked"
WORKS = "the gripper works again|the arm works again|the gripper has been repaired|the arm is free again"
NEAR = """the gripper was cleaned|the gripper is slow today|the gripper is new|the gripper was checked today|the gripper holds well
    |the arm is slow today|the arm was calibrated today|the arm is new|the arm was cleaned|a person is near|a person is near the table
    |people are near the robot|be careful with {o}|mind {o}|look out for {o}|{o} is new|{o} belongs to anna|{o} was cleaned
    |{o} is made of wood|{o} is light|{p} is new|{p} is for blocks|{p} is for balls|{p} was cleaned|{p} is made of wood"""
"""What forbids nothing, though it names the gripper, an object or a tray as notes do that matter. Not in the vocabulary."""
HANDS_OFF = "do not touch {o}|nobody may touch {o}|{o} must stay where it is|{o} is fragile, do not touch it"
CLOSED = "{p} is closed|{p} is full|nothing may go into {p}|do not use {p}"
FOREIGN = """heb den roten ball auf|wo ist der ball?|nimm das bitte|prends la balle rouge|donde esta la pelota|apri la porta|bonjour
    |guten tag|que pasa|was ist das|mets le bloc a gauche|levanta el bloque|per favore|ich verstehe nicht|stell es hin"""
STOP = "stop|emergency stop|halt|stop it|stop now|stop everything|freeze|abort"
STRANGE = ("pink", "white", "black", "brown", "grey", "golden", "silver", "transparent", "striped")
THINGS = """banana|cup|bottle|apple|spoon|book|phone|pen|hammer|key|plate|fork|box of matches|shoe|glass|screwdriver|cone|star|pyramid
    |triangle|cylinder|toy car|sponge|coin|lamp|scissors"""
THINGS_HELD = "mug|knife|remote control|wrench|teddy bear|hat"
SYLLABLES = "ba|ro|ki|tu|mel|fon|gra|zi|pol|ne|wu|tak|sim|ol|dre|xi|quo|ham|vit|lub|sna|pri"
SYNONYMS = {
    "block": ("block", "block", "block", "cube", "box"),
    "ball": ("ball", "ball", "ball", "sphere"),
    "bar": ("bar", "bar", "bar", "stick", "rod"),
    "ring": ("ring", "ring", "ring", "hoop"),
}
PLURALS = {"block": "blocks", "ball": "balls", "bar": "bars", "ring": "rings"}
BEFORE = "please |please |could you |can you |would you |robot, |hey robot, |ok, |now |now please |would you please |so, |then "
BEFORE_HELD = "kindly |hello robot, please |well, now "
BEHIND = " please| now| thanks|, please|, thank you| for me| right now"
COMMON = [
    "a",
    "an",
    "all",
    "also",
    "and",
    "any",
    "are",
    "around",
    "as",
    "at",
    "away",
    "back",
    "be",
    "been",
    "before",
    "behind",
    "belongs",
    "beside",
    "between",
    "big",
    "both",
    "bring",
    "but",
    "by",
    "can",
    "carefully",
    "close",
    "come",
    "could",
    "day",
    "did",
    "do",
    "does",
    "doing",
    "done",
    "down",
    "each",
    "else",
    "empty",
    "end",
    "every",
    "fast",
    "far",
    "few",
    "find",
    "first",
    "for",
    "found",
    "from",
    "full",
    "get",
    "give",
    "go",
    "good",
    "great",
    "has",
    "have",
    "he",
    "help",
    "her",
    "here",
    "him",
    "his",
    "hold",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "keep",
    "kind",
    "last",
    "left",
    "less",
    "let",
    "like",
    "little",
    "long",
    "look",
    "lot",
    "make",
    "many",
    "may",
    "maybe",
    "me",
    "mean",
    "might",
    "mine",
    "more",
    "most",
    "much",
    "must",
    "my",
    "near",
    "need",
    "never",
    "new",
    "next",
    "nice",
    "no",
    "none",
    "nor",
    "not",
    "nothing",
    "now",
    "of",
    "off",
    "old",
    "on",
    "once",
    "one",
    "only",
    "open",
    "or",
    "other",
    "our",
    "out",
    "over",
    "own",
    "part",
    "pick",
    "piece",
    "place",
    "point",
    "put",
    "quick",
    "quickly",
    "ready",
    "really",
    "right",
    "robot",
    "round",
    "said",
    "same",
    "say",
    "second",
    "see",
    "several",
    "she",
    "should",
    "show",
    "side",
    "slowly",
    "small",
    "so",
    "some",
    "somebody",
    "something",
    "somewhere",
    "soon",
    "still",
    "such",
    "sure",
    "table",
    "take",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "thing",
    "think",
    "third",
    "this",
    "those",
    "through",
    "time",
    "to",
    "today",
    "together",
    "too",
    "top",
    "touch",
    "toward",
    "towards",
    "tray",
    "try",
    "turn",
    "two",
    "under",
    "until",
    "up",
    "upon",
    "us",
    "use",
    "very",
    "wait",
    "want",
    "was",
    "way",
    "we",
    "well",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whole",
    "why",
    "will",
    "with",
    "without",
    "word",
    "work",
    "would",
    "wrong",
    "yes",
    "yet",
    "you",
    "your",
    "yours",
    "zero",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "half",
    "hand",
    "hands",
    "head",
    "heavy",
    "high",
    "hot",
    "cold",
    "dark",
    "bright",
    "light",
    "low",
    "mind",
    "minute",
    "moment",
    "money",
    "move",
    "must",
    "name",
    "night",
    "number",
    "object",
    "objects",
    "order",
    "outside",
    "people",
    "person",
    "push",
    "quiet",
    "ready",
    "rest",
    "room",
    "run",
    "safe",
    "short",
    "sit",
    "six",
    "sleep",
    "soft",
    "stand",
    "start",
    "stay",
    "step",
    "stone",
    "strong",
    "tall",
    "task",
    "test",
    "throw",
    "tomorrow",
    "tonight",
    "tool",
    "town",
    "truck",
    "wall",
    "warm",
    "wash",
    "water",
    "weak",
    "week",
    "wheel",
    "wide",
    "wind",
    "wood",
    "world",
    "write",
    "year",
    "young",
    "yesterday",
]


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.split("|")]


_FIRST = {kind: _lines(text) for group in (ORDERS, QUESTIONS, EDITS, OTHER) for kind, text in group.items()}
_MORE = {kind: _lines(text) for kind, text in more_words.TASKS.items()}
WORDINGS = {kind: _FIRST[kind] + _MORE[kind] for kind in _FIRST}
HELD_WORDINGS = {kind: _lines(text) for kind, text in HELD.items()}
assert not {w for k, v in HELD_WORDINGS.items() for w in v} & {w for v in WORDINGS.values() for w in v}
OTHERS, UNSEEN = (
    {kind: _lines(text) for kind, text in written.TASKS.items()} for written in (other_words, unseen_words)
)
_SOURCES = {"known": WORDINGS, "held": HELD_WORDINGS, "others": OTHERS, "unseen": UNSEEN}
_NOTES = {
    kind: f"{text}|{more_words.NOTES[kind]}"
    for kind, text in (
        ("broken", BROKEN),
        ("works", WORKS),
        ("hands_off", HANDS_OFF),
        ("closed", CLOSED),
        ("near", NEAR),
        ("neutral", NEUTRAL),
    )
}
NOTES: dict[str, dict[str, str]] = {
    "known": _NOTES,
    "held": _NOTES | {"broken": BROKEN_HELD, "neutral": NEUTRAL_HELD},
    "others": _NOTES | other_words.NOTES,
    "unseen": _NOTES | unseen_words.NOTES,
}
_WRAPPED = {*ORDERS, "put_back", "edit_drop", "edit_add", "go_on", "cannot"}  # polite words fit around these


def choose(rng: np.random.Generator, options: list[str] | tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def line(rng: np.random.Generator, text: str) -> str:
    """One of the lines of a list above."""
    return choose(rng, _lines(text))


def thing(rng: np.random.Generator, name: str) -> str:
    """An object's name as a phrase; `name` is "colour shape", "colour one" or a shape."""
    words = name.split()
    if words[-1] in SYNONYMS and rng.random() < 0.2:
        words[-1] = choose(rng, SYNONYMS[words[-1]])
    draw = rng.random()
    article = "the " if draw < 0.9 else "" if draw < 0.95 else "that "
    return article + " ".join(words)


def to(rng: np.random.Generator, place: str) -> str:
    """A place with its preposition."""
    if place in TRAYS:
        return f"{choose(rng, ('into', 'into', 'in', 'to', 'onto'))} the {place}"
    if place == "middle":
        return choose(
            rng, ("to the middle", "to the middle", "in the middle", "to the centre", "to the middle of the table")
        )
    return choose(rng, (f"to the {place}", f"to the {place}", f"on the {place}", f"to the {place} of the table"))


def ask(rng: np.random.Generator, kind: str, source: Source = "known", **slots: str) -> str:
    """A wording of that kind, filled in and spoken as people do."""
    wording = choose(rng, _SOURCES[source][kind])
    text = wording.format(**slots)
    if source in ("others", "unseen") or wording in _MORE[kind]:  # which have their own polite words
        return spoken(rng, text, 0.04 if source == "known" else 0.0)
    if kind in _WRAPPED and not wording.startswith("please"):
        return polite(rng, text, source)
    return spoken(rng, text, 0.04 if source == "known" else 0.0)


def polite(rng: np.random.Generator, text: str, source: Source = "known") -> str:
    """An order, now and then with polite words around it."""
    held = source == "held"
    if rng.random() < (0.5 if held else 0.35):
        if rng.random() < 0.6:
            text = line_raw(rng, BEFORE_HELD if held and rng.random() < 0.5 else BEFORE) + text
        else:
            text += line_raw(rng, BEHIND)
    return spoken(rng, text, 0.0 if held else 0.04)


def note(rng: np.random.Generator, kind: str, source: Source = "known") -> str:
    """A note of that kind, with its slots."""
    return line(rng, NOTES[source][kind])


def line_raw(rng: np.random.Generator, text: str) -> str:
    return choose(rng, text.split("|"))


def deed(rng: np.random.Generator, obj: str) -> str:
    """What no skill does, to a thing on the table or to anything else."""
    what, to = line(rng, DEEDS), thing(rng, obj) if rng.random() < 0.4 else line(rng, DONE_TO)
    verb, _, particle = what.partition(" ")
    text = f"{verb} {to} {particle}" if particle in ("on", "off", "away") else f"{what} {to}"
    return polite(rng, text)


UNKNOWN = "\ue000"  # stands for a word that the model has never met: see batches.Writer


def unknown_deed(rng: np.random.Generator, obj: str) -> str:
    """What no skill does, in a word never met."""
    to = (thing(rng, obj), line(rng, DONE_TO), f"{choose(rng, ('the', 'my', 'a'))} {UNKNOWN}")[int(rng.integers(3))]
    return polite(
        rng, choose(rng, ("{u} {to}", "{u} {to}", "{u} {to}", "make {to}", "give {to} a {u}")).format(u=UNKNOWN, to=to)
    )


def unknown_thing(rng: np.random.Generator) -> str:
    """What a skill does, with a thing never heard of."""
    what = f"{choose(rng, ('the', 'my', 'a'))} {UNKNOWN}"
    return ask(rng, choose(rng, ("fetch", "put", "where")), o=what, t=to(rng, choose(rng, (*TRAYS, "middle"))))


def spoken(rng: np.random.Generator, text: str, typos: float = 0.0) -> str:
    """With or without a capital and a full stop; now and then with a typing mistake."""
    if rng.random() < typos:
        text = _typo(rng, text)
    draw = rng.random()
    if draw < 0.4:
        text = text[0].upper() + text[1:]
    if text.endswith("?"):
        return text[:-1] if rng.random() < 0.1 else text
    return text + (("." if rng.random() < 0.85 else "!") if rng.random() < 0.45 else "")


def _typo(rng: np.random.Generator, text: str) -> str:
    """Two letters swapped, one doubled or one left out, in a word of four letters or more that is no name."""
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
    if not long:
        return text
    i = long[int(rng.integers(len(long)))]
    word, at = words[i], int(rng.integers(1, len(words[i]) - 1))
    made = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1 :],
    )
    words[i] = made[int(rng.integers(3))]
    return " ".join(words)


def nonsense(rng: np.random.Generator, source: Source = "known") -> str:
    """What nobody could act on: no words, other languages, words in no order, an unknown thing, "stop"."""
    draw = rng.random()
    if draw < 0.2:
        words = [
            "".join(choose(rng, SYLLABLES.split("|")) for _ in range(int(rng.integers(1, 4))))
            for _ in range(int(rng.integers(1, 5)))
        ]
        return spoken(rng, " ".join(words))
    if draw < 0.35:
        return spoken(rng, line(rng, FOREIGN))
    if draw < 0.5:
        return spoken(rng, line(rng, STOP))
    if draw < 0.65:
        return spoken(rng, " ".join(choose(rng, COMMON) for _ in range(int(rng.integers(1, 7)))))
    if draw < 0.7:
        return spoken(
            rng, "".join(choose(rng, tuple("abcdefghijklmnopqrstuvwxyz")) for _ in range(int(rng.integers(1, 9))))
        )
    if draw < 0.85:
        what = f"{choose(rng, STRANGE)} {choose(rng, SHAPES)}"
    else:
        what = line(rng, THINGS if source == "known" else THINGS_HELD)
        if rng.random() < 0.3:
            what = f"{choose(rng, ('red', 'green', 'blue', 'yellow', 'purple', 'orange'))} {what}"
    kind = choose(rng, ("fetch", "fetch", "put", "where"))
    return ask(rng, kind, source, o=f"the {what}", t=to(rng, choose(rng, ("left tray", "right tray", "middle"))))


def vocabulary() -> list[str]:
    """Every text whose words should be whole tokens."""
    lists = (NEUTRAL, NEUTRAL_HELD, BROKEN, BROKEN_HELD, WORKS, HANDS_OFF, CLOSED, FOREIGN, STOP, THINGS, THINGS_HELD)
    texts = [w for group in (_FIRST, HELD_WORDINGS) for lines in group.values() for w in lines]
    texts += [w for text in lists for w in _lines(text)]
    texts += [" ".join(COMMON), " ".join(STRANGE), BEFORE.replace("|", " "), BEHIND.replace("|", " ")]
    texts += [
        " ".join(["sphere", *dict.fromkeys(w for words in SYNONYMS.values() for w in words)]),
        "to the middle of the table, in the centre onto",
    ]
    return [t.replace("{", " ").replace("}", " ") for t in texts]
