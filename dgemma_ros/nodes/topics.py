"""Every name that the nodes speak under: they take them from here, and the README's reference is made of it.

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
class Name:
    """One name: its type as ``ros2 interface show`` takes it, and what travels there."""

    name: str
    type: str
    kind: Kind
    qos: str
    about: str


IMAGE = Name(
    "image_raw",
    "sensor_msgs/msg/Image",
    Kind.IN,
    "best effort, depth 1",
    "camera pictures; with `cameras: [front, rear]` it is `front/image_raw` and `rear/image_raw`",
)
IMAGE_COMPRESSED = Name(
    "image_raw/compressed",
    "sensor_msgs/msg/CompressedImage",
    Kind.IN,
    "best effort, depth 1",
    "instead, with `image_transport: compressed`",
)
TASK = Name("task", "std_msgs/msg/String", Kind.IN, "reliable, depth 1000", "the whole prompt: one task in plain words")
TASK_REQUEST = Name("task_request", "dgemma_msgs/msg/Task", Kind.IN, "reliable, depth 1000", "a task with its terms")
NOTE = Name(
    "note",
    "std_msgs/msg/String",
    Kind.IN,
    "reliable, depth 100",
    "what later tasks should know: `the gripper is broken`",
)
INHIBIT = Name(
    "inhibit", "std_msgs/msg/Bool", Kind.IN, "reliable, depth 10", "`true` stops planning at once, until `false`"
)
PLAN = Name(
    "plan", "dgemma_msgs/msg/Plan", Kind.OUT, "reliable, transient local, depth 100", "exactly one for every task"
)
PLAN_TEXT = Name(
    "plan_text",
    "std_msgs/msg/String",
    Kind.OUT,
    "reliable, transient local, depth 100",
    "each plan in a line or more for people and shells",
)
PLAN_DRAFT = Name(
    "plan_draft", "dgemma_msgs/msg/PlanDraft", Kind.OUT, "reliable, depth 50", "the canvas after each denoising step"
)
DIAGNOSTICS = Name(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    Kind.OUT,
    "reliable, depth 10",
    "once a second: state, latency, deadlines, steps, context, drops, model",
)
GENERATE_PLAN = Name(
    "generate_plan",
    "dgemma_msgs/action/GeneratePlan",
    Kind.ACTION,
    "",
    "a task as an action: drafts are its feedback, cancel works within a denoising step",
)
CONTEXT_INFO = Name("~/context_info", "dgemma_msgs/srv/ContextInfo", Kind.SERVICE, "", "what the planner remembers now")
RESET_CONTEXT = Name(
    "~/reset_context", "dgemma_msgs/srv/ResetContext", Kind.SERVICE, "", "forgets frames, notes, tasks and plans"
)
SET_SKILL_ENABLED = Name(
    "~/set_skill_enabled", "dgemma_msgs/srv/SetSkillEnabled", Kind.SERVICE, "", "switches a skill on or off"
)

PLANNER = (
    *(IMAGE, IMAGE_COMPRESSED, TASK, TASK_REQUEST, NOTE, INHIBIT),
    *(PLAN, PLAN_TEXT, PLAN_DRAFT, DIAGNOSTICS),
    *(GENERATE_PLAN, CONTEXT_INFO, RESET_CONTEXT, SET_SKILL_ENABLED),
)
CAMERA = (
    Name(IMAGE.name, IMAGE.type, Kind.OUT, "best effort, depth 1", "the pictures, `bgr8`"),
    Name(
        IMAGE_COMPRESSED.name,
        IMAGE_COMPRESSED.type,
        Kind.OUT,
        "best effort, depth 1",
        "instead, with `image_transport: compressed`: JPEG",
    ),
    Name("camera_info", "sensor_msgs/msg/CameraInfo", Kind.OUT, "best effort, depth 1", "with each picture"),
    Name(DIAGNOSTICS.name, DIAGNOSTICS.type, Kind.OUT, "reliable, depth 10", "once a second: frames, rate, drops"),
)

SKILL_RESULT = Name(
    "skill_result",
    "dgemma_msgs/msg/SkillResult",
    Kind.OUT,
    "reliable, transient local, depth 100",
    "what became of each skill that was dispatched, exactly one outcome for each dispatch_id",
)
EXECUTION = Name(
    "execution",
    "dgemma_msgs/msg/Execution",
    Kind.OUT,
    "reliable, transient local, depth 100",
    "where the executor stands with a task, at every change, and how it ended",
)
APPROVAL_REQUEST = Name(
    "approval_request",
    "dgemma_msgs/msg/ApprovalRequest",
    Kind.OUT,
    "reliable, transient local, depth 100",
    "what a person is asked, and how that was settled",
)
APPROVE = Name("~/approve", "dgemma_msgs/srv/Approve", Kind.SERVICE, "", "the answer to a request, once")
CANCEL_EXECUTION = Name(
    "~/cancel", "dgemma_msgs/srv/CancelExecution", Kind.SERVICE, "", "ends what is carried out, or waits to be"
)
CLEAR_DOUBT = Name(
    "~/clear_doubt", "dgemma_msgs/srv/ClearDoubt", Kind.SERVICE, "", "a person says that the robot stands still"
)
GOAL_REACHED = Name(
    "goal_reached", "dgemma_msgs/srv/GoalReached", Kind.SERVICE, "", "a rule's word on whether a task's goal is reached"
)
EXECUTE_SKILL = Name(
    "execute_skill",
    "dgemma_msgs/action/ExecuteSkill",
    Kind.ACTION,
    "",
    "one skill, carried out by the arm, one at a time; a dispatch_id that was there before is refused",
)
TRUTH = Name(
    "~/truth", "std_msgs/msg/String", Kind.OUT, "reliable, transient local, depth 1", "the whole world as JSON"
)
MOVE_OBJECT = Name(
    "~/move_object", "dgemma_msgs/srv/MoveObject", Kind.SERVICE, "", "a person comes, moves something, and goes"
)
SLIP_NEXT = Name("~/slip_next", "dgemma_msgs/srv/SlipNext", Kind.SERVICE, "", "the next grasps slip")
SET_REACHABLE = Name("~/set_reachable", "dgemma_msgs/srv/SetReachable", Kind.SERVICE, "", "what the arm can reach")
RESET_WORLD = Name("~/reset", "dgemma_msgs/srv/ResetWorld", Kind.SERVICE, "", "lays the table anew, from a seed")

EXECUTOR = (
    Name(
        PLAN.name, PLAN.type, Kind.IN, "reliable, volatile, depth 100", "plans; those of before it came are left alone"
    ),
    Name(
        INHIBIT.name,
        INHIBIT.type,
        Kind.IN,
        "reliable, depth 10",
        "`true` stops what moves, and nothing begins until `false`",
    ),
    Name(
        IMAGE.name,
        IMAGE.type,
        Kind.IN,
        "best effort, depth 1",
        "watched for life only, with `camera_timeout`; as for the planner",
    ),
    Name(
        DIAGNOSTICS.name,
        DIAGNOSTICS.type,
        Kind.IN,
        "reliable, depth 10",
        "the planner's, watched for life with `planner_timeout`",
    ),
    *(SKILL_RESULT, EXECUTION, APPROVAL_REQUEST),
    Name(
        TASK_REQUEST.name,
        TASK_REQUEST.type,
        Kind.OUT,
        "reliable, depth 1000",
        "the rest of a task, or whether it is reached",
    ),
    Name(
        DIAGNOSTICS.name,
        DIAGNOSTICS.type,
        Kind.OUT,
        "reliable, depth 10",
        "once a second: state, outcomes, what was refused",
    ),
    Name(
        "execute_skill",
        "dgemma_msgs/action/ExecuteSkill",
        Kind.ACTION,
        "",
        "called; this and whatever the skills file names",
    ),
    Name(GOAL_REACHED.name, GOAL_REACHED.type, Kind.SERVICE, "", "called, with `ask_rule`: is the goal reached?"),
    *(APPROVE, CANCEL_EXECUTION, CLEAR_DOUBT),
)
TABLETOP = (
    Name(IMAGE.name, IMAGE.type, Kind.OUT, "best effort, depth 1", "the table as a camera sees it now, `bgr8`"),
    Name(INHIBIT.name, INHIBIT.type, Kind.OUT, "reliable, depth 10", "`true` while a person is at the table"),
    *(TRUTH, EXECUTE_SKILL, GOAL_REACHED, MOVE_OBJECT, SLIP_NEXT, SET_REACHABLE, RESET_WORLD),
    Name(DIAGNOSTICS.name, DIAGNOSTICS.type, Kind.OUT, "reliable, depth 10", "once a second: time, arm, person"),
)


def of_camera(camera: str, topic: Name) -> str:
    """A camera's topic; the camera named by the empty string has no prefix."""
    return f"{camera}/{topic.name}" if camera else topic.name


def reference(names: Iterable[Name]) -> str:
    """The names as a Markdown table."""
    lines = ["| name | type | | quality of service | |", "|---|---|---|---|---|"]
    lines += [f"| `{n.name}` | {n.type} | {n.kind} | {n.qos} | {n.about} |" for n in names]
    return "\n".join(lines) + "\n"
