"""Trees, good and bad, to be put before the parser: what we write of odd plans, and what is one change away from it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from dgemma_ros.execution.behaviour_tree import TreeError, tree_xml
from dgemma_ros.execution.entry import Entry
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.types import PlanStep, Scalar
from tests.execution.btcpp.rules import Nodes

TYPES = {"string": "std::string", "integer": "int", "number": "double", "boolean": "bool"}
CATALOGUE = SkillCatalogue.of(
    {
        "skills": [
            {"name": "say", "description": "Say <it> & more.", "arguments": {"text": {"type": "string"}}},
            {
                "name": "move",
                "description": "Move.",
                "arguments": {
                    "distance": {"type": "integer", "description": "in cm"},
                    "gently": {"type": "boolean"},
                    "speed": {"type": "number"},
                },
            },
            {"name": "halt-now_2", "description": "Stop."},
        ]
    }
)
NODES: Nodes = {
    name: {argument.name: TYPES[argument.type] for argument in skill.arguments}
    for name, skill in CATALOGUE.skills.items()
}
TABLE = ExecutionTable({"say": Entry("say", "a", retries=2), "halt-now_2": Entry("halt-now_2", "a")})
WORDS = (
    *("", " ", "hello", "näh ☃ 木", "quo\"te's & <tags>", "line\nbreak\tand\rreturn", "{x}", " {x} ", "{}", "{", "{x"),
    *("=", "{=}", "==", "$x", "json:1", "json:{}", "1;2;3", "\x7f", "\u0085", "\ufdd0", "\U0001f916", "a" * 300),
    *("]]>", "&#10;", "{\n}", "{a}\n", "\t{a}", "-->", "<!--", "${HOME}", "\\", "true", "1e5"),
)
NUMBERS: tuple[dict[str, Scalar], ...] = (
    {"distance": 0, "gently": True, "speed": 0.1},
    {"distance": -(2**31), "gently": False, "speed": -1e-300},
    {"distance": 2**31 - 1, "speed": 1e300},
    {"distance": 12.0, "speed": 3},
    {},
)


@dataclass(frozen=True)
class Case:
    """``steps`` is the plan that a tree of ours is of; None for a tree that was changed."""

    name: str
    xml: str
    nodes: Nodes
    steps: tuple[PlanStep, ...] | None = None


def ours() -> Iterator[Case]:
    """Trees that we write."""
    plans = [(PlanStep("say", {"text": word}, 1.0), PlanStep("halt-now_2", {}, 1.0)) for word in WORDS]
    plans += [(PlanStep("move", values, 1.0),) for values in NUMBERS]
    for number, steps in enumerate(plans):
        task = WORDS[number % len(WORDS)]
        for table in (None, TABLE):
            try:
                xml = tree_xml(steps, CATALOGUE, table, task)
            except TreeError:
                continue
            yield Case(f"plan {number}{', with retries' if table else ''}", xml, NODES, steps)


BASE = tree_xml(
    [PlanStep("say", {"text": "hello"}, 1.0), PlanStep("move", dict(NUMBERS[0]), 1.0)], CATALOGUE, TABLE, "a task"
)
CHANGES: dict[str, tuple[str, str]] = {
    "no main tree of that name": ('main_tree_to_execute="Plan"', 'main_tree_to_execute="Plans"'),
    "no main tree named": (' main_tree_to_execute="Plan"', ""),
    "no format": (' BTCPP_format="4"', ""),
    "another root": ("root", "Root"),
    "no tree": ("BehaviorTree", "BehaviourTree"),
    "a tree without ID": ('<BehaviorTree ID="Plan">', "<BehaviorTree>"),
    "a tree named as a skill": ('"Plan"', '"say"'),
    "a tree named Root": ('"Plan"', '"Root"'),
    "a tree's name with a space": ('"Plan"', '"my plan"'),
    "a tree's name with a dot": ('"Plan"', '"my.plan"'),
    "a tree's name with a letter": ('"Plan"', '"plän"'),
    "a node that is not known": ('<say text="hello" />', '<sing text="hello" />'),
    "a port that is not known": ('text="hello"', 'words="hello"'),
    "a port with an underscore": ('text="hello"', 'text="hello" _x="1"'),
    "a port that cannot be one": ('text="hello"', 'te.xt="hello"'),
    "no port": ('text="hello" ', ""),
    "a blackboard entry": ('text="hello"', 'text="{hello}"'),
    "a blackboard entry with spaces": ('text="hello"', 'text="  {hello} "'),
    "a blackboard entry, short": ('text="hello"', 'text="="'),
    "nothing in braces": ('text="hello"', 'text="{}"'),
    "a name": ('text="hello"', 'text="hello" name="a/b. c"'),
    "a name with DEL": ('text="hello"', 'text="hello" name="a\x7fb"'),
    "a name with a line break": ('text="hello"', 'text="hello" name="a&#10;b"'),
    "an ID": ('text="hello"', 'text="hello" ID="say"'),
    "the long form": ('<say text="hello" />', '<Action ID="say" text="hello" />'),
    "the long form without ID": ('<say text="hello" />', '<Action text="hello" />'),
    "the long form of none": ('<say text="hello" />', '<Action ID="sing" text="hello" />'),
    "a child of an action": ('<say text="hello" />', '<say text="hello"><say text="x"/></say>'),
    "text in an action": ('<say text="hello" />', '<say text="hello">words</say>'),
    "no int": ('distance="0"', 'distance="far"'),
    "an int with a rest": ('distance="0"', 'distance="7 cm"'),
    "an int with a plus": ('distance="0"', 'distance="+7"'),
    "an int, empty": ('distance="0"', 'distance=""'),
    "an int, too large": ('distance="0"', 'distance="2147483648"'),
    "an int, far too large": ('distance="0"', 'distance="99999999999999999999"'),
    "no double": ('speed="0.1"', 'speed="fast"'),
    "a double with a comma": ('speed="0.1"', 'speed="0,1"'),
    "a double with a dot before": ('speed="0.1"', 'speed=".5"'),
    "no bool": ('gently="true"', 'gently="yes"'),
    "a bool, 1": ('gently="true"', 'gently="1"'),
    "no attempts": ('num_attempts="3"', 'num_attempts="many"'),
    "one attempt": ('num_attempts="3"', 'num_attempts="1"'),
    "two children of a decorator": ('<say text="hello" />', '<say text="hello" /><say text="x" />'),
    "no child of a decorator": ('<say text="hello" />', ""),
    "two models": ("</root>", "<TreeNodesModel/></root>"),
    "no model": ("TreeNodesModel", "Models"),
    "a comment": ('<say text="hello" />', '<!-- say --><say text="hello" />'),
    "an entity of none": ("hello", "&hello;"),
    "an attribute twice": ('text="hello"', 'text="hello" text="x"'),
    "a cut": ("</root>", ""),
    "the end twice": ("</root>", "</root></root>"),
    "no declaration": ('<?xml version="1.0" encoding="UTF-8"?>\n', ""),
}


def changed() -> Iterator[Case]:
    """Trees that are one change away from ours, by hand and at random."""
    for name, (before, after) in CHANGES.items():
        assert before in BASE, name
        yield Case(name, BASE.replace(before, after), NODES)
    for skill, port in (("Sequence", "text"), ("Plan", "text"), ("Root", "text"), ("a b", "text"), ("Wait", "text")):
        yield Case(f"a skill called {skill}", BASE, {**NODES, skill: {port: "std::string"}})
    for port in ("name", "ID", "_x", "9x", "x.y", "x y", "xä", "x-y"):
        yield Case(f"a port called {port}", BASE, {**NODES, "other": {port: "std::string"}})
    luck = random.Random(4)
    for number in range(60):
        yield Case(f"random {number}", _shuffled(luck), NODES)


def _shuffled(luck: random.Random) -> str:
    """One or two elements or attributes removed, doubled or put elsewhere."""
    root = ElementTree.fromstring(BASE)
    for _ in range(luck.randint(1, 2)):
        parents = [node for node in root.iter() if len(node)]
        parent = luck.choice(parents)
        child = luck.choice(list(parent))
        kind = luck.randrange(4)
        if kind == 0:
            parent.remove(child)
        elif kind == 1:
            parent.append(child)
        elif kind == 2 and child.attrib:
            del child.attrib[luck.choice(list(child.attrib))]
        else:
            child.tag = luck.choice(["Sequence", "say", "halt-now_2", "RetryUntilSuccessful", "BehaviorTree", "move"])
    return ElementTree.tostring(root, encoding="unicode")
