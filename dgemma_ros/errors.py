"""The one exception family.

Every error that a user, a file or a topic can cause is a :class:`DgemmaError` whose text is one line that says
what is wrong and what to do. The command line prints it and ends with status 2; the planner node maps the class
to an error code of its messages. Anything else that escapes is a defect of ours.
"""

from __future__ import annotations

from enum import IntEnum


def one_line(error: object, limit: int = 200) -> str:
    """An error's own words in one line of at most ``limit`` characters, for a message of ours."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


class DgemmaError(Exception):
    """Base of all expected errors. ``str(error)`` is one line, fit to be shown to a user."""


class CheckpointError(DgemmaError):
    """A checkpoint or exported folder is missing, damaged or not one that we can run."""


class TokenizerError(CheckpointError):
    """The tokenizer or the chat template of a checkpoint cannot be read, or a prompt cannot be rendered."""


class ImageError(DgemmaError):
    """A picture cannot be prepared for the model: wrong type, shape or content."""


class ContextError(DgemmaError):
    """A prompt or a write does not fit: context limit, image span cut by a chunk, rollback beyond the window."""


class ContextFullError(ContextError):
    """What was to be read does not fit behind what must stay in the context. Nothing was read."""


class CaseError(DgemmaError):
    """A replay case file is not what its format says."""


class OutputError(DgemmaError):
    """A file that was asked for could not be written; nothing half-written was left behind."""


class ExportError(OutputError):
    """The same of an export."""


class BackendError(DgemmaError):
    """An inference backend is missing, or refused a graph or an input."""


class DeviceMemoryError(BackendError):
    """The GPU has no memory left, or none that the target's recipe allows. What was there before is unharmed."""


class ErrorCode(IntEnum):
    """Why a plan is not valid, or was not made."""

    NONE = 0
    UNKNOWN_SKILL = 1
    """The model called a skill that the catalogue has not, or that is switched off."""
    BAD_ARGUMENT = 2
    """An argument is missing, unknown, of the wrong type, out of range or not among the choices."""
    TOO_MANY_STEPS = 3
    TRUNCATED = 4
    """The answer was cut in a call; the whole calls before it are kept."""
    NO_CALLS = 5
    """The answer holds no call at all."""
    MALFORMED = 6
    """The answer holds a call that is not written as calls are."""
    STALE_CAMERA = 7
    """The newest frame is older than ``max_observation_age``."""
    NO_FRAME = 8
    """``max_observation_age`` asks for a frame and there is none."""
    QUEUE_FULL = 9
    BUSY = 10
    """Another task runs and ``preemption`` is ``reject``."""
    INHIBITED = 11
    BAD_TASK = 12
    """The task itself cannot be used: no words, too long, a bad budget, a bad template."""
    CONTEXT_FULL = 13
    """The task does not fit behind what must stay in the context."""
    LATE = 14
    """The deadline came before there was anything to show, or the plan came behind it."""
    STOPPED = 15
    """The planner was stopped, or the task was cancelled, before there was a plan."""
    BACKEND = 16
    INTERNAL = 17
