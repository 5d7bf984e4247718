"""A plan carried out: which action a skill is, what must be so before it starts, and what became of it.

`table` maps skills to actions, `gates` say why something must not start, `approvals` bind a person's word to what was
seen, `journal` remembers over crashes, `dispatch` brings events into order. Nothing here knows ROS; nothing here waits.
"""
