"""A node's process: arguments in, signals heard, a clean end within two seconds."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dgemma_ros import shared_memory
from dgemma_ros.errors import DgemmaError, one_line

PROFILE = Path(__file__).with_name("fastdds.xml")
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_DEAF = "Fast DDS lost its port in shared memory as it started, and nobody on this machine would be heard"
_TRIED, _TRIES = "DGEMMA_STARTED_AGAIN", 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
END_WITHIN = 1.8
"""Seconds from the signal to the end, whatever still runs then."""


class Runnable(Protocol):
    """A node as its process sees it. Optional attributes: ``apart``, callback groups that are each served by a thread
    of their own, with its niceness (0: as urgent as the others); ``callback_errors``, which counts the callbacks that
    raised.
    """

    def stop(self) -> None:
        """Ends what runs and publishes what is owed; called once, while the node can still publish."""


Finish = Callable[[int], None]
"""Ends the process with this exit status, from any thread."""


def use_large_images() -> None:
    """Has Fast DDS load the profile for large images, unless the user chose one. Before ``rclpy.init``.

    Raises :class:`SharedMemoryError` where that profile's shared memory would not fit.
    """
    fast_dds = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps").startswith("rmw_fastrtps")
    if fast_dds:
        shared_memory.clear_abandoned()
    if not any(os.environ.get(name) for name in _PROFILE_VARIABLES):
        os.environ[_PROFILE_VARIABLES[0]] = str(PROFILE)
        if fast_dds:
            shared_memory.check()


class Part(SingleThreadedExecutor):  # type: ignore[misc]
    """Serves the callback groups of a node that ``mine`` names.

    rclpy's MultiThreadedExecutor would do, but lost a quarter of a 30 Hz VGA camera's pictures, where this loses none.
    """

    def __init__(self, node: Node, mine: Callable[[CallbackGroup], bool]) -> None:
        super().__init__()
        self._node, self._mine = node, mine

    def get_nodes(self) -> list[Node]:
        """The one node."""
        return [self._node]

    def can_execute(self, entity: Any) -> bool:
        """Whether something is ours, and ready."""
        return bool(self._mine(entity.callback_group) and super().can_execute(entity))

    def serve(self, period: float | None = None) -> None:
        """Serves callbacks until shut down. Looks for new timers every ``period`` where nobody tells it of them."""
        while self.context.ok() and not self._is_shutdown:
            try:
                self.spin_once(timeout_sec=period)
            except InvalidHandle:
                continue  # a subscription was destroyed between being ready and being served
            except ExternalShutdownException:
                return
            except Exception as error:
                self._survive(error)

    def _survive(self, error: Exception) -> None:
        """One message that breaks a callback, ours or rclpy's own, is one error, and not the end of the node."""
        self._node.callback_errors = getattr(self._node, "callback_errors", 0) + 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        text = f"a callback failed: {type(error).__name__}: {one_line(error)} ({where})"
        self._node.get_logger().error(text, throttle_duration_sec=1.0)
        self._node.get_logger().debug("".join(traceback.format_exception(error)))
        time.sleep(0.001)  # what fails again and again does not take the whole core


def run(make: Callable[[Finish], Node], arguments: Sequence[str] | None = None) -> int:
    """Runs the node that ``make`` builds until SIGINT, SIGTERM or ``finish``; the exit status.

    The main thread only waits for them, and DDS is still up while the node stops: a task in work gets its plan.
    """
    sys.setswitchinterval(0.001)  # callbacks wait for the model's thread no longer than that
    leaving = _Leaving()
    refusal, node = "", None
    try:
        use_large_images()
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        node = make(leaving.finish)
    except DgemmaError as error:
        refusal = str(error)
    except Exception as error:  # rcl's parser of arguments and parameter files has no class of its own
        if not (type(error).__module__.startswith(("rclpy", "dgemma_ros")) or isinstance(error, RuntimeError)):
            raise
        refusal = f"{error}"
    if node is not None and (lost := shared_memory.lost_ports()):
        tried = int(os.environ.get(_TRIED) or 0)
        refusal = f"{_DEAF}; end all nodes, and remove /dev/shm/*fastrtps_port*"
        if tried < _TRIES:
            node.get_logger().warning(f"{_DEAF}: starting again")
        _destroy(node)
        node = None
        if tried < _TRIES:
            gc.collect()
            rclpy.try_shutdown()
            os.environ[_TRIED] = str(tried + 1)
            shared_memory.start_again(lost)
    if node is None:
        _refuse(refusal)
    apart: dict[CallbackGroup, int] = getattr(node, "apart", {})
    main = Part(node, lambda group: all(group is not other for other in apart))
    main.add_node(node)
    parts: list[tuple[Part, float | None, int]] = [(main, None, 0)]
    parts += [(Part(node, _only(own)), 0.2, niceness) for own, niceness in apart.items()]

    def serve(part: Part, period: float | None, niceness: int) -> None:
        try:
            _be_nice(niceness)
            part.serve(period)
        except BaseException:
            logging.getLogger(__name__).exception("an executor broke")
            leaving.finish(1)

    threads = [threading.Thread(target=serve, args=part, name="executor", daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    leaving.wait()
    try:
        node.stop()
        for part, *_ in parts:
            part.shutdown(timeout_sec=0.5)
        for thread in threads:
            thread.join(0.5)
        _destroy(node)
        rclpy.try_shutdown()
    except Exception:
        logging.getLogger(__name__).exception("while ending")
    _exit(leaving.status)


class _Leaving:
    """The first signal, or the first call of :meth:`finish`: the process ends soon after it, whatever still runs."""

    def __init__(self) -> None:
        """For the main thread; from now on signals are heard here."""
        self.status = 0
        self._asked = threading.Event()
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        # The byte comes through whichever thread the signal hits: libraries have threads before we can mask.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda number, frame: None)
        threading.Thread(target=self._end_in_time, name="leaving", daemon=True).start()

    def finish(self, status: int) -> None:
        """Asks for the end, from any thread. Its status counts unless the end was asked for before."""
        if not self._asked.is_set():
            self.status = status
        self._wake.send(b"\0")

    def wait(self) -> None:
        """Until the end is asked for."""
        self._asked.wait()

    def _end_in_time(self) -> None:
        self._woken.recv(1)
        self._asked.set()
        time.sleep(END_WITHIN)
        where = ""
        if frame := sys._current_frames().get(threading.main_thread().ident or 0):
            where = f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        sys.stderr.write(f"warning: ended with work still running{where}\n")
        _exit(self.status)


def _destroy(node: Node) -> None:
    """Frees what DDS holds: the last reference to the node takes the participant along, and its 70 MB of /dev/shm.

    rclpy's ``destroy_node`` leaves out what holds a reference, too: actions, and a lifecycle's state machine.
    """
    for waitable in list(node.waitables):
        if isinstance(waitable, (ActionClient, ActionServer)):
            waitable.destroy()
    node.destroy_node()
    if isinstance(node, LifecycleNode):
        node._state_machine = None


def _be_nice(niceness: int) -> None:
    """Of this thread alone, and of those that it starts."""
    if niceness:
        with contextlib.suppress(OSError):  # where that is not allowed, it is as urgent as the others
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + niceness)


def _only(group: CallbackGroup) -> Callable[[CallbackGroup], bool]:
    return lambda other: other is group


def _refuse(text: str) -> NoReturn:
    """Ends the process with status 2 and one line. What was made of a node goes first, and its participant with it."""
    hint = "; set ROS_LOG_DIR to a folder that can be written" if "log directory" in text else ""
    print("error: " + " ".join(text.split()) + hint, file=sys.stderr)
    timer = threading.Timer(END_WITHIN, _exit, args=(2,))
    timer.daemon = True
    timer.start()
    gc.collect()
    rclpy.try_shutdown()
    _exit(2)


def _exit(status: int) -> NoReturn:
    """Ends the process at once: interpreter and DDS threads would only wait for one another."""
    shared_memory.clear_own()  # what DDS had no time to remove
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
