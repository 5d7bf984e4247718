"""A plan carried out: which action a skill is, what must be so before it starts, and what became of it.

`table` maps skills to actions, `gates` say why something must not start, `approvals` bind a person's word to what was
seen, `journal` remembers over crashes. `dispatch` brings events into order: `clearance` asks a person before a step,
`flight` leads a skill to its outcome, `goal` asks what follows a plan, `report` shows where things stand, `hands` do
what was decided. Nothing here knows ROS; nothing here waits.
"""
