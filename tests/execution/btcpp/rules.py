"""What BehaviorTree.CPP 4's parser asks of a tree, for the nodes that we write: after its xml_parsing.cpp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

Nodes = Mapping[str, Mapping[str, str]]
"""Skills by name, each with its ports and their types, as a user's factory registers them."""

BUILT_IN = {"Sequence": {}, "RetryUntilSuccessful": {"num_attempts": "int"}}
ELEMENTS = ("Action", "Condition", "Control", "Decorator", "SubTree")
FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>&\"'/\\:*?|.]")
IN_NO_NAME = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
POINTER = re.compile(r" *\{.+\} *|=", re.DOTALL)


def why_not(xml: str, nodes: Nodes) -> str:
    """Why the parser refuses the tree, or one of its ports cannot be read; empty where all is well."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        return f"not XML: {error}"
    if root.tag != "root":
        return "the root is no <root>"
    if len(root.findall("TreeNodesModel")) > 1:
        return "two models"
    trees = root.findall("BehaviorTree")
    for name, ports in nodes.items():
        if name in BUILT_IN or name in ELEMENTS:
            return f"{name} is registered already"
        if bad := [port for port in ports if not _port_name(port)]:
            return f"{name}: no port can be called {bad[0]!r}"
    for tree in trees:
        own = tree.get("ID", "")
        if not own and len(root) > 1:
            return "a tree without ID"
        if own in nodes or own in BUILT_IN or own in ("Root", "root") or FORBIDDEN.search(own):
            return f"no tree can be called {own!r}"
        if len(tree) != 1:
            return "a tree has exactly one child"
    main = root.get("main_tree_to_execute")
    if main is None and len(trees) != 1:
        return "no main tree"
    if main is not None and main not in [tree.get("ID") for tree in trees]:
        return f"there is no tree {main!r}"
    return next((why for tree in trees for node in tree.iterfind(".//*") if (why := _node(node, nodes))), "")


def _node(node: ElementTree.Element, nodes: Nodes) -> str:
    name = node.tag
    if name in ELEMENTS:
        name = node.get("ID", "")
        if not name:
            return f"<{node.tag}> without ID"
    elif "ID" in node.attrib:
        return f"<{name}> with ID"
    if name not in nodes and name not in BUILT_IN:
        return f"no node {name!r}"
    if name == "Sequence" and not len(node):
        return "a Sequence without children"
    if name == "RetryUntilSuccessful" and len(node) != 1:
        return "RetryUntilSuccessful has exactly one child"
    if name in nodes and len(node):
        return f"{name} has children"
    if IN_NO_NAME.search(node.get("name", "")):
        return "a name with control characters"
    ports = nodes.get(name) or BUILT_IN.get(name, {})
    for port, value in node.attrib.items():
        if not _port_name(port):
            continue  # the parser's own attributes, and those that it takes for nobody's
        if port not in ports:
            return f"{name} has no port {port!r}"
        if POINTER.fullmatch(value):
            return f"{name}.{port}: nothing is on the blackboard"
        if not _reads(value, ports[port]):
            return f"{name}.{port}: {value!r} is no {ports[port]}"
    return ""


def _port_name(name: str) -> bool:
    return bool(re.match(r"[A-Za-z]", name)) and not FORBIDDEN.search(name) and name not in ("name", "ID")


def _reads(value: str, kind: str) -> bool:
    """As std::from_chars, which stops at what it does not know."""
    if kind == "int":
        begins = re.match(r"-?\d+", value)
        return begins is not None and -(2**31) <= int(begins[0]) < 2**31
    if kind == "double":
        return re.match(r"-?(\d+\.?|\.\d|inf|nan)", value, re.IGNORECASE) is not None
    return kind != "bool" or value in ("true", "false", "TRUE", "FALSE", "True", "False", "0", "1")
