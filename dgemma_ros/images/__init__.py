"""A picture becomes the patches that a vision tower takes: resampling, normalising, patch order."""
