"""Every parameter of the nodes: default, range, when it may change, and what it does. Knows no ROS.

The nodes declare from these tables, the reference in docs/ros.md is made of them, and launch files are checked against
them. Longer than most files: tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum, StrEnum
from typing import Any

from dgemma_ros.planning.settings import LADDER
from dgemma_ros.planning.types import Settings

Value = bool | int | float | str | list[str]


class When(StrEnum):
    """When a parameter may change."""

    LIVE = "any time"
    UNCONFIGURED = "while unconfigured"
    START = "at start only"


@dataclass(frozen=True)
class Parameter:
    """One parameter. Its type is its default's; ``low`` and ``high`` are inclusive."""

    name: str
    default: Value
    about: str
    when: When = When.LIVE
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    takes_whole_numbers: bool = False
    """A text that may look like a number: ``source: 0``."""

    @property
    def loose(self) -> bool:
        """Whether a whole number is as good as the type proper: ``budget: 2``."""
        return isinstance(self.default, float) or self.takes_whole_numbers

    @property
    def limits(self) -> str:
        """Range or choices, for people."""
        if self.choices:
            return ", ".join(f"`{choice}`" for choice in self.choices)
        return "" if self.low is None else f"{self.low:g} … {self.high:g}"

    def read(self, value: Any) -> Any:
        """A value in the type proper."""
        return type(self.default)(value) if self.loose else value

    def wrong(self, value: Any) -> str | None:
        """What is wrong with a value, or None. ROS itself holds types and ranges but for loose ones."""
        if self.loose:
            if isinstance(value, bool) or not isinstance(value, type(self.default) | int):
                return f"{self.name}: {value!r} is not a {'number' if isinstance(self.default, float) else 'text'}"
            if self.low is not None and self.high is not None and not self.low <= float(str(value)) <= self.high:
                return f"{self.name}: {value!r} is not in {self.limits}"
        if self.choices and value not in self.choices:
            return f"{self.name}: {value!r} is none of {', '.join(self.choices)}"
        return None


_SETTINGS = {
    "budget": "seconds from a task to its plan, for tasks that name none",
    "preemption": "what a new task does while another of the same priority runs: takes its place, waits, or is refused",
    "queue_limit": "tasks that may wait",
    "late_policy": "what a plan holds whose time was up: the best draft or nothing; only with `accept` is a plan valid "
    "that comes after its deadline",
    "max_observation_age": "seconds; a plan resting on an older frame is stale; 0 takes any frame, or none",
    "stale_policy": "what becomes of a task whose newest frame is too old: its plan is marked, or it is refused",
    "frame_rate": "frames a second of each camera taken into the context; 0 takes none",
    "max_frames": "frames kept in the context; 0: as many as the model was found good with (`memory.json`), or as fit",
    "keyframe_change": "difference of a picture from its camera's last keyframe that makes it one: it stays while "
    "others thin out; 0 makes a keyframe of each",
    "frame_ladder": "how other frames thin out with age: `600:2` keeps every 2nd of a camera until it is 600 s old; "
    '`[""]` keeps all',
    "max_frame_age": "seconds after which keyframes go, too; 0 keeps them",
    "recall": "forgotten keyframes that the journal gives back for one answer, those that have most to do with the "
    "task; 0: none",
    "max_turns": "earlier tasks with their plans kept in the context",
    "max_notes": "notes kept in the context",
    "max_note_age": "seconds, as frames say them, after which notes go that are not pinned; 0 keeps them",
    "image_tokens": "soft tokens a frame may take; 0 for the checkpoint's own",
    "seed": "of all noise: the same context, task and seed make the same plan",
    "max_steps": "denoising steps of one canvas; 0 for the checkpoint's own",
    "max_canvases": "canvases of one answer, thinking included",
    "publish_margin": "seconds before the deadline by which a plan leaves the planner",
    "max_plan_steps": "skills that one plan may call",
    "valid_for": "seconds for which a plan may be begun",
    "thinking": "let the model think before it answers, where its template can",
    "repair": "denoise only the wrong part of a plan again while time is left",
    "confirm": "a valid plan is made once more, from the next seed, where there is time, and the two are compared",
    "context_tokens": "tokens that may be remembered; 0: as many as the model's positions and a quarter of the free "
    "memory hold",
    "context_bytes": "bytes of keys and values that may be remembered; 0 leaves it to `context_tokens`",
}


def _setting(name: str, about: str) -> Parameter:
    """The parameter of one of the planner's settings; None, which ROS has not, becomes 0."""
    entry = next(entry for entry in fields(Settings) if entry.name == name)
    if name == "frame_ladder":
        return Parameter(name, list(LADDER), about)
    if entry.default is MISSING:
        raise TypeError(f"Settings.{name} has no default")
    default = 0 if entry.default is None else entry.default
    if isinstance(default, Enum):
        return Parameter(name, str(default.value), about, choices=tuple(str(choice.value) for choice in type(default)))
    low, high = entry.metadata.get("range", (None, None))
    return Parameter(name, default, about, low=0 if entry.default is None else low, high=high)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The planner's settings in a node's parameters. Raises :class:`SettingsError`."""
    chosen = {name: values[name] for name in _SETTINGS}
    chosen["max_steps"] = chosen["max_steps"] or None
    return Settings.of(chosen)


TRANSPORTS = ("raw", "compressed")

PLANNER = (
    Parameter("model", "", "folder: a checkpoint, or what `dgemma export` or `build` made of one", When.UNCONFIGURED),
    Parameter("skills", "", "file: the robot's skills; empty: `skills.yaml` in the model's folder", When.UNCONFIGURED),
    Parameter("device", "cpu", "what runs a model that is no built engine", When.UNCONFIGURED, choices=("cpu", "cuda")),
    Parameter("threads", 0, "CPU threads of inference; 0: all cores", When.UNCONFIGURED, 0, 1024),
    Parameter(
        "weights",
        "map",
        "`map` shares their file's pages, and a file that changes ends planning; `copy` reads them into memory, where "
        "no change of the file reaches",
        When.UNCONFIGURED,
        choices=("map", "copy"),
    ),
    Parameter("autostart", True, "configure and activate by itself; false where a lifecycle manager leads", When.START),
    Parameter("cameras", [""], "names of the cameras; empty names `image_raw` itself", When.UNCONFIGURED),
    Parameter("image_transport", "raw", "how pictures come", When.UNCONFIGURED, choices=TRANSPORTS),
    Parameter(
        "journal",
        "",
        "file: what is remembered is kept there, and is back after a restart; empty keeps none",
        When.UNCONFIGURED,
    ),
    Parameter(
        "journal_bytes",
        4 << 30,
        "of the journal on the disk, oldest out first; 0: no bound",
        When.UNCONFIGURED,
        0,
        1 << 50,
    ),
    Parameter(
        "journal_age",
        604800.0,
        "seconds for which the journal keeps what the context has forgotten; 0: no bound",
        When.UNCONFIGURED,
        0.0,
        3.2e9,
    ),
    Parameter("results", True, "read what became of skills (`skill_result`) into the context", When.UNCONFIGURED),
    Parameter(
        "result_timeout", 60.0, "seconds for which the action keeps a result to be asked for", When.START, 0.0, 86400.0
    ),
    Parameter(
        "canary_period",
        10.0,
        "seconds without a task after which one denoising step is made, so that `dgemma health` knows; 0 makes none",
        When.LIVE,
        0.0,
        86400.0,
    ),
    *(_setting(name, about) for name, about in _SETTINGS.items()),
    Parameter("max_image_pixels", 1 << 25, "of one picture; larger ones are refused undecoded", When.LIVE, 1, 1 << 26),
    Parameter("max_image_bytes", 1 << 27, "of one picture's message", When.LIVE, 1, 1 << 30),
    Parameter(
        "clock_tolerance",
        10.0,
        "seconds; a task that seems to have been on its way for longer comes from a clock that differs, and its budget "
        "counts from its arrival; 0 counts all from their arrival",
        When.LIVE,
        0.0,
        86400.0,
    ),
)

CAMERA = (
    Parameter(
        "source",
        "",
        "video file, folder of images, device (`/dev/video0` or `0`), stream address, or GStreamer pipeline",
        When.START,
        takes_whole_numbers=True,
    ),
    Parameter("rate", 0.0, "pictures a second; 0: the source's own, or 10", When.START, 0.0, 1000.0),
    Parameter("loop", True, "begin again at the end of a file or folder; without, the node ends there", When.START),
    Parameter("image_transport", "raw", "how pictures go out", When.START, choices=TRANSPORTS),
    Parameter("jpeg_quality", 90, "of compressed pictures", When.LIVE, 1, 100),
    Parameter("width", 0, "pixels to resize to; 0: as they come", When.START, 0, 16384),
    Parameter("height", 0, "pixels to resize to; 0: as they come", When.START, 0, 16384),
    Parameter("frame_id", "camera", "the pictures' frame_id", When.START),
    Parameter("camera_info", "", "file: calibration as camera_calibration writes it; empty: uncalibrated", When.START),
)

EXECUTOR = (
    Parameter("skills", "", "file: the robot's skills and how they are carried out", When.UNCONFIGURED),
    Parameter("journal", "", "file: what was dispatched; empty: in ROS's log folder", When.UNCONFIGURED),
    Parameter("autostart", True, "configure and activate by itself; false where a lifecycle manager leads", When.START),
    Parameter("planner", "planner", "name of the planner's node, whose life is watched", When.UNCONFIGURED),
    Parameter(
        "planner_timeout",
        5.0,
        "seconds without a word of the planner's; 0: not watched",
        When.UNCONFIGURED,
        0.0,
        3600.0,
    ),
    Parameter("cameras", [""], "names of the cameras that are watched", When.UNCONFIGURED),
    Parameter("image_transport", "raw", "how pictures come", When.UNCONFIGURED, choices=TRANSPORTS),
    Parameter("camera_timeout", 2.0, "seconds without a picture; 0: not watched", When.UNCONFIGURED, 0.0, 3600.0),
    Parameter("min_confidence", 0.0, "of every step of a plan", When.UNCONFIGURED, 0.0, 1.0),
    Parameter(
        "require_confirmed",
        False,
        "only plans that another seed confirms are carried out; the planner's `confirm` must be on",
        When.UNCONFIGURED,
    ),
    Parameter("attempts", 3, "plans for one task", When.UNCONFIGURED, 1, 100),
    Parameter("pin_done", True, "a next plan has the steps that are done pinned", When.UNCONFIGURED),
    Parameter(
        "ask_model",
        True,
        "when all steps have succeeded: ask the planner whether the goal is reached",
        When.UNCONFIGURED,
    ),
    Parameter("ask_rule", False, "the same of the service `goal_reached`", When.UNCONFIGURED),
    Parameter("remember", True, "whether the planner remembers what it is asked here", When.UNCONFIGURED),
    Parameter(
        "same_priority",
        "replace",
        "what a new plan of the same priority does",
        When.UNCONFIGURED,
        choices=("replace", "refuse"),
    ),
    Parameter(
        "settle",
        1.5,
        "seconds from a skill's end to the next question: a newer picture shall be there",
        When.UNCONFIGURED,
        0.0,
        60.0,
    ),
    Parameter("accept_timeout", 3.0, "seconds from a goal to its acceptance", When.UNCONFIGURED, 0.1, 600.0),
    Parameter(
        "cancel_timeout", 5.0, "seconds from cancel to the end, then its end is in doubt", When.UNCONFIGURED, 0.1, 600.0
    ),
    Parameter("approval_timeout", 60.0, "seconds for which an approval may be given", When.UNCONFIGURED, 1.0, 86400.0),
    Parameter("plan_timeout", 30.0, "seconds for the planner's answer", When.UNCONFIGURED, 0.1, 3600.0),
)

TABLETOP = (
    Parameter("seed", 0, "of the table and of all that happens there", When.START, 0, 2**31 - 1),
    Parameter("objects", 0, "things on the table; 0: as many as come", When.START, 0, 8),
    Parameter("rate", 1.0, "the world's seconds in one of ours", When.LIVE, 0.01, 100.0),
    Parameter("slip_rate", 0.0, "share of grasps that slip", When.LIVE, 0.0, 1.0),
    Parameter(
        "unreachable_rate", 0.0, "share of things out of the arm's reach, when the table is laid", When.LIVE, 0.0, 1.0
    ),
    Parameter(
        "person_rate",
        0.0,
        "how often in a second of the world a person comes and moves something",
        When.LIVE,
        0.0,
        10.0,
    ),
    Parameter("camera_rate", 10.0, "pictures a second, of ours", When.START, 0.1, 60.0),
    Parameter("width", 320, "pixels of the pictures", When.START, 64, 4096),
    Parameter("height", 240, "pixels of the pictures", When.START, 48, 4096),
    Parameter("frame_id", "table_camera", "the pictures' frame_id", When.START),
)


def reference(table: Iterable[Parameter]) -> str:
    """A table of parameters as Markdown."""
    lines = ["| parameter | default | range | changes | |", "|---|---|---|---|---|"]
    lines += [f"| `{p.name}` | {_shown(p.default)} | {p.limits} | {p.when} | {p.about} |" for p in table]
    return "\n".join(lines) + "\n"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return "empty" if value == "" else f"`{value}`"
