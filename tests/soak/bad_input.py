"""What a node may be sent: good and bad tasks, texts, pictures, results and stamps, drawn at random."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable

import cv2
import numpy as np
from builtin_interfaces.msg import Duration, Time
from dgemma_msgs.msg import SkillResult, Task
from sensor_msgs.msg import CompressedImage, Image

TASKS = (
    "pick up the red block",
    "put the blue ball into the left tray",
    "what has been moved?",
    "clear the table",
    "where is the green cup?",
    "how many blocks are there?",
    "stack the red block on the blue block",
)
TEMPLATES = ("pick(object=____)", "place(object=____, target=____); ____", 'say(text="____")', "____")
CONTROLS = ("<|tool_call>", "<tool_call|>", "<|turn>", "<turn|>", '<|"|>', "<bos>", "<|image>", "<pad>", "<eos>")
LONG = 300_000
"""Characters of the longest texts: more than is taken."""


def task_text(chance: random.Random) -> str:
    """Mostly words that the model knows."""
    return chance.choice(TASKS) if chance.random() < 0.8 else text(chance)


def text(chance: random.Random) -> str:
    """Anybody's words, seldom meant well."""
    kinds: list[Callable[[], str]] = [
        lambda: "",
        lambda: " \t\n ",
        lambda: chance.choice(CONTROLS) * chance.randint(1, 4000),
        lambda: "".join(chance.choice(CONTROLS) for _ in range(50)),
        lambda: chance.choice("xй字🤖\u200b") * chance.randint(1, LONG),
        lambda: "".join(chr(chance.choice((*range(1, 0x80), *range(0xA0, 0x800), 0x1F916))) for _ in range(200)),
        lambda: "before\0behind",
        lambda: "pick(object=" * chance.randint(1, 2000),
        lambda: "{%" + "{{" * 500,
        lambda: f"the {chance.choice(('gripper', 'left tray', 'lamp'))} is broken",
    ]
    return chance.choice(kinds)()


def stamp(chance: random.Random) -> Time:
    """A time that may not be one."""
    seconds = (0, 1, -1, 2**31 - 1, -(2**31), 1_700_000_000, chance.randint(-(2**31), 2**31 - 1))
    return Time(sec=chance.choice(seconds), nanosec=chance.choice((0, 1, 999_999_999, 10**9, 2**32 - 1)))


def budget(chance: random.Random) -> Duration:
    """From hopeless to ample, evenly in the logarithm; now and then none at all, or one that is none."""
    if chance.random() < 0.05:
        return Duration(sec=chance.choice((0, -1, -(2**31))), nanosec=chance.choice((0, 1, 2**32 - 1)))
    seconds = 0.001 * 5000 ** chance.random()
    return Duration(sec=int(seconds), nanosec=int(seconds % 1 * 1e9))


def task(chance: random.Random, key: str) -> Task:
    """A task with terms at random."""
    made = Task(task_id=key, text=task_text(chance), budget=budget(chance), remember=chance.random() < 0.7)
    made.priority = chance.choice((0, 0, 0, 0, 1, 5, 255))
    if chance.random() < 0.15:
        made.template_text = chance.choice(TEMPLATES) if chance.random() < 0.6 else text(chance)
    if chance.random() < 0.05:
        made.parent_plan_id = text(chance)[:1000]
    return made


def image(chance: random.Random) -> Image:
    """A raw picture, mostly one that is none."""
    width, height = chance.choice(((320, 240), (64, 48), (1, 1), (640, 480)))
    noise = array("B", chance.randbytes(width * height * 3))
    made = Image(encoding="rgb8", width=width, height=height, step=3 * width, data=noise)
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: setattr(made, "encoding", chance.choice(("16UC1", "32FC1", "", "\0", "x" * 5000, "yuv422", "mono8"))),
        lambda: setattr(made, "step", chance.choice((0, 1, 2**32 - 1))),
        lambda: setattr(made, "width", chance.choice((0, 2**32 - 1))),
        lambda: setattr(made, "height", chance.choice((0, 2**32 - 1, height + 1))),
        lambda: setattr(made, "data", made.data[: chance.randrange(len(made.data))]),
        lambda: setattr(made.header, "frame_id", text(chance)[:10_000]),
    ]
    chance.choice(kinds)()
    made.header.stamp = stamp(chance)
    return made


def compressed(chance: random.Random) -> CompressedImage:
    """A file of a picture, mostly broken."""
    shape = chance.choice(((240, 320, 3), (3, 3, 3), (2000, 3000, 3)))
    picture = np.full(shape, chance.randrange(256), np.uint8)
    kind = chance.choice((".png", ".jpg", ".webp"))
    content = bytearray(cv2.imencode(kind, picture)[1].tobytes())
    way = chance.randrange(4)
    if way == 0:
        del content[chance.randrange(len(content)) :]
    elif way == 1:
        for _ in range(20):
            content[chance.randrange(len(content))] = chance.randrange(256)
    elif way == 2:
        content[16:24] = bytes([255]) * 8  # a PNG's sides
    made = CompressedImage(format=chance.choice((kind[1:], "", "compressedDepth png", "\0")), data=array("B", content))
    made.header.stamp = stamp(chance)
    return made


def result(chance: random.Random, plan_id: str) -> SkillResult:
    """What became of a step, of a plan that may not be there."""
    made = SkillResult(plan_id=plan_id, step=chance.choice((0, 1, 2**32 - 1)), outcome=chance.randrange(8))
    made.skill, made.reason = chance.choice(("pick", "fly", text(chance)[:10_000])), chance.choice(("", "slipped"))
    made.arguments_json = chance.choice(("{}", '{"object": "red block"}', "[" * 5000, "nan", text(chance)[:10_000]))
    made.dispatch_id = f"d{chance.randrange(10**9)}"
    return made
