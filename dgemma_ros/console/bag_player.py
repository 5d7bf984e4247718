"""A bag's messages, published to a running planner: as fast as asked, or as fast as it takes them.

Messages go out as they were recorded, bytes and stamps, to those topics that the planner listens to. Of each camera's
pictures only as many are sent as the planner would have taken when they were recorded: its ``frame_rate``, counted in
the bag's time. While the bag plays, that parameter is set so high that the planner takes all of these.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from dgemma_ros.console.bag import Bag, BagError, Recorded, Topic
from dgemma_ros.console.listening import Listener, RosError

PICTURES: Final = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
TASKS: Final = (("task", "std_msgs/msg/String"), ("task_request", "dgemma_msgs/msg/Task"))
NOT_PLAYED: Final = ("/clock", "/parameter_events")
EVERY_FRAME: Final = 1000.0
"""The planner's ``frame_rate`` while a bag plays."""
ASKED_EVERY: Final = 0.01
QUIET: Final = 0.5
"""Seconds without a further plan, after which those of before the bag have all come."""
PATIENCE, NO_PATIENCE = 10.0, 1.0
"""Seconds to wait until the planner has taken a picture; the second behind one that it did not take."""


@dataclass(frozen=True)
class Route:
    """One topic of the bag, and where it goes."""

    recorded: Topic
    to: str
    task: bool
    """Whether each of its messages asks for a plan."""

    @property
    def picture(self) -> bool:
        """Whether its messages are pictures."""
        return self.recorded.type in PICTURES


@dataclass
class Played:
    """What became of it. Seconds of the bag's time, but for ``took``."""

    seconds: float = 0.0
    took: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    """Messages by the bag's topic."""
    thinned: int = 0
    """Pictures that came too soon behind another one for the planner's ``frame_rate``."""
    untaken: int = 0
    """Pictures that were sent, and that the planner did not take as long as was waited."""
    tasks: int = 0


def routes(bag: Bag, listening: Mapping[str, Collection[str]], renamed: Mapping[str, str], prefix: str) -> list[Route]:
    """Where a bag's topics go. ``listening``: types by topic that the planner hears; ``renamed``: the bag's topics.

    ``prefix``: of the planner's names. Raises :class:`BagError` where there is nothing to play.
    """
    for name in renamed:
        if name not in {topic.name for topic in bag.topics}:
            raise BagError(f"{bag.path}: has no topic {name}; it has {_names(bag.topics)}")
    tasks = {(f"{prefix}/{name}", kind) for name, kind in TASKS}
    found = []
    for topic in bag.topics:
        to = renamed.get(topic.name, topic.name)
        if topic.name not in NOT_PLAYED and topic.type in listening.get(to, ()):
            found.append(Route(topic, to, (to, topic.type) in tasks))
    if not found:
        heard = ", ".join(sorted(listening)) or "nothing"
        raise BagError(
            f"{bag.path}: nothing in it goes to the planner, which listens to {heard}; it has {_names(bag.topics)}; "
            "name what belongs together by --remap /recorded:=/heard"
        )
    return found


def _message(name: str) -> Any:
    """The class of a type that the planner listens to."""
    package, _, own = name.split("/")
    return getattr(import_module(f"{package}.msg"), own)


def _names(topics: Iterable[Topic]) -> str:
    return ", ".join(f"{topic.name} ({topic.type})" for topic in topics) or "no topics"


class Player:
    """Plays one bag into the planner that a listener hears. ``heard``: grows by each plan that the planner publishes.

    ``rate``: so many times as fast as it was recorded; 0 sends each picture when the planner has taken the one before,
    and goes on behind a task when its plan is there. ``clock``: whether the bag's time is published on ``/clock``.
    """

    def __init__(
        self, listener: Listener, way: Iterable[Route], heard: list[Any], rate: float, wait: float, clock: bool = False
    ) -> None:
        from dgemma_msgs.srv import ContextInfo
        from rclpy.parameter_client import AsyncParameterClient
        from rosgraph_msgs.msg import Clock

        self._listener, self._node, self._heard, self._rate, self._wait = listener, listener.node, heard, rate, wait
        self._routes = {route.recorded.name: route for route in way}
        self._out = {
            name: self._node.create_publisher(_message(route.recorded.type), route.to, 10)
            for name, route in self._routes.items()
        }
        name = f"/{listener.namespace}/planner" if listener.namespace else "/planner"
        self._info = self._node.create_client(ContextInfo, "planner/context_info")
        self._parameters = AsyncParameterClient(self._node, name)
        self._clock = self._node.create_publisher(Clock, "/clock", 10) if clock else None
        self._due: dict[str, float] = {}
        self._patience = PATIENCE
        self._before = 0
        self.played = Played()

    @property
    def plans(self) -> list[Any]:
        """Those that were published since it plays; the planner's last ones come to whoever joins late."""
        return self._heard[self._before :]

    def play(self, bag: Bag, start: float = 0.0, duration: float | None = None) -> Played:
        """From ``start`` seconds on, ``duration`` of them. Waits for the last plans. Raises :class:`RosError`."""
        self._until(self._connected, "the planner to listen")
        rate = self._frame_rate()
        self._before = self._plans_of_before()
        began = time.monotonic()
        first = bag.begin_ns + round(start * 1e9)
        stop = None if duration is None else first + round(duration * 1e9)
        self._set_frame_rate(EVERY_FRAME)
        try:
            for message in bag.messages(self._routes, first, stop):
                self._pace(began, (message.at_ns - first) / 1e9)
                self.played.seconds = (message.at_ns - first) / 1e9
                self._send(message, rate)
            self._await_plans("the last plan")
        finally:
            self.played.took = time.monotonic() - began
            self._set_frame_rate(rate)
        return self.played

    # -- inside ---------------------------------------------------------------------------------------------------

    def _pace(self, began: float, seconds: float) -> None:
        if self._rate > 0:
            time.sleep(max(0.0, began + seconds / self._rate - time.monotonic()))

    def _send(self, message: Recorded, rate: float) -> None:
        route = self._routes[message.topic]
        if route.picture and not self._wanted(message, rate):
            self.played.thinned += 1
            return
        if self._clock is not None:
            from builtin_interfaces.msg import Time
            from rosgraph_msgs.msg import Clock

            seconds, nanoseconds = divmod(message.at_ns, 10**9)
            self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))
        self._out[message.topic].publish(message.content)
        self.played.sent[message.topic] += 1
        self.played.tasks += route.task
        if self._rate > 0:
            return
        if route.task:
            self._await_plans(f"a plan, {self.played.seconds:.1f} s into the bag")
        elif route.picture:
            self._await_taken(message)

    def _wanted(self, message: Recorded, rate: float) -> bool:
        """Kept to the grid of the rate, as the planner keeps it."""
        now = message.at_ns / 1e9
        if rate <= 0 or now < self._due.get(message.topic, now):
            return False
        due = self._due.get(message.topic, now) + 1.0 / rate
        self._due[message.topic] = due if due > now else now + 1.0 / rate
        return True

    def _await_taken(self, message: Recorded) -> None:
        if not (stamp := message.stamp_ns):
            return  # the planner gives it one of its own
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            answer = self._answer(lambda: self._info.call_async(self._info.srv_type.Request()))
            newest = (segment.stamp for segment in reversed(answer.segments) if segment.kind == "frame")
            if any(at.sec * 10**9 + at.nanosec == stamp for at in newest):
                self._patience = PATIENCE
                return
            time.sleep(ASKED_EVERY)
        self._patience = NO_PATIENCE
        self.played.untaken += 1

    def _await_plans(self, what: str) -> None:
        """Exactly one comes for each task."""
        self._until(lambda: len(self.plans) >= self.played.tasks, what)

    def _connected(self) -> bool:
        publishers = all(publisher.get_subscription_count() for publisher in self._out.values())
        services = self._info.service_is_ready() and self._parameters.services_are_ready()
        return bool(publishers and services and self._node.count_publishers("plan"))

    def _plans_of_before(self) -> int:
        """How many the planner had made, which come to whoever joins late, and DDS does not say when all have come."""
        count = len(self._heard)
        began = since = time.monotonic()
        while (now := time.monotonic()) < min(since + QUIET, began + self._wait):
            time.sleep(0.01)
            if len(self._heard) != count:
                count, since = len(self._heard), now
        return count

    def _answer(self, ask: Callable[[], Any]) -> Any:
        if (answer := self._listener.answer(ask, self._wait)) is None:
            raise RosError(f"waited {self._wait:g} s for the planner's answer")
        return answer

    def _frame_rate(self) -> float:
        (value,) = self._answer(lambda: self._parameters.get_parameters(["frame_rate"])).values
        return float(value.double_value)

    def _set_frame_rate(self, rate: float) -> None:
        from rclpy.parameter import Parameter

        wanted = Parameter("frame_rate", Parameter.Type.DOUBLE, rate)
        (result,) = self._answer(lambda: self._parameters.set_parameters([wanted])).results
        if not result.successful:
            raise RosError(f"the planner does not take frame_rate: {rate:g}: {result.reason}")

    def _until(self, done: Callable[[], object], what: str) -> None:
        end = time.monotonic() + self._wait
        while not done():
            if time.monotonic() > end:
                raise RosError(f"waited {self._wait:g} s for {what}")
            time.sleep(0.002)
