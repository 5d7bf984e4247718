"""Is this device computing rightly: cases, their replay, and the comparison with what was expected."""
