"""What can be wrong with a journal."""

from __future__ import annotations

from dgemma_ros.errors import DgemmaError


class JournalError(DgemmaError):
    """A journal cannot be opened, read or written; the text names the file and what to do."""


class DamageError(JournalError):
    """Something in a journal is not what was written: cut off, overwritten, or written by somebody else."""
