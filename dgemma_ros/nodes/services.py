"""The planner node's services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dgemma_msgs import srv
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from dgemma_ros.errors import DgemmaError, one_line
from dgemma_ros.nodes import plan_messages, topics
from dgemma_ros.planning.planner import Planner


class Services:
    """``planner`` gives the planner, or raises :class:`DgemmaError` where there is none now."""

    def __init__(self, node: Node, planner: Callable[[], Planner]) -> None:
        self._planner = planner
        group = MutuallyExclusiveCallbackGroup()
        for type_, topic, answer in (
            (srv.ContextInfo, topics.CONTEXT_INFO, self._context_info),
            (srv.ResetContext, topics.RESET_CONTEXT, self._reset_context),
            (srv.SetSkillEnabled, topics.SET_SKILL_ENABLED, self._set_skill_enabled),
        ):
            node.create_service(type_, topic.name, answer, callback_group=group)

    def _context_info(self, request: srv.ContextInfo.Request, response: srv.ContextInfo.Response) -> Any:
        return self._do(response, lambda planner: plan_messages.fill_context(response, planner.context_info()))

    def _reset_context(self, request: srv.ResetContext.Request, response: srv.ResetContext.Response) -> Any:
        return self._do(response, lambda planner: planner.reset_context())

    def _set_skill_enabled(self, request: srv.SetSkillEnabled.Request, response: srv.SetSkillEnabled.Response) -> Any:
        return self._do(response, lambda planner: planner.set_skill_enabled(request.skill, request.enabled))

    def _do(self, response: Any, what: Callable[[Planner], object]) -> Any:
        try:
            what(self._planner())
            response.success = True
        except DgemmaError as error:
            response.message = one_line(error, 300)
        return response
