"""What the model has read: the log of segments, how they become tokens, and the sequence that mirrors the log."""
