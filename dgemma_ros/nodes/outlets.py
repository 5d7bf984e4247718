"""What leaves the planner node: plans and drafts as messages, to topics and to the action's goals."""

from __future__ import annotations

import functools
from collections.abc import Callable

from dgemma_msgs import msg
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import String

from dgemma_ros.execution.behaviour_tree import TreeError, tree_xml
from dgemma_ros.nodes import plan_messages, qos, topics
from dgemma_ros.nodes.task_action import TaskAction
from dgemma_ros.planning.types import Plan, PlanDraft
from dgemma_ros.skills.catalogue import SkillCatalogue


class Outlets:
    """Lives as long as the node, so that a late joiner finds the last plan. Both methods come from planner threads."""

    def __init__(self, node: Node, action: TaskAction, skills: Callable[[], SkillCatalogue | None]) -> None:
        self._clock, self._log, self._skills = node.get_clock(), node.get_logger(), skills
        self._action = action
        # No lifecycle publishers: they would swallow the plans of tasks that deactivate cancels.
        publisher = functools.partial(node.create_publisher, qos_overriding_options=qos.OVERRIDES)
        self._plans = publisher(msg.Plan, topics.PLAN.name, qos.PLANS)
        self._texts = publisher(String, topics.PLAN_TEXT.name, qos.PLANS)
        self._trees = publisher(String, topics.PLAN_BT.name, qos.PLANS)
        self._drafts = publisher(msg.PlanDraft, topics.PLAN_DRAFT.name, qos.of(topics.PLAN_DRAFT))

    def flush(self, seconds: float) -> None:
        """Waits, no longer than that, until the readers that are there have every plan."""
        self._plans.wait_for_all_acked(Duration(seconds=seconds))

    def draft(self, draft: PlanDraft) -> None:
        """A draft, where anybody listens."""
        named = self._action.under_own_name(draft)
        if named is not draft or self._drafts.get_subscription_count():
            message = plan_messages.draft_message(named, self._clock)
            self._drafts.publish(message)
            self._action.draft(draft.task_id, message)

    def plan(self, plan: Plan) -> None:
        """A plan, to whoever is there or comes later."""
        message = plan_messages.plan_message(self._action.under_own_name(plan), self._clock)
        self._plans.publish(message)
        self._texts.publish(String(data=plan_messages.plan_in_words(plan)))
        self._action.plan(plan.task_id, message, plan.status)
        if plan.valid and (skills := self._skills()) is not None:
            try:
                self._trees.publish(String(data=tree_xml(plan.steps, skills, task=plan.task)))
            except TreeError as error:
                self._log.warning(f"no behaviour tree on {topics.PLAN_BT.name}: {error}", once=True)
