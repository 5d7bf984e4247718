"""Talks as they happen in use: pictures, notes, tasks, plans, edits, results, changes on the table, one after another.

A session has a *trunk*, the log as the planner would have it, piece by piece in the planner's own cuts, and *leaves*:
tasks that are asked at some point of it, each with its right plan. A leaf sees the trunk up to its branch and nothing
of the other leaves; what was asked and stays in the log stands in the trunk as well. Frames that were forgotten before
the log begins are known to nobody: no leaf asks for them.

Longer than most files: each thing that can happen in a talk is a few lines here, and all change the same talk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgemma_ros.context.results import NO_ROOM, NOT_FOUND, PERSON, ResultStatus
from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import PLACES, Object, put, sample_count, sample_objects
from training import notes, prompt, tasks, words
from training.checkpoint_sizes import NARROW, POSITIONS, WIDE
from training.tasks import Moment, Outcome, Plan, Task, View

WEIGHTS = {
    "cannot": 0.5,
    "unclear": 0.9,
    "push": 0.6,
    "fetch": 0.9,
    "refer": 1.2,
    "put": 1.1,
    "pair": 0.9,
    "stack": 0.7,
    "extreme": 1.4,
    "clear": 1.1,
    "sort": 1.3,
    "all_of": 0.8,
    "count": 1.7,
    "where": 0.9,
    "which": 5.0,
    "moved": 1.4,
    "put_back": 1.4,
    "gone": 1.1,
    "new": 0.9,
}
_PLAIN = list(WEIGHTS)
EDITS = {"edit_target": 1.0, "edit_object": 1.0, "edit_drop": 2.0, "edit_order": 2.0, "edit_add": 1.0}
MOVERS = ("push", "fetch", "refer", "put", "pair", "stack", "extreme", "clear", "sort", "all_of", "put_back", *EDITS)
"""Kinds whose plans move something, so that a note may forbid them."""
LED = {"": "user\n", "frame": "\n", "result": "\n", "note": "", "turn": "user\n"}
"""What a piece of each kind leaves for the next one to begin with; "": the system turn."""
KEPT_FRAMES, KEPT_TURNS, KEPT_NOTES = 3, 1, 8  # as the planner's settings have it
REPEATABLE = ("put", "pair", "clear", "all_of", "sort", "fetch", "stack")  # which mean the same when said again


@dataclass(frozen=True)
class Piece:
    """One entry of the log. `words` are encoded as anybody's, then come `control` ids' text and `picture`'s tokens."""

    words: str
    control: str = ""
    picture: int = -1
    kind: str = ""
    says: str = ""  # the bare text of a note or a task, for the planner
    told: Outcome | None = None
    plan: Plan = ()


@dataclass(frozen=True)
class Leaf:
    """A task asked behind `at` pieces, its words with what the piece before carries over."""

    at: int
    words: str
    task: Task
    after: str = ""  # what came directly before: "", "turn", "note", "result" or "frame"


@dataclass(frozen=True)
class Picture:
    moment: Moment
    camera: str
    seconds: int
    number: int  # of the moment in the history
    history: tuple[Moment, ...]


@dataclass
class Session:
    look: render.Look
    size: tuple[int, int]
    pieces: list[Piece] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """What sessions look like. `rounds`: times at which something happens; `asked`: leaves a round; `idle`: frames
    without anything between two rounds; `source`: in whose words."""

    rounds: tuple[int, int] = (1, 4)
    asked: tuple[int, int] = (2, 4)
    idle: tuple[int, int] = (0, 0)
    first: tuple[int, int] = (1, 2)  # frames before the first task
    most: int = 8  # leaves
    source: words.Source = "known"
    rough: float = 0.5
    wide: bool = False
    rear: float = 0.08
    forgotten: float = 0.2
    past: float = 0.0  # share of sessions that begin with what the planner keeps of some rounds before
    filled: bool = False  # up with tasks asked in the end, until there are `most`
    mix: tuple[tuple[str, float], ...] = ()  # kinds, and how many times as often as usual they are asked
    unknown: float = 0.0  # share of what cannot be done or understood that is said in words never met
    heed: float = 1.0  # how many times as often as usual a note matters
    notes: float = 0.22  # share of rounds in which somebody says something
    forbidden: float = 0.0  # share of tasks, where a note forbids a thing or tray, that are drawn to ask for just that


class Talk:
    """Makes one session, step by step; a function of the generator."""

    def __init__(self, rng: np.random.Generator, shape: Shape):
        self.rng, self.shape = rng, shape
        size = WIDE if shape.wide else NARROW
        self.session = Session(render.Look.draw(int(rng.integers(2**31)), bool(rng.random() < shape.rough)), size)
        count = sample_count(rng)
        twins = count >= 2 and rng.random() < 0.14
        self.state: Moment = tuple(sample_objects(rng, count, float(rng.choice([0.0, 0.25, 0.5])), twins))
        self.view = View(())
        self.cameras = (render.FRONT, render.REAR) if rng.random() < shape.rear else (render.FRONT,)
        self.mix = dict(shape.mix)
        self.clock = 0 if rng.random() < 0.4 else int(rng.integers(0, 3000))
        self.carry = LED[""]
        self.last = ""
        self.repeatable = False

    # -- what happens ---------------------------------------------------------------------------------------------

    def frame(self) -> None:
        """The cameras' pictures of the table as it is."""
        self.view = replace(self.view, moments=(*self.view.moments, self.state))
        for camera in self.cameras:
            name = f" {camera}" if len(self.cameras) > 1 else ""
            clock = f"{self.clock // 60:02d}:{self.clock % 60:02d}"
            number = len(self.session.pictures)
            seen = Picture(self.state, camera, self.clock, len(self.view.moments) - 1, self.view.moments)
            self.session.pictures.append(seen)
            self.add(Piece(f"{self.carry}{clock}{name} ", "", number, "frame"))
        self.clock += int(self.rng.integers(1, 20))

    def add(self, piece: Piece) -> None:
        self.session.pieces.append(piece)
        self.carry, self.last = LED[piece.kind], piece.kind

    def warn(self) -> None:
        """Now and then somebody speaks up about a plan that was just made, most often to forbid some of it."""
        share, view = self.shape.forbidden, self.view
        if not share or view.earlier is None or self.rng.random() >= share / 2:
            return
        names = [arguments["object"] for _, arguments in view.earlier[1] if arguments.get("object")]
        kind = str(self.rng.choice(["hands_off", "closed", "near", "neutral"], p=[0.45, 0.2, 0.25, 0.1]))
        if names or kind != "hands_off":
            self.say(kind, names)

    def note(self) -> None:
        """Somebody says something; now and then it matters."""
        rng, view = self.rng, self.view
        draw = rng.random()
        if not (view.broken and draw < 0.5):
            draw /= self.shape.heed
        if view.broken and draw < 0.5:
            kind = "works"
        elif draw < 0.12 and not view.broken:
            kind = "broken"
        elif draw < 0.2 and self.state:
            kind = "hands_off"
        else:
            kind = "closed" if draw < 0.26 else "near" if rng.random() < 0.5 else "neutral"
        self.say(kind, [o.name for o in self.state])

    def say(self, kind: str, names: list[str]) -> None:
        """A note of that kind, about one of those things where it is about one."""
        text, self.view = notes.told(self.rng, self.view, kind, names, self.shape.source)
        self.add(Piece(f"{self.carry}note: {text}\n", kind="note", says=text))

    def event(self) -> None:
        """Somebody moves, takes or brings one thing."""
        rng, objects = self.rng, list(self.state)
        what = str(rng.choice(["moved", "gone", "new"], p=[0.6, 0.22, 0.18]))
        single = [o for o in objects if sum(p.name == o.name for p in objects) == 1]
        if what == "new" or not single:
            if len(objects) >= 8:
                return
            name = tasks.missing(rng, self.state)
            colour, shape = name.split()
            obj = Object(colour, shape, "middle", 0, 0, float(rng.uniform(0, 6.3)), float(rng.uniform(0.9, 1.08)))
            laid = put(rng, objects, obj, PLACES[int(rng.integers(len(PLACES)))])
            self.state = (*self.state, laid) if laid else self.state
            return
        who = single[int(rng.integers(len(single)))]
        if what == "gone":
            self.state = tuple(o for o in objects if o is not who)
        else:
            self.move(who.name, PLACES[int(rng.integers(len(PLACES)))])

    def move(self, name: str, place: str) -> bool:
        """Puts the first object of that name elsewhere; whether there was room."""
        who = next((o for o in self.state if o.name == name), None)
        if who is None:
            return False
        others = [o for o in self.state if o is not who]
        turned = replace(who, angle=float(self.rng.uniform(0, 6.3)))
        laid = put(self.rng, others, turned, place) if who.place != place else who
        if laid is None:
            return False
        self.state = tuple(laid if o is who else o for o in self.state)
        return True

    # -- what is asked --------------------------------------------------------------------------------------------

    def draw(self, kinds: list[str] | None = None) -> Task | None:
        """A task that can be asked now."""
        rng = self.rng
        if kinds is None:
            odds = np.array([weight * self.mix.get(kind, 1.0) for kind, weight in WEIGHTS.items()])
            kinds = [str(k) for k in rng.choice(_PLAIN, 4, p=odds / odds.sum())]
        for kind in kinds:
            task = tasks.make(rng, self.view, kind, self.shape.source)
            if task is not None and self.shape.unknown and rng.random() < self.shape.unknown:
                task = self.unmet(task)
            if task is not None and len(task.text) < 110:
                return task
        return None

    def tempting(self, task: Task | None) -> Task | None:
        """The task, or now and then another that asks for what a note forbids of a thing or a tray: few do by chance,
        too few to learn from."""
        view, share = self.view, self.shape.forbidden
        if not share or view.broken or not (view.hands_off or view.closed) or self.rng.random() >= share:
            return task
        for _ in range(16):
            if task is not None and task.forbidden:
                break
            task = self.draw([str(kind) for kind in self.rng.permutation(MOVERS)]) or task
        return task

    def unmet(self, task: Task) -> Task:
        """The same in words never met, where what cannot be done or understood is asked."""
        if task.kind == "cannot":
            name = self.state[int(self.rng.integers(len(self.state)))].name if self.state else "red block"
            return replace(task, text=words.unknown_deed(self.rng, name))
        return replace(task, text=words.unknown_thing(self.rng)) if task.kind == "unclear" else task

    def ask(self, task: Task | None) -> None:
        if task is not None and len(self.session.leaves) < self.shape.most:
            leaf = Leaf(len(self.session.pieces), self.carry + task.text, task, self.last)
            self.session.leaves.append(leaf)

    def commit(self, task: Task, plan: Plan | None = None) -> None:
        """The task and its plan stay in the log."""
        self.repeatable = task.kind in REPEATABLE and plan is None
        plan = task.plan if plan is None else plan
        control = f"{prompt.REPLY}{prompt.plan_text(plan)}<turn|>\n<|turn>"
        self.add(Piece(self.carry + task.text, control, kind="turn", says=task.text, plan=plan))
        self.view = replace(self.view, earlier=(task.text, plan), results=())

    def follow_up(self) -> None:
        """Edits of the plan before."""
        self.warn()
        for _ in range(int(self.rng.integers(1, 4))):
            task = self.tempting(self.edit())
            self.ask(task)
            if task is not None and self.rng.random() < 0.4:
                self.commit(task)

    def edit(self) -> Task | None:
        """An edit of the plan before, where it can be edited."""
        odds = np.array([weight * self.mix.get(kind, 1.0) for kind, weight in EDITS.items()])
        order = self.rng.choice(list(EDITS), np.count_nonzero(odds), False, odds / odds.sum())
        return self.draw([str(k) for k in order])

    def carry_out(self) -> None:
        """The plan before is carried out, call by call, as far as nothing goes wrong; the log is told; then somebody
        says "go on", or the same task again."""
        rng, earlier = self.rng, self.view.earlier
        if earlier is None or self.view.broken or not tasks.can_be_done(earlier[1]):
            return
        told: list[Outcome] = []
        seen = False  # only a picture tells what has become of it
        for outcome in tasks.some_results(rng, self.view, earlier[1]):
            skill, arguments = outcome.call
            name, target = arguments["object"], arguments.get("target", "")
            if outcome.status is ResultStatus.SUCCEEDED and not self.done(skill, arguments):
                if not target.endswith("tray"):
                    return
                outcome = Outcome(outcome.call, ResultStatus.FAILED, NO_ROOM)
            told.append(outcome)
            if outcome.reason == NOT_FOUND:
                self.state = tuple(o for o in self.state if o.name != name)
            elif outcome.reason == PERSON:
                self.move(name, PLACES[int(rng.integers(len(PLACES)))])
                seen = True
            elif outcome.status in (ResultStatus.TIMED_OUT, ResultStatus.UNKNOWN):
                seen = True
                if skill == "place" and rng.random() < 0.5:
                    self.move(name, target)
            if outcome.status is not ResultStatus.SUCCEEDED:
                break
        for outcome in told:
            self.tell(outcome)
        self.view = replace(self.view, results=tuple(told))
        self.go_on(seen, earlier[0])
        self.view = replace(self.view, results=())

    def go_on(self, seen: bool, text: str) -> None:
        """What is asked after results, with or, unless `seen`, without a newer picture."""
        rng = self.rng
        if seen or rng.random() < 0.7:
            self.frame()
        self.warn()
        self.ask(self.draw(["go_on"]))
        again = self.draw(["go_on"])
        if again is not None and self.repeatable:
            again = replace(again, text=words.spoken(rng, text.rstrip(".!")))
            self.ask(again)
        if self.last != "frame":
            self.frame()
        task = again if rng.random() < 0.5 else self.draw(["go_on"])
        if task is not None and rng.random() < 0.5:
            self.commit(task)
        else:  # what was carried out is no longer a plan that could be changed
            self.view = replace(self.view, earlier=None)

    def tell(self, outcome: Outcome) -> None:
        """A result into the log."""
        skill, arguments = outcome.call
        control = prompt.result_text(skill, arguments, str(outcome.status), outcome.reason)
        self.add(Piece(self.carry, control, kind="result", told=outcome))

    def done(self, skill: str, arguments: dict[str, Any]) -> bool:
        """Carries a call out; False where there is no room."""
        name = arguments["object"]
        who = next((o for o in self.state if o.name == name), None)
        if skill == "place":
            return self.move(name, arguments["target"])
        rest = tuple(o for o in self.state if o is not who)
        base = next((o for o in rest if o.name == arguments.get("on")), None)
        if skill == "stack" and who is not None and base is not None:
            rest = (*rest, replace(who, place=base.place, x=base.x, y=base.y))
        self.state = rest
        return True

    def forgotten(self) -> None:
        """A turn or a note of before the log's first frame; what it rests on is gone, but not what it said."""
        rng = self.rng
        if rng.random() < 0.4:
            self.note()
        seen = replace(self.view, moments=(self.state,))
        task = tasks.make(rng, seen, _PLAIN[int(rng.integers(len(_PLAIN)))])
        if task is not None and rng.random() < 0.8:
            self.commit(task)
        self.view = replace(self.view, earlier=None)
        if rng.random() < 0.5:
            self.event()

    def keep(self) -> None:
        """Forgets what the planner would have forgotten by now, and the tasks asked so far."""
        made = self.session
        frames = [p for p in made.pieces if p.kind == "frame"][-KEPT_FRAMES:]
        turns = [i for i, p in enumerate(made.pieces) if p.kind == "turn"]
        notes = [p for p in made.pieces if p.kind == "note"][-KEPT_NOTES:]
        since = turns[-KEPT_TURNS] if turns else 0
        pieces: list[Piece] = []
        pictures: list[Picture] = []
        before, first = "", made.pictures[frames[0].picture].number if frames else 0
        for number, piece in enumerate(made.pieces):
            own, before = piece.words[len(LED[before]) :], piece.kind
            kept = number >= since if piece.kind in ("turn", "result") else any(piece is p for p in (*frames, *notes))
            if not kept:
                continue
            led = LED[pieces[-1].kind if pieces else ""]
            if piece.picture >= 0:
                seen = made.pictures[piece.picture]
                piece = replace(piece, picture=len(pictures))
                pictures.append(replace(seen, number=seen.number - first, history=seen.history[first:]))
            pieces.append(replace(piece, words=led + own))
        self.session = replace(made, pieces=pieces, pictures=pictures, leaves=[])
        self.view = replace(self.view, moments=self.view.moments[first:])
        self.last = pieces[-1].kind if pieces else ""
        self.carry = LED[self.last]

    def round(self, first: bool) -> bool:
        """Frames, tasks asked, one that stays, and what comes of it; False when there are tasks enough."""
        rng, shape = self.rng, self.shape
        if first or rng.random() < 0.65:
            for k in range(int(rng.integers(shape.first[0], shape.first[1] + 1)) if first else 1):
                if (k or not first) and rng.random() < 0.6:
                    self.event()
                    self.view = replace(self.view, earlier=None, results=())
                self.frame()
        for _ in range(int(rng.integers(shape.idle[0], shape.idle[1] + 1))):
            self.frame()
        if self.view.earlier is not None and rng.random() < 0.35:
            self.follow_up()
        if rng.random() < shape.notes:
            self.note()
        asked = [self.tempting(self.draw()) for _ in range(int(rng.integers(shape.asked[0], shape.asked[1] + 1)))]
        for task in asked:
            self.ask(task)
        if len(self.session.leaves) >= shape.most:
            return False
        often = ["pair", "pair", "put", "all_of", "clear", "sort"]
        kinds = [str(k) for k in rng.permutation(often)] if rng.random() < 0.6 else None
        chosen = asked[0] if asked and rng.random() < 0.3 else self.draw(kinds)
        if chosen is None:
            return True
        if chosen not in asked and rng.random() < 0.3:
            self.ask(chosen)
        wrong = tasks.spoiled(rng, chosen.plan, [o.name for o in self.view.now]) if rng.random() < 0.12 else None
        self.commit(chosen, wrong)
        draw = rng.random()
        if draw < 0.4:
            self.carry_out()
        elif draw < 0.8:
            self.follow_up()
        return True

    def run(self) -> Session:
        rng, shape = self.rng, self.shape
        if rng.random() < shape.forgotten:
            self.forgotten()
        begun = len(self.cameras) == 1 and rng.random() < shape.past
        if begun:
            for number in range(int(rng.integers(1, 5))):
                self.round(number == 0)
                self.session.leaves.clear()
            self.keep()
        for number in range(int(rng.integers(shape.rounds[0], shape.rounds[1] + 1))):
            if not self.round(number == 0 and not begun):
                break
        for _ in range(2 * shape.most if shape.filled else 0):
            edits = self.view.earlier is not None and rng.random() < 0.5
            self.ask(self.tempting(self.edit() if edits else self.draw()))
        return self.session


def sample(rng: np.random.Generator, shape: Shape = Shape()) -> Session:
    """A session with at least one leaf."""
    while True:
        session = Talk(rng, shape).run()
        if session.leaves:
            return session


def jumps(rng: np.random.Generator, pieces: list[Piece], most: int) -> list[int]:
    """How far the positions run ahead before each piece: rows that were forgotten leave gaps; POSITIONS at most."""
    gaps = [0] * len(pieces)
    draw = rng.random()
    if draw < 0.25 and pieces:
        gaps[0] = int(rng.integers(0, POSITIONS - most))
    elif draw < 0.4 and pieces:
        left = int(rng.integers(0, 4000))
        for _ in range(3):
            gaps[int(rng.integers(len(pieces)))] += left // 3
    return gaps


def as_planner(session: Session) -> list[tuple[str, Any]]:
    """The pieces as what a planner is given: ("frame", Picture), ("note", text), ("turn", (text, plan)), ("result",
    Outcome)."""
    given: list[tuple[str, Any]] = []
    for piece in session.pieces:
        value: Any = {"frame": None, "note": piece.says, "turn": (piece.says, piece.plan), "result": piece.told}[
            piece.kind
        ]
        given.append((piece.kind, session.pictures[piece.picture] if piece.kind == "frame" else value))
    return given
