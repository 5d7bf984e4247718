"""Our trees before BehaviorTree.CPP itself, where it is installed; its recorded verdicts, everywhere."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgemma_ros.execution.behaviour_tree import TreeError, tree_xml
from dgemma_ros.skills.types import PlanStep
from tests.execution.btcpp.checker import Checker, NoLibraryError
from tests.execution.btcpp.corpus import CATALOGUE, NODES, TABLE, changed, ours
from tests.execution.btcpp.record import VERDICTS
from tests.execution.btcpp.rules import why_not

RECORDED: list[dict[str, Any]] = [json.loads(line) for line in VERDICTS.read_text().split("\n")[1:] if line]


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    try:
        return Checker.build(tmp_path_factory.mktemp("btcpp"))
    except NoLibraryError as why:
        pytest.skip(f"not asked of the real parser: {why}; its recorded verdicts are tested instead")


def test_the_rules_are_the_parsers() -> None:
    """On every tree of which BehaviorTree.CPP itself was asked, good and bad. It also takes some that are no XML."""
    for tree in RECORDED:
        why = why_not(tree["xml"], tree["nodes"])
        assert why.startswith("not XML") or (why == "") == tree["accepted"], (tree["name"], tree["error"], why)
    refused = sum(not tree["accepted"] for tree in RECORDED)
    assert refused >= 50 and len(RECORDED) - refused >= 50


def test_what_we_write_was_accepted() -> None:
    accepted = {tree["xml"]: tree["accepted"] for tree in RECORDED}
    for case in ours():
        assert accepted.get(case.xml, why_not(case.xml, case.nodes) == ""), case.name


def test_the_library_accepts_what_we_write_and_reads_the_same_calls(checker: Checker) -> None:
    cases = list(ours())
    for case, verdict in zip(cases, checker.judge([(case.xml, case.nodes) for case in cases]), strict=True):
        assert verdict.accepted, (case.name, verdict.error)
        assert case.steps is not None
        assert verdict.calls == [[step.skill, dict(step.arguments)] for step in case.steps], case.name
        assert models(verdict.model) == models(case.xml)


def test_the_library_still_says_what_was_recorded(checker: Checker) -> None:
    verdicts = checker.judge([(tree["xml"], tree["nodes"]) for tree in RECORDED])
    assert [v.accepted for v in verdicts] == [tree["accepted"] for tree in RECORDED], checker.version


def test_rules_and_library_agree_on_changed_trees(checker: Checker) -> None:
    cases = list(changed())
    for case, verdict in zip(cases, checker.judge([(case.xml, case.nodes) for case in cases]), strict=True):
        why = why_not(case.xml, case.nodes)
        assert why.startswith("not XML") or (why == "") == verdict.accepted, (case.name, verdict.error, why)


TEXT = st.one_of(st.text(max_size=40), st.text(alphabet=" {}=\n\t\r\x7fa&<\"'", max_size=6))
STEP = st.one_of(
    st.builds(lambda text: PlanStep("say", {"text": text}, 1.0), TEXT),
    st.builds(
        lambda distance, gently, speed: PlanStep("move", {"distance": distance, "gently": gently, "speed": speed}, 1.0),
        st.integers(-(2**33), 2**33),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
)


@given(st.lists(st.tuples(st.lists(STEP, min_size=1, max_size=4), TEXT), min_size=50, max_size=50))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_library_accepts_any_words(checker: Checker, plans: list[tuple[list[PlanStep], str]]) -> None:
    written = []
    for steps, task in plans:
        try:
            written.append((steps, tree_xml(steps, CATALOGUE, TABLE, task)))
        except TreeError:
            continue
    for (steps, xml), verdict in zip(written, checker.judge([(xml, NODES) for _, xml in written]), strict=True):
        assert verdict.accepted and why_not(xml, NODES) == "", verdict.error
        assert verdict.calls == [[step.skill, dict(step.arguments)] for step in steps]


def models(xml: str) -> dict[str, set[tuple[str, str]]]:
    """The nodes that a model tells, each with its ports and their types."""
    model = ElementTree.fromstring(xml).find("TreeNodesModel")
    assert model is not None
    return {
        action.attrib["ID"]: {(port.attrib["name"], port.attrib["type"]) for port in action.iterfind("input_port")}
        for action in model
    }
