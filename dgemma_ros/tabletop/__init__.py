"""The world of the nano checkpoint: what lies on its table, what a camera sees of it, and how it changes.

`scenes` lays objects out, `render` draws them; `world` is a table on which time passes, `arm` carries out skills there,
`person` moves things, `goals` judge. Training, tests and the demo share them. Nothing here knows ROS, models or torch;
all randomness comes from generators and seeds that are passed in.
"""
