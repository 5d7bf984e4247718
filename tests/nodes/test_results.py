"""What became of skills, over DDS, into the planner's context."""

from __future__ import annotations

import json

from dgemma_msgs.msg import SkillResult
from dgemma_msgs.srv import ContextInfo

from tests.nodes.graph import DEEP, Graph, Process, until


def test_a_result_is_read_once_however_often_it_is_told(graph: Graph, planner: Process) -> None:
    def told() -> list[str]:
        info = graph.ask(ContextInfo, "/planner/context_info")
        return [segment.summary for segment in info.segments if "slipped" in segment.summary]

    result = SkillResult(plan_id="gone", step=1, skill="place", dispatch_id="d1", outcome=SkillResult.FAILED)
    result.arguments_json = json.dumps({"object": "red block", "target": "left tray"})
    result.reason = "slipped"
    retried = SkillResult(plan_id="gone", dispatch_id="d0", outcome=SkillResult.FAILED, reason="slipped", retried=True)
    for message in (retried, result, result):
        graph.say(message, "skill_result", DEEP)
    broken = SkillResult(plan_id="gone", dispatch_id="d2", skill="pick", arguments_json="{", reason="a last word")
    graph.say(broken, "skill_result", DEEP)

    def heard() -> bool:
        info = graph.ask(ContextInfo, "/planner/context_info")
        return any("a last word" in segment.summary for segment in info.segments)

    until(heard, "the last result in the context")
    assert len(told()) == 1 and "red block" in told()[0]
