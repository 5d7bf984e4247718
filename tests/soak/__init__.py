"""A soak: real nodes over real DDS, tormented at random from a seed, and judged at the end (``make soak MINUTES=30``).

``acts`` is what is done to them, ``bad_input`` what they are sent, ``ledger`` what is owed and what came, ``watch``
what they take of the machine, ``judge`` what was promised and whether it held.
"""
