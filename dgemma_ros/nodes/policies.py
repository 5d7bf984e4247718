"""SROS2 policies, made of the tables of names: ``python -m dgemma_ros.nodes.policies docker/security`` writes them.

A policy says what a node with its keys may publish, subscribe, offer and call; under DDS security it can do nothing
else. Knows no ROS.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dgemma_ros.nodes import topics
from dgemma_ros.nodes.topics import Kind, Name

PARAMETER_SERVICES = (
    "~/describe_parameters",
    "~/get_parameter_types",
    "~/get_parameters",
    "~/list_parameters",
    "~/set_parameters",
    "~/set_parameters_atomically",
)
TYPE_SERVICE = "~/get_type_description"
LIFECYCLE_SERVICES = (
    "~/change_state",
    "~/get_available_states",
    "~/get_available_transitions",
    "~/get_state",
    "~/get_transition_graph",
)
LOGGER_SERVICES = ("~/get_logger_levels", "~/set_logger_levels")
EVERY_NODE = ("/rosout", "/parameter_events")
TRANSITION = "~/transition_event"
CALLED = "called"
"""The first word about a service or action that a node does not offer but calls."""


@dataclass(frozen=True)
class Policy:
    """What one node may do. Names as in the tables: relative, ``~/`` for the node's own, absolute."""

    node: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    request: tuple[str, ...] = ()
    execute: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    enclave: str = ""
    """Where its keys lie, if not under the node's name."""

    @property
    def name(self) -> str:
        """Of the enclave, and so of the file."""
        return self.enclave or self.node


def policy(node: str, names: Iterable[Name], lifecycle: bool = False, loggers: bool = False) -> Policy:
    """The policy of a node of ours: its table, and what every rclpy node has.

    ``loggers``: its log levels can be set by service.
    """
    found: dict[str, list[str]] = {"publish": [*EVERY_NODE], "reply": [*PARAMETER_SERVICES, TYPE_SERVICE]}
    if lifecycle:
        found["publish"].append(TRANSITION)
        found["reply"] += LIFECYCLE_SERVICES
    if loggers:
        found["reply"] += LOGGER_SERVICES
    for name in names:
        called = name.about.startswith(CALLED)
        may = {
            Kind.IN: "subscribe",
            Kind.OUT: "publish",
            Kind.SERVICE: "request" if called else "reply",
            Kind.ACTION: "call" if called else "execute",
        }[name.kind]
        found.setdefault(may, []).append(name.name)
        if may == "subscribe" and name.name == topics.IMAGE.name:  # by the parameter image_transport
            found[may].append(topics.IMAGE_COMPRESSED.name)
    allowed: dict[str, Any] = {may: tuple(dict.fromkeys(sorted(those))) for may, those in found.items()}
    return Policy(node, **allowed)


def _shown(names: Sequence[Name], kind: Kind) -> tuple[str, ...]:
    return tuple(sorted(name.name for name in names if name.kind is kind))


_WATCH = Policy(
    "watch",
    (*EVERY_NODE, topics.TASK.name, topics.TASK_REQUEST.name),
    _shown(topics.PLANNER, Kind.OUT),
    (TYPE_SERVICE,),
    request=(topics.CONTEXT_INFO.name.replace("~", "planner"),),
)
POLICIES = (
    policy("planner", topics.PLANNER, lifecycle=True, loggers=True),
    policy("camera", topics.CAMERA, loggers=True),
    policy("executor", topics.EXECUTOR, lifecycle=True),
    policy("tabletop", topics.TABLETOP),
    # `dgemma watch`, `ask` and `context`: they see what the planner says and remembers, and may give it a task.
    _WATCH,
    # `dgemma approve`: the same terminal, and the right to answer the executor.
    replace(
        _WATCH,
        publish=EVERY_NODE,
        subscribe=tuple(sorted((*_WATCH.subscribe, topics.APPROVAL_REQUEST.name))),
        request=(topics.APPROVE.name.replace("~", "executor"),),
        enclave="approve",
    ),
    # `dgemma doctor`: which nodes there are.
    Policy("doctor", EVERY_NODE, reply=(TYPE_SERVICE,)),
)


def with_cameras(policy: Policy, cameras: Sequence[str]) -> Policy:
    """The policy of a planner or executor that watches several cameras by name."""
    images = (topics.IMAGE, topics.IMAGE_COMPRESSED)
    named = [topics.of_camera(camera, image) for camera in cameras for image in images]
    others = [name for name in policy.subscribe if name not in {image.name for image in images}]
    return policy if len(others) == len(policy.subscribe) else replace(policy, subscribe=(*others, *named))


def document(policy: Policy, namespace: str = "/") -> str:
    """The policy as SROS2 reads it, with its enclave below the namespace."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclave = ElementTree.SubElement(ElementTree.SubElement(root, "enclaves"), "enclave")
    enclave.set("path", f"{namespace.rstrip('/')}/{policy.name}")
    profile = ElementTree.SubElement(
        ElementTree.SubElement(enclave, "profiles"), "profile", node=policy.node, ns=namespace
    )
    for kind, may, names in (
        ("topic", "publish", policy.publish),
        ("topic", "subscribe", policy.subscribe),
        ("service", "reply", policy.reply),
        ("service", "request", policy.request),
        ("action", "execute", policy.execute),
        ("action", "call", policy.call),
    ):
        if names:
            group = ElementTree.SubElement(profile, f"{kind}s", {may: "ALLOW"})
            for name in names:
                ElementTree.SubElement(group, kind).text = name
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def main() -> None:
    """Writes ``<enclave>.policy.xml`` of every node and terminal into a folder."""
    parser = argparse.ArgumentParser(prog="dgemma_ros.nodes.policies", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--namespace", default="/", help="of the robot, as /left")
    parser.add_argument("--cameras", nargs="*", default=[], help="where the planner's parameter cameras names some")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for one in POLICIES:
        chosen = with_cameras(one, options.cameras) if options.cameras else one
        (options.folder / f"{one.name}.policy.xml").write_text(document(chosen, options.namespace), encoding="utf-8")


if __name__ == "__main__":
    main()
