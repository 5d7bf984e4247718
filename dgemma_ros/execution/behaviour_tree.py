"""A plan as a behaviour tree: BehaviorTree.CPP v4's XML, with the model of its nodes that Groot2 reads.

Each skill of the catalogue is an action node of its own name, with a port for each argument. The tree is one Sequence,
which fails where a step fails; retries of the execution table become RetryUntilSuccessful. Runs nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.etree import ElementTree

from dgemma_ros.errors import DgemmaError
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.skills.catalogue import Skill, SkillCatalogue
from dgemma_ros.skills.types import PlanStep

FORMAT: Final = "4"
TREE: Final = "Plan"
_TYPES: Final = {"string": "std::string", "integer": "int", "number": "double", "boolean": "bool"}
_INT: Final = range(-(2**31), 2**31)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_REGISTERED: Final = (
    "Sequence SequenceWithMemory AsyncSequence ReactiveSequence Fallback AsyncFallback ReactiveFallback Parallel"
    " ParallelAll IfThenElse WhileDoElse TryCatch Switch2 Switch3 Switch4 Switch5 Switch6 ManualSelector Inverter"
    " RetryUntilSuccessful KeepRunningUntilFailure Repeat Timeout Delay RunOnce ForceSuccess ForceFailure Precondition"
    " AlwaysSuccess AlwaysFailure Script ScriptCondition SetBlackboard UnsetBlackboard Sleep TestNode WasEntryUpdated"
    " SkipUnlessUpdated WaitValueUpdate ConsumeQueue LoopInt LoopDouble LoopString LoopBool"
)
_ELEMENTS: Final = "root Root include BehaviorTree TreeNodesModel Action Condition Control Decorator SubTree"
_RESERVED: Final = frozenset([*_REGISTERED.split(), *_ELEMENTS.split(), TREE])
"""What BehaviorTree.CPP 4 registers itself, the format's own elements, and the name of our tree."""
_NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_RESERVED_PORTS: Final = frozenset({"name", "ID"})
_POINTER: Final = re.compile(r" *\{.+\} *|=", re.DOTALL)
"""What the format reads as the name of an entry on its blackboard."""


class TreeError(DgemmaError):
    """A skill or an argument cannot be written in the format."""


def tree_xml(
    steps: Iterable[PlanStep], catalogue: SkillCatalogue, table: ExecutionTable | None = None, task: str = ""
) -> str:
    """The plan as XML. Raises :class:`TreeError` for no steps, and for what the format reads as something else."""
    root = ElementTree.Element("root", {"BTCPP_format": FORMAT, "main_tree_to_execute": TREE})
    tree = ElementTree.SubElement(root, "BehaviorTree", {"ID": TREE})
    sequence = ElementTree.SubElement(tree, "Sequence", {"name": _instance(task)})
    for step in steps:
        skill = catalogue.skills.get(step.skill)
        if skill is None:
            raise TreeError(f"{step.skill[:64]!r} is no skill of the catalogue")
        parent = sequence
        entry = table.entries.get(step.skill) if table is not None else None
        if entry is not None and entry.retries:
            attempts = str(entry.retries + 1)
            parent = ElementTree.SubElement(sequence, "RetryUntilSuccessful", {"num_attempts": attempts})
        ports = {name: _port(skill, name, value) for name, value in step.arguments.items()}
        ElementTree.SubElement(parent, _name(skill), ports)
    if not len(sequence):
        raise TreeError("a plan without steps is no tree")
    root.append(_model(catalogue))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _model(catalogue: SkillCatalogue) -> ElementTree.Element:
    model = ElementTree.Element("TreeNodesModel")
    for skill in catalogue.skills.values():
        action = ElementTree.SubElement(model, "Action", {"ID": _name(skill)})
        for argument in skill.arguments:
            port = ElementTree.SubElement(
                action, "input_port", {"name": _port_name(skill, argument.name), "type": _TYPES[argument.type]}
            )
            port.text = _NOT_XML.sub("", argument.description) or None
        metadata = ElementTree.SubElement(action, "MetadataFields")
        ElementTree.SubElement(metadata, "Metadata", {"description": _NOT_XML.sub("", skill.description)})
    return model


def _name(skill: Skill) -> str:
    if skill.name in _RESERVED or not _NAME.fullmatch(skill.name):
        raise TreeError(f"{skill.name!r} cannot be a node's name in BehaviorTree.CPP; the skill needs another name")
    return skill.name


def _port_name(skill: Skill, name: str) -> str:
    if name in _RESERVED_PORTS or not _NAME.fullmatch(name):
        raise TreeError(f"{skill.name}.{name}: the format keeps {name!r} for itself; the argument needs another name")
    return name


def _port(skill: Skill, name: str, value: Any) -> str:
    """A value as the format reads it again."""
    argument = skill.argument(name)
    if argument is None:
        raise TreeError(f"{skill.name} has no argument {name[:64]!r}")
    if argument.type == "boolean":
        return "true" if value else "false"
    if argument.type == "integer":  # 12.0 is one too, and 1e+22 would be read as 1
        if int(value) not in _INT:
            raise TreeError(f"{skill.name}.{name}: {value} is too large for an int")
        return str(int(value))
    text = str(value)
    if _NOT_XML.search(text):
        raise TreeError(f"{skill.name}.{name}: {text[:40]!r} has characters that XML cannot hold")
    if _POINTER.fullmatch(text):
        raise TreeError(f"{skill.name}.{name}: {text[:40]!r} would be read as a blackboard entry")
    return text


def _instance(task: str) -> str:
    """A node's name for people: the task, without the characters that the format allows in no name."""
    return _NOT_XML.sub("", task).replace("\x7f", "")[:200] or "plan"


def steps_of(xml: str, catalogue: SkillCatalogue) -> list[tuple[str, Mapping[str, str]]]:
    """The calls that a tree of ours holds, in order: skill and ports as text. Raises :class:`TreeError`."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise TreeError(f"not XML ({error})") from None
    return [
        (node.tag, dict(node.attrib)) for node in root.iterfind(".//BehaviorTree//*") if node.tag in catalogue.skills
    ]
