"""The executor node's services: a person's word on what is carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dgemma_msgs import srv
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from dgemma_ros.execution.dispatch import Dispatcher
from dgemma_ros.nodes import topics


class ExecutorServices:
    """``act`` does something with the dispatcher, where there is one now; an error in it stops what moves."""

    def __init__(self, node: Node, group: CallbackGroup, act: Callable[[Callable[[Dispatcher], object]], None]) -> None:
        self._act = act
        for type_, topic, answer in (
            (srv.Approve, topics.APPROVE, self._approve),
            (srv.CancelExecution, topics.CANCEL_EXECUTION, self._cancel),
            (srv.ClearDoubt, topics.CLEAR_DOUBT, self._clear_doubt),
        ):
            node.create_service(type_, topic.name, answer, callback_group=group)

    def _approve(self, request: srv.Approve.Request, response: srv.Approve.Response) -> Any:
        response.message = "the executor is not configured"

        def answer(dispatcher: Dispatcher) -> None:
            response.message = dispatcher.approve(request.request_id, request.digest, request.approve, request.by)
            response.success = not response.message

        self._act(answer)
        return response

    def _cancel(self, request: srv.CancelExecution.Request, response: srv.CancelExecution.Response) -> Any:
        def cancel(dispatcher: Dispatcher) -> None:
            response.success = dispatcher.cancel(request.task_id)

        self._act(cancel)
        response.message = "" if response.success else "nothing like that is being carried out"
        return response

    def _clear_doubt(self, request: srv.ClearDoubt.Request, response: srv.ClearDoubt.Response) -> Any:
        def clear(dispatcher: Dispatcher) -> None:
            response.success = dispatcher.clear_doubt(request.by[:200] or "somebody")

        self._act(clear)
        response.message = "" if response.success else "nothing is in doubt"
        return response
