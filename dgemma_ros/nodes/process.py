"""A node's process: arguments in, signals heard, a clean end within two seconds."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dgemma_ros.errors import DgemmaError

PROFILE = Path(__file__).with_name("fastdds.xml")
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
END_WITHIN = 1.8
"""Seconds from the signal to the end, whatever still runs then."""


class Runnable(Protocol):
    """A node as its process sees it."""

    def stop(self) -> None:
        """Ends what runs and publishes what is owed; called once, while the node can still publish."""


Finish = Callable[[int], None]
"""Ends the process with this exit status, from any thread."""


def use_large_images() -> None:
    """Has Fast DDS load the profile for large images, unless the user chose one. Before ``rclpy.init``."""
    if not any(os.environ.get(name) for name in _PROFILE_VARIABLES):
        os.environ[_PROFILE_VARIABLES[0]] = str(PROFILE)


def spin(executor: MultiThreadedExecutor) -> None:
    """Serves callbacks until the executor is shut down."""
    while rclpy.ok() and not getattr(executor, "_is_shutdown", False):
        try:
            executor.spin_once()
        except InvalidHandle:
            continue  # a subscription was destroyed between being ready and being served
        except ExternalShutdownException:
            return


def run(make: Callable[[Finish], Node], arguments: Sequence[str] | None = None, threads: int = 6) -> int:
    """Runs the node that ``make`` builds until SIGINT, SIGTERM or ``finish``; the exit status.

    The main thread only waits for them, and DDS is still up while the node stops: a task in work gets its plan.
    """
    use_large_images()
    sys.setswitchinterval(0.001)  # callbacks wait for the model's thread no longer than that
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    # The byte comes through whichever thread the signal hits: libraries have threads of their own before we can mask.
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda number, frame: None)
    statuses: list[int] = []

    def finish(status: int) -> None:
        statuses.append(status)
        wake.send(b"\0")

    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        node = make(finish)
    except DgemmaError as error:
        return _refuse(str(error))
    except Exception as error:  # rcl's parser of arguments and parameter files has no class of its own
        if type(error).__module__.startswith(("rclpy", "dgemma_ros")) or isinstance(error, RuntimeError):
            return _refuse(f"{error}")
        raise
    executor = MultiThreadedExecutor(threads)
    executor.add_node(node)

    def serve() -> None:
        try:
            spin(executor)
        except BaseException:
            logging.getLogger(__name__).exception("a callback broke")
            finish(1)

    threading.Thread(target=serve, name="executor", daemon=True).start()
    woken.recv(1)
    status = statuses[0] if statuses else 0
    _exit_later(status)
    try:
        node.stop()
        executor.shutdown(timeout_sec=0.5)
        rclpy.try_shutdown()
    except Exception:
        logging.getLogger(__name__).exception("while ending")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # interpreter and DDS threads would only wait for one another


def _refuse(text: str) -> int:
    print("error: " + " ".join(text.split()), file=sys.stderr)
    rclpy.try_shutdown()
    return 2


def _exit_later(status: int) -> None:
    def end() -> None:
        print("warning: ended with work still running", file=sys.stderr, flush=True)
        os._exit(status)

    timer = threading.Timer(END_WITHIN, end)
    timer.daemon = True
    timer.start()
