"""An edge runtime for DiffusionGemma: camera video and tasks in, checked plans out, by a deadline."""

__version__ = "0.1.0"
