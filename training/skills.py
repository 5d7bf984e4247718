"""Writes the nano checkpoint's skills.yaml: its objects, places and sayings are closed sets, so that a plan about
anything else is not valid."""

from __future__ import annotations

from pathlib import Path

from dgemma_ros.tabletop.scenes import MOST, PLACES
from training.tasks import CANNOT, NAMES, NOT_THERE, NOT_UNDERSTOOD, NOTHING, WHICH

SAYINGS = (CANNOT, NOT_UNDERSTOOD, NOT_THERE, WHICH, NOTHING, *map(str, range(MOST + 1)), *PLACES, *NAMES)
_TEXT = """\
# The skills of the nano checkpoint's robot: one arm at a table with two trays. Written by training/skills.py.
# Arguments are written in alphabetical order in a call. `choices` are the only values allowed; `range` is inclusive.
#
# `say` answers questions and gives reasons, from a closed set:
#   cannot           no skill does that, or a note forbids it
#   not understood   the words mean nothing here; also "stop", which is no task: use the planner's inhibit
#   not there        words like "the red one" name nothing in the picture (for a full name it is `look`)
#   which one        several objects could be meant
#   nothing          the answer to "what has been moved?" and the like
#   0 … {most}, places and objects   answers
skills:
  - name: pick
    description: Pick up an object.
    arguments:
      object: &object {{type: string, required: true, choices: [{objects}]}}
    examples:
      - {{object: red block}}
  - name: place
    description: Pick up an object and put it down at a place.
    arguments:
      object: *object
      target: {{type: string, required: true, choices: [{places}]}}
    examples:
      - {{object: blue ball, target: left tray}}
  - name: stack
    description: Put an object on another.
    arguments:
      object: *object
      "on": *object
    examples:
      - {{object: red block, "on": green ring}}
  - name: push
    description: Push an object so many centimetres.
    arguments:
      direction: {{type: string, required: true, choices: [left, right, away, closer]}}
      distance: {{type: integer, required: true, range: [1, 30]}}
      object: *object
    examples:
      - {{direction: left, distance: 12, object: yellow bar}}
  - name: look
    description: Look around for an object that is not in the picture.
    arguments:
      object: *object
    examples:
      - {{object: purple ring}}
  - name: say
    description: Answer a question, or say why not.
    arguments:
      text: {{type: string, required: true, choices: [{sayings}]}}
    examples:
      - {{text: left tray}}
  - name: done
    description: Nothing has to be done.
    arguments: {{}}
    examples:
      - {{}}
# How they are carried out: docs/execution.md. All of them by the tabletop's arm.
execution:
  defaults: {{action: execute_skill, type: dgemma_msgs/action/ExecuteSkill, timeout: 20, feedback_timeout: 3}}
  skills:
    pick:
    place:
    stack:
    push:
    look: {{effect: false}}
    say: {{effect: false}}
    done: {{action: none, effect: false, idle: true}}
"""


def write(folder: Path) -> None:
    quoted = [f'"{s}"' if s.isdigit() else s for s in SAYINGS]
    lists = {"objects": NAMES, "places": PLACES, "sayings": quoted}
    folder.mkdir(parents=True, exist_ok=True)
    text = _TEXT.format(most=MOST, **{name: ", ".join(values) for name, values in lists.items()})
    (folder / "skills.yaml").write_text(text)
