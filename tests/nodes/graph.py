"""A ROS graph for tests: nodes as processes, talked to over real DDS. Waits are for events, never for time to pass."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.action import ActionClient
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which something is taken never to come: these machines are busy."""

LATCHED = QoSProfile(depth=2000, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
LAST = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
DEEP = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
MANY_GOALS = {f"{kind}_service_qos_profile": DEEP for kind in ("goal", "result", "cancel")}
"""An action client's: the usual ten answers are soon pushed out."""
SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Waits until the condition gives something true, and returns it."""
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.005)
    return value


class Heard(list[Any]):
    """Messages of a topic, in order."""

    def one(self, which: Callable[[Any], Any] = lambda message: True, what: str = "a message") -> Any:
        """The first that is meant, waited for."""
        return until(lambda: next(([m] for m in list(self) if which(m)), None), what)[0]


class Process:
    """A node in a process of its own."""

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            command = [sys.executable, "-m", module, *arguments]
            self.popen = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def memory(self) -> float:
        """MiB of its resident memory now."""
        fields = Path(f"/proc/{self.popen.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def end(self, with_signal: int = signal.SIGINT, patience: float = 10.0) -> tuple[int, float]:
        """The exit status, and the seconds it took."""
        began = time.monotonic()
        for _ in range(2):  # as Ctrl-C does under a launch that hands the signal on
            if self.popen.poll() is None:
                self.popen.send_signal(with_signal)
        try:
            return self.popen.wait(patience), time.monotonic() - began
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"still running {patience:.0f} s after the signal:\n{self.output[-2000:]}") from None


class Graph:
    """A client node, spun by a thread, and the processes that were started."""

    def __init__(self, folder: Path, name: str = "", context: rclpy.Context | None = None) -> None:
        self.folder = folder
        name = name or f"test_{os.getpid()}_{time.monotonic_ns() % 10**6}"
        self.node = rclpy.create_node(name, context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self._publishers: dict[str, Any] = {}
        self._actions: dict[str, ActionClient] = {}
        self.processes: list[Process] = []
        self._clients: dict[str, Any] = {}

    def _spin(self) -> None:
        while True:
            try:
                return self._executor.spin()
            except ExternalShutdownException:
                return
            except InvalidHandle:
                continue  # a test destroyed what was just being waited for

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(AssertionError):
                process.end(patience=5.0)
        self._executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()

    def start(self, what: str, namespace: str = "", *more: str, **parameters: Any) -> Process:
        """A node of ours, ``planner`` or ``camera``, with these parameters."""
        arguments = ["--ros-args", *(["-r", f"__ns:=/{namespace}"] if namespace else []), *more]
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["-p", f"{name.replace('__', '.')}:={text}"]
        log = self.folder / f"{what}{len(self.processes)}.log"
        process = Process(what if "." in what else f"dgemma_ros.nodes.{what}", arguments, log)
        self.processes.append(process)
        return process

    def hear(self, type_: Any, topic: str, qos: QoSProfile = DEEP) -> Heard:
        heard = Heard()
        self.node.create_subscription(type_, topic, heard.append, qos)
        return heard

    def hear_for_now(self, type_: Any, topic: str) -> tuple[Heard, Any]:
        """What is heard from now on, and the subscription, to be destroyed."""
        heard = Heard()
        return heard, self.node.create_subscription(type_, topic, heard.append, DEEP)

    def say(self, message: Any, topic: str, qos: QoSProfile = DEEP, to: int = 1) -> None:
        """Publishes when ``to`` subscribers are there to hear it."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, qos)
        publisher = self._publishers[topic]
        until(lambda: publisher.get_subscription_count() >= to, f"a subscriber of {topic}")
        publisher.publish(message)

    def ask(self, type_: Any, service: str, request: Any = None, patience: float = PATIENCE) -> Any:
        """The answer. Where none comes it is asked again, but for transitions: a server that does not know a client's
        way back yet drops the answer. For that, too, clients are kept."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(type_, service)
        end = time.monotonic() + patience
        while True:
            assert client.wait_for_service(patience), f"no service {service}"
            future = client.call_async(request or type_.Request())
            try:
                until(future.done, f"an answer of {service}", patience if type_ is ChangeState else 10.0)
                return future.result()
            except AssertionError:
                client.remove_pending_request(future)
                if time.monotonic() > end:
                    raise

    def change(self, transition: int, node: str = "/planner") -> bool:
        """One lifecycle transition; whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = transition
        return bool(self.ask(ChangeState, f"{node}/change_state", request).success)

    def state(self, node: str = "/planner") -> str:
        return str(self.ask(GetState, f"{node}/get_state").current_state.label)

    def until_active(self, process: Process, node: str = "/planner") -> None:
        until(lambda: process.popen.poll() is None or None, f"{process.log}: {process.output}", 1.0)
        until(lambda: "ready: " in process.output or process.popen.poll() is not None, f"{node} to be active")
        assert process.popen.poll() is None, process.output

    def in_turn(self, do: Callable[[], Any]) -> Any:
        """Does it in the thread that spins: rclpy's action client misses an answer that is quicker than its caller."""
        task = self._executor.create_task(do)
        until(task.done, "the client's own thread")
        return task.result()

    def accepted(self, client: ActionClient, goal: Any, on_feedback: Callable[[Any], None] | None = None) -> Any:
        """The handle of a goal."""
        return self._answer(lambda: client.send_goal_async(goal, feedback_callback=on_feedback), "a goal's answer")

    def result(self, handle: Any, patience: float = PATIENCE) -> Any:
        """What became of a goal that was accepted, waited for."""
        return self._answer(handle.get_result_async, "a goal's result", patience)

    def _answer(self, ask: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Where none comes it is asked again, for the reason that :meth:`ask` has."""
        end = time.monotonic() + patience
        while True:
            future = self.in_turn(ask)
            with contextlib.suppress(AssertionError):
                until(future.done, what, 10.0)
                return future.result()
            assert time.monotonic() < end, f"waited {patience:.0f} s for {what}"

    def action(self, type_: Any, name: str) -> ActionClient:
        if name in self._actions:
            return self._actions[name]
        client = self._actions[name] = ActionClient(self.node, type_, name, **MANY_GOALS)
        assert client.wait_for_server(PATIENCE), f"no action {name}"
        return client


@contextlib.contextmanager
def own_graph(logs: Path) -> Iterator[None]:
    """rclpy in a domain of its own, on this machine only."""
    own = {
        "ROS_DOMAIN_ID": str(1 + (os.getpid() * 7919 + time.time_ns() // 10**9) % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(logs),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "dgemma_ros" / "nodes" / "fastdds.xml"),
    }
    before = dict(os.environ)
    os.environ.update(own)
    rclpy.init()
    try:
        yield
    finally:
        rclpy.try_shutdown()
        os.environ.clear()
        os.environ.update(before)
