"""``dgemma doctor``: what this machine has and lacks, line by line, with the fix.

``finding`` is one line; ``software``, ``machine``, ``host`` and ``robot`` are its checks; ``command`` runs and prints
them. A check imports what it needs by itself: a doctor must also work where little else does.
"""
