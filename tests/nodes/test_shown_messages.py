"""The messages that README shows can be filled and sent, and the planner answers them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from dgemma_msgs.msg import Plan

from tests.nodes.graph import LATCHED, Graph
from tests.shown import commands


def filled(type_: str, content: dict[str, Any]) -> Any:
    """A message as ``ros2 topic pub`` fills it: a field that there is none of raises."""
    package, kind, name = type_.split("/")
    made = getattr(import_module(f"{package}.{kind}"), name)
    message = made.Goal() if kind == "action" else made()

    def fill(target: Any, values: dict[str, Any]) -> None:
        for key, value in values.items():
            assert key in target.get_fields_and_field_types(), f"{type_} has no field {key}"
            if isinstance(value, dict):
                fill(getattr(target, key), value)
            else:
                setattr(target, key, value)

    fill(message, content)
    return message


def test_what_is_shown_is_understood(graph: Graph, model: Path) -> None:
    process = graph.start("planner", "shown", model=model, threads=1, max_steps=2, repair=False, preemption="queue")
    graph.until_active(process)
    plans = graph.hear(Plan, "shown/plan", LATCHED)
    published = [words[3:] for words in commands("README.md") if words[:3] == ["ros2", "topic", "pub"]]
    goals = [words[4:] for words in commands("README.md") if words[:3] == ["ros2", "action", "send_goal"]]
    assert len(published) >= 4 and len(goals) == 1
    for _, type_, content in goals:
        assert filled(type_, yaml.safe_load(content)).task.text
    for _, topic, type_, content in published:
        message = filled(type_, yaml.safe_load(content))
        graph.say(message, f"shown{topic}")
        if topic in ("/task", "/task_request"):
            asked = message.text if hasattr(message, "text") else message.data
            plan = plans.one(lambda p, asked=asked: p.task == asked, "its plan")
            assert plan.status != Plan.REJECTED and plan.priority == getattr(message, "priority", 0)
    assert process.end()[0] == 0
