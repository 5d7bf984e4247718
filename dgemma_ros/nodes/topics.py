"""Every name that the nodes speak under: they take them from here, and the reference in docs/ros.md is made of it.

Names are relative, so that a namespace moves a whole robot, and can be remapped. Knows no ROS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a name stands for, seen from the node."""

    IN = "in"
    OUT = "out"
    SERVICE = "service"
    ACTION = "action"


@dataclass(frozen=True)
class Qos:
    """Quality of service of a topic: the newest ``depth`` messages are kept. ``latched`` is ROS's transient local."""

    depth: int
    reliable: bool = True
    latched: bool = False

    def __str__(self) -> str:
        words = ("reliable" if self.reliable else "best effort", "transient local" if self.latched else "")
        return ", ".join([*filter(None, words), f"depth {self.depth}"])


@dataclass(frozen=True)
class Name:
    """One name: its type as ``ros2 interface show`` takes it, and what travels there."""

    name: str
    type: str
    kind: Kind
    qos: Qos | None
    """None for services and actions."""
    about: str


NEWEST = Qos(1, reliable=False)
"""Sensor data, the newest only: a late picture is worth less than a fresh one."""
OFFERED = Qos(1)
"""Pictures as they go out: reliable serves subscribers of both kinds, RViz's default among them."""
TASKS = Qos(1000)
"""Deep, for every task is promised an answer."""
PLANS = Qos(1000, latched=True)
"""Outlasts a reader that pauses; one that comes late gets what its own depth asks for: with depth 1, the last plan."""

IMAGE = Name(
    "image_raw",
    "sensor_msgs/msg/Image",
    Kind.IN,
    NEWEST,
    "camera pictures; with `cameras: [front, rear]` it is `front/image_raw` and `rear/image_raw`",
)
IMAGE_COMPRESSED = Name(
    "image_raw/compressed",
    "sensor_msgs/msg/CompressedImage",
    Kind.IN,
    NEWEST,
    "instead, with `image_transport: compressed`",
)
TASK = Name("task", "std_msgs/msg/String", Kind.IN, TASKS, "the whole prompt: one task in plain words")
TASK_REQUEST = Name("task_request", "dgemma_msgs/msg/Task", Kind.IN, TASKS, "a task with its terms")
NOTE = Name(
    "note",
    "std_msgs/msg/String",
    Kind.IN,
    Qos(100),
    "what later tasks should know: `the gripper is broken`. A hint that a model may miss: to stop, use `inhibit`",
)
INHIBIT = Name("inhibit", "std_msgs/msg/Bool", Kind.IN, Qos(10), "`true` stops planning at once, until `false`")
PLAN = Name("plan", "dgemma_msgs/msg/Plan", Kind.OUT, PLANS, "exactly one for every task")
PLAN_TEXT = Name(
    "plan_text",
    "std_msgs/msg/String",
    Kind.OUT,
    PLANS,
    "each plan in a line or more for people and shells",
)
RESULT_OF_SKILL = Name(
    "skill_result",
    "dgemma_msgs/msg/SkillResult",
    Kind.IN,
    Qos(100),
    "what became of a step, read behind the plan that it is of; not with `results: false`",
)
PLAN_BT = Name(
    "plan_bt",
    "std_msgs/msg/String",
    Kind.OUT,
    PLANS,
    "each valid plan as BehaviorTree.CPP XML, with the model of its nodes",
)
PLAN_DRAFT = Name("plan_draft", "dgemma_msgs/msg/PlanDraft", Kind.OUT, Qos(50), "the canvas after each denoising step")
DIAGNOSTICS = Name(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    Kind.OUT,
    Qos(10),
    "once a second: state, latency, deadlines, steps, context, drops, model",
)
GENERATE_PLAN = Name(
    "generate_plan",
    "dgemma_msgs/action/GeneratePlan",
    Kind.ACTION,
    None,
    "a task as an action: drafts are its feedback, cancel works within a denoising step",
)
CONTEXT_INFO = Name(
    "~/context_info",
    "dgemma_msgs/srv/ContextInfo",
    Kind.SERVICE,
    None,
    "what the planner remembers now; `dgemma context` shows it",
)
RESET_CONTEXT = Name(
    "~/reset_context", "dgemma_msgs/srv/ResetContext", Kind.SERVICE, None, "forgets frames, notes, tasks and plans"
)
SET_SKILL_ENABLED = Name(
    "~/set_skill_enabled", "dgemma_msgs/srv/SetSkillEnabled", Kind.SERVICE, None, "switches a skill on or off"
)

PLANNER = (
    *(IMAGE, IMAGE_COMPRESSED, TASK, TASK_REQUEST, NOTE, RESULT_OF_SKILL, INHIBIT),
    *(PLAN, PLAN_TEXT, PLAN_BT, PLAN_DRAFT, DIAGNOSTICS),
    *(GENERATE_PLAN, CONTEXT_INFO, RESET_CONTEXT, SET_SKILL_ENABLED),
)
CAMERA = (
    Name(IMAGE.name, IMAGE.type, Kind.OUT, OFFERED, "the pictures, `bgr8`"),
    Name(
        IMAGE_COMPRESSED.name,
        IMAGE_COMPRESSED.type,
        Kind.OUT,
        OFFERED,
        "instead, with `image_transport: compressed`: JPEG",
    ),
    Name("camera_info", "sensor_msgs/msg/CameraInfo", Kind.OUT, OFFERED, "with each picture"),
    Name(DIAGNOSTICS.name, DIAGNOSTICS.type, Kind.OUT, Qos(10), "once a second: frames, rate, drops"),
)

SKILL_RESULT = Name(
    "skill_result",
    "dgemma_msgs/msg/SkillResult",
    Kind.OUT,
    PLANS,
    "what became of each skill that was dispatched, exactly one outcome for each dispatch_id",
)
EXECUTION = Name(
    "execution",
    "dgemma_msgs/msg/Execution",
    Kind.OUT,
    PLANS,
    "where the executor stands with a task, at every change, and how it ended",
)
APPROVAL_REQUEST = Name(
    "approval_request",
    "dgemma_msgs/msg/ApprovalRequest",
    Kind.OUT,
    PLANS,
    "what a person is asked, and how that was settled",
)
APPROVE = Name("~/approve", "dgemma_msgs/srv/Approve", Kind.SERVICE, None, "the answer to a request, once")
CANCEL_EXECUTION = Name(
    "~/cancel", "dgemma_msgs/srv/CancelExecution", Kind.SERVICE, None, "ends what is carried out, or waits to be"
)
CLEAR_DOUBT = Name(
    "~/clear_doubt", "dgemma_msgs/srv/ClearDoubt", Kind.SERVICE, None, "a person says that the robot stands still"
)
GOAL_REACHED = Name(
    "goal_reached",
    "dgemma_msgs/srv/GoalReached",
    Kind.SERVICE,
    None,
    "a rule's word on whether a task's goal is reached",
)
EXECUTE_SKILL = Name(
    "execute_skill",
    "dgemma_msgs/action/ExecuteSkill",
    Kind.ACTION,
    None,
    "one skill, carried out by the arm, one at a time; a dispatch_id that was there before is refused",
)
TRUTH = Name("~/truth", "std_msgs/msg/String", Kind.OUT, Qos(1, latched=True), "the whole world as JSON")
MOVE_OBJECT = Name(
    "~/move_object", "dgemma_msgs/srv/MoveObject", Kind.SERVICE, None, "a person comes, moves something, and goes"
)
SLIP_NEXT = Name("~/slip_next", "dgemma_msgs/srv/SlipNext", Kind.SERVICE, None, "the next grasps slip")
SET_REACHABLE = Name("~/set_reachable", "dgemma_msgs/srv/SetReachable", Kind.SERVICE, None, "what the arm can reach")
RESET_WORLD = Name("~/reset", "dgemma_msgs/srv/ResetWorld", Kind.SERVICE, None, "lays the table anew, from a seed")

EXECUTOR = (
    Name(PLAN.name, PLAN.type, Kind.IN, Qos(100), "plans; those of before it came are left alone"),
    Name(
        INHIBIT.name,
        INHIBIT.type,
        Kind.IN,
        Qos(10),
        "`true` stops what moves, and nothing begins until `false`",
    ),
    Name(
        IMAGE.name,
        IMAGE.type,
        Kind.IN,
        NEWEST,
        "watched for life only, with `camera_timeout`; as for the planner",
    ),
    Name(
        DIAGNOSTICS.name,
        DIAGNOSTICS.type,
        Kind.IN,
        Qos(10),
        "the planner's, watched for life with `planner_timeout`",
    ),
    *(SKILL_RESULT, EXECUTION, APPROVAL_REQUEST),
    Name(
        TASK_REQUEST.name,
        TASK_REQUEST.type,
        Kind.OUT,
        Qos(1000),
        "the rest of a task, or whether it is reached",
    ),
    Name(
        DIAGNOSTICS.name,
        DIAGNOSTICS.type,
        Kind.OUT,
        Qos(10),
        "once a second: state, outcomes, what was refused",
    ),
    Name(
        "execute_skill",
        "dgemma_msgs/action/ExecuteSkill",
        Kind.ACTION,
        None,
        "called; this and whatever the skills file names",
    ),
    Name(GOAL_REACHED.name, GOAL_REACHED.type, Kind.SERVICE, None, "called, with `ask_rule`: is the goal reached?"),
    *(APPROVE, CANCEL_EXECUTION, CLEAR_DOUBT),
)
TABLETOP = (
    Name(IMAGE.name, IMAGE.type, Kind.OUT, OFFERED, "the table as a camera sees it now, `bgr8`"),
    Name(INHIBIT.name, INHIBIT.type, Kind.OUT, Qos(10), "`true` while a person is at the table"),
    *(TRUTH, EXECUTE_SKILL, GOAL_REACHED, MOVE_OBJECT, SLIP_NEXT, SET_REACHABLE, RESET_WORLD),
    Name(DIAGNOSTICS.name, DIAGNOSTICS.type, Kind.OUT, Qos(10), "once a second: time, arm, person"),
)


def of_camera(camera: str, topic: Name) -> str:
    """A camera's topic; the camera named by the empty string has no prefix."""
    return f"{camera}/{topic.name}" if camera else topic.name


def reference(names: Iterable[Name]) -> str:
    """The names as a Markdown table."""
    lines = ["| name | type | | quality of service | |", "|---|---|---|---|---|"]
    lines += [f"| `{n.name}` | {n.type} | {n.kind} | {n.qos or ''} | {n.about} |" for n in names]
    return "\n".join(lines) + "\n"
