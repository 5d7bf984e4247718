"""The memory on disk: segments, pictures, the rows of the cache, and every plan with what it rested on.

One SQLite file. A thread of its own writes it, so that nobody who plans waits for a disk; after a kill all is there
that is older than a second, and the cache comes back without encoding anything.
"""
