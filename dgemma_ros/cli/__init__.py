"""The command ``dgemma``."""
