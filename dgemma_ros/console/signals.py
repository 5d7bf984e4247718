"""SIGINT and SIGTERM: the command ends within two seconds, at any moment, and leaves nothing half-written if it can.

As long as nothing is begun the process ends on the spot. Then a signal becomes an exception, so that every ``finally``
runs, but not in the middle of an import: modules in C crash when that is broken off, so there, and inside :func:`held`,
it is tried again a moment later, and where it was lost in a destructor. Where native code does not come back to Python,
or something holds the exception up, a thread ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

WITHIN = 1.2
"""Seconds from the first signal to the end."""
INTERRUPTED = b"dgemma: interrupted\n"
_AGAIN = 0.02
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_first = 0
_holds = 0
_begun = False


def run(load: Callable[[], Callable[[], int]]) -> NoReturn:
    """Runs the command of this process, which ``load`` imports, and ends with the status that it gives."""
    global _begun
    install()
    command = load()
    _begun = True
    try:
        status = command()
    except KeyboardInterrupt:  # where the command itself does not expect one
        os.write(2, INTERRUPTED)
        status = 128 + signal.SIGINT
    ending()
    sys.exit(status)


def install() -> None:
    """Takes both signals over; for the main thread, before anything heavy is imported."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()
    for number in _SIGNALS:
        signal.signal(number, _handle)
    signal.signal(signal.SIGALRM, _handle)
    sys.unraisablehook = _unraisable


def ending() -> None:
    """The command is done: a signal from now on changes nothing but when the process is gone."""
    for number in (*_SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held() -> Iterator[None]:
    """What is done inside is not broken off; for the main thread, and for moments."""
    global _holds
    _holds += 1
    try:
        yield
    finally:
        _holds -= 1


def _watch(reader: int) -> None:
    number = 0
    while number not in _SIGNALS:
        number = os.read(reader, 1)[0]
    time.sleep(WITHIN)
    _end(number)


def _end(number: int) -> NoReturn:
    os.write(2, INTERRUPTED)
    os._exit(128 + number)


def _handle(number: int, frame: FrameType | None) -> None:
    global _first
    _first = _first or number
    if not _begun:
        _end(_first)
    if _holds or _importing(frame):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    elif _first == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        sys.exit(128 + _first)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """What is raised in a destructor is lost: our own exception is raised again, elsewhere."""
    if _first and issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(lost)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
