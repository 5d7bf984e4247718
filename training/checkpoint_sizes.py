"""The few sizes that also the torch-free modules need."""

CANVAS = 36
PATCH, POOLING, BUDGET = 16, 2, 24  # pixels a patch's side, patches a soft token's side, soft tokens a picture at most
