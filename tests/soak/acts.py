"""What is done to the nodes, one act at a time, while tasks keep coming. Each act leaves a planner that is active."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from dgemma_msgs.srv import ContextInfo, ResetContext, SetSkillEnabled
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool, String

from tests.nodes.graph import PATIENCE
from tests.soak import bad_input
from tests.soak.client import Client
from tests.soak.fleet import Fleet

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
ARRIVES_WITHIN = 30.0
"""Seconds; a killed planner counts as a reader for 20 more."""
GOOD = {
    "budget": (0.3, 2.0, 5.0),
    "preemption": ("latest", "queue", "reject"),
    "queue_limit": (1, 4, 16),
    "late_policy": ("draft", "empty"),
    "max_observation_age": (0.0, 0.5),
    "stale_policy": ("mark", "refuse"),
    "frame_rate": (0.0, 1.0, 10.0),
    "max_frames": (1, 3),
    "max_turns": (0, 1, 3),
    "max_notes": (1, 8),
    "max_steps": (0, 1, 4),
    "thinking": (False,),
    "repair": (True, False),
    "seed": (0, 7),
}
BAD = {
    "budget": (-1.0, 0.0, float("nan"), float("inf"), "soon"),
    "preemption": ("maybe", "", 3),
    "queue_limit": (0, -1, 10**9),
    "context_tokens": (1, 330, "x"),
    "image_tokens": (30_000, -1),
    "publish_margin": (60.0, -1.0),
    "max_steps": (-1, 10**9),
    "model": ("/nowhere",),
    "no_such_parameter": (1,),
}


class Torment:
    """Acts by name. ``broken`` gathers what an act saw that should not be."""

    def __init__(self, client: Client, fleet: Fleet, chance: random.Random) -> None:
        self.client, self.fleet, self.chance = client, fleet, chance
        self.broken: list[str] = []
        self.acts: dict[str, tuple[int, Callable[[], None]]] = {
            "goals": (6, self.goals),
            "a burst of tasks": (4, self.burst),
            "notes": (4, self.notes),
            "bad pictures": (4, self.pictures),
            "results": (2, self.results),
            "inhibit": (2, self.inhibit),
            "parameters": (4, self.parameters),
            "services": (3, self.services),
            "refused transitions": (2, self.refused),
            "deactivate": (4, self.deactivate),
            "cleanup": (2, self.cleanup),
            "a held planner": (4, self.hold_planner),
            "a held camera": (1, self.hold_camera),
            "a camera anew": (1, self.new_camera),
            "clocks": (2, self.clocks),
        }
        self.ends: dict[str, tuple[int, Callable[[], None]]] = {"SIGTERM": (1, self.term), "SIGKILL": (1, self.kill)}
        """Acts that end the planner's life."""

    # -- messages -------------------------------------------------------------------------------------------------

    def goals(self) -> None:
        """Goals, of which some are cancelled."""
        for _ in range(self.chance.choice((1, 3, 20))):
            self.client.send_goal(self.chance)
            self._sleep(0.02)
            if self.chance.random() < 0.3:
                self.client.cancel_goals(self.chance)

    def burst(self) -> None:
        """Many tasks at once."""
        for _ in range(self.chance.choice((10, 100))):
            self.client.send_request(self.chance)

    def notes(self) -> None:
        """Notes of all kinds."""
        for _ in range(self.chance.choice((1, 10, 80))):
            self.client.say("note", String(data=bad_input.text(self.chance)))

    def pictures(self) -> None:
        """Broken pictures between the camera's."""
        for _ in range(20):
            self.client.say("image_raw", bad_input.image(self.chance))
            self.client.say("image_raw/compressed", bad_input.compressed(self.chance))
            self._sleep(0.02)

    def results(self) -> None:
        """Outcomes of skills that nobody carried out."""
        for _ in range(10):
            plan = self.client.last_plan_id if self.chance.random() < 0.6 else "none"
            self.client.say("skill_result", bad_input.result(self.chance, plan))

    def inhibit(self) -> None:
        """No planning for a while."""
        self.client.say("inhibit", Bool(data=True))
        try:
            self._sleep(0.3)
        finally:
            self.client.say("inhibit", Bool(data=False))

    def clocks(self) -> None:
        """A simulation's time for a while, which jumps, stands still, and runs backwards."""
        self.client.simulated = True
        self._set(use_sim_time=True)
        at = 0
        for _ in range(30):
            at = self.chance.choice((at + 10**8, at, at + 10**12, at // 2, 0, 2**60))
            self.client.say("/clock", Clock(clock=Time(sec=min(at // 10**9, 2**31 - 1), nanosec=at % 10**9)))
            self._sleep(0.02)
        self.client.say("/clock", Clock(clock=Time(sec=-5)))
        self._sleep(0.05)
        self._set(use_sim_time=False)
        time.sleep(0.5)  # plans of that time are still on their way
        self.client.simulated = False

    # -- services -------------------------------------------------------------------------------------------------

    def parameters(self) -> None:
        """Some that go, and some that do not."""
        for _ in range(3):
            name = self.chance.choice(list(GOOD))
            self._set(**{name: self.chance.choice(GOOD[name])})
            name = self.chance.choice(list(BAD))
            value = self.chance.choice(BAD[name])
            if self._set(**{name: value}):
                self.broken.append(f"{name} = {value!r} was taken")

    def services(self) -> None:
        """What the planner remembers; that it forgets; skills off and on."""
        for _ in range(3):
            if not self.client.graph.ask(ContextInfo, "/planner/context_info").success:
                self.broken.append("context_info did not succeed on an active planner")
        if self.chance.random() < 0.5:
            self.client.graph.ask(ResetContext, "/planner/reset_context")
        skill = self.chance.choice(("pick", "place", "push", "no such skill", "\0"))
        for on in (False, True):
            self.client.graph.ask(
                SetSkillEnabled, "/planner/set_skill_enabled", SetSkillEnabled.Request(skill=skill, enabled=on)
            )

    def refused(self) -> None:
        """Transitions that there are none from active."""
        for transition in (CONFIGURE, ACTIVATE, CLEANUP, 99):
            if self.client.graph.change(transition):
                self.broken.append(f"transition {transition} was taken by an active planner")

    def deactivate(self) -> None:
        """Down and up again; tasks that come meanwhile are refused."""
        for _ in range(self.chance.choice((1, 1, 5))):
            self._change(DEACTIVATE, "inactive")
            self._sleep(0.1)
            self._change(ACTIVATE, "active")

    def cleanup(self) -> None:
        """The model is let go and loaded again."""
        self._change(DEACTIVATE, "inactive")
        self._leave("cleanup")
        self._change(CLEANUP, "unconfigured")
        self.fleet.members["planner"].life.look_unconfigured()
        self._set(image_transport=self.chance.choice(("raw", "raw", "compressed")))
        self._change(CONFIGURE, "inactive")
        self._change(ACTIVATE, "active")
        self.listens()

    # -- signals --------------------------------------------------------------------------------------------------

    def hold_planner(self) -> None:
        """Its process stands still."""
        self.fleet.hold("planner", self.chance.choice((0.02, 0.1, 0.5, 3.0)))

    def hold_camera(self) -> None:
        """The camera's process stands still."""
        self.fleet.hold("camera", self.chance.uniform(0.1, 2.0))

    def new_camera(self) -> None:
        """The camera ends, or is killed, and comes back."""
        self.fleet.end("camera", self.chance.choice((signal.SIGTERM, signal.SIGKILL)))
        self.fleet.begin("camera")

    def term(self) -> None:
        """The planner is told to end, with tasks under way."""
        self._leave("SIGTERM")
        self.fleet.end("planner", signal.SIGTERM)
        self.start_again()

    def kill(self) -> None:
        """The planner is killed, with tasks under way."""
        with self.client.ledger.sending:
            self.fleet.end("planner", signal.SIGKILL)
            time.sleep(0.5)  # plans that were published just before
            self.client.ledger.killed()
        self.start_again()

    def start_again(self) -> None:
        """A planner with the first parameters."""
        self.fleet.begin("planner")
        self.listens()

    # -- what acts are made of ------------------------------------------------------------------------------------

    def listens(self) -> None:
        """Waits until the planner hears tasks; from then on they are owed plans.

        That something listens says little: a planner that was killed counts for 20 s. So it is tried.
        """
        end = time.monotonic() + PATIENCE
        while not self.client.heard_on_all_ways():
            if time.monotonic() > end:
                raise AssertionError(f"waited {PATIENCE:.0f} s for the planner to hear tasks")
        with self.client.ledger.sending:
            self.client.ledger.listens()

    def _leave(self, how: str) -> None:
        with self.client.ledger.sending:
            if not self.client.arrived(ARRIVES_WITHIN):
                self.broken.append(f"before {how}: tasks had not arrived within {ARRIVES_WITHIN:.0f} s")
            self.client.ledger.leaves(how)

    def _change(self, transition: int, state: str) -> None:
        if not self.client.graph.change(transition) or (now := self.client.graph.state()) != state:
            now = self.client.graph.state()
            self.broken.append(f"transition {transition} should have led to {state}, and the planner is {now}")

    def _set(self, **values: Any) -> bool:
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        answer = self.client.graph.ask(
            SetParameters, "/planner/set_parameters", SetParameters.Request(parameters=parameters)
        )
        return all(result.successful for result in answer.results)

    def _sleep(self, about: float) -> None:
        time.sleep(self.chance.uniform(0.0, 2 * about))
