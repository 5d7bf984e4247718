"""The few sizes that also the torch-free modules need."""

CANVAS = 72  # six calls of two arguments take 67 tokens
PATCH, POOLING, BUDGET = 16, 2, 40  # pixels a patch's side, patches a soft token's side, soft tokens a picture at most
NARROW, WIDE = (224, 160), (256, 128)  # what 4:3 and 16:9 pictures become: width, height
CELLS = {NARROW: 35, WIDE: 32}  # their soft tokens
POSITIONS = 16384  # the highest position that training shows
