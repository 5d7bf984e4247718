"""The one exception family.

Every error that a user, a file or a topic can cause is a :class:`DgemmaError` whose text is one line that says
what is wrong and what to do. The command line prints it and ends with status 2; the planner node maps the class
to an error code of its messages. Anything else that escapes is a defect of ours.
"""

from __future__ import annotations


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
