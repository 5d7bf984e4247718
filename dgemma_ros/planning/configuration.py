"""The settings and skills that hold now, and how they change while the planner runs."""

from __future__ import annotations

import threading

from dgemma_ros.context.context import Context
from dgemma_ros.planning.settings import Settings, SettingsError
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError


class Configuration:
    """Thread-safe: a change is checked against the context before it is taken, one change at a time.

    Raises :class:`SettingsError` for settings with which this model could not plan.
    """

    def __init__(self, context: Context, settings: Settings, skills: SkillCatalogue) -> None:
        self._context = context
        self._changing = threading.Lock()
        self.current = (settings, skills)
        """Replaced as a whole."""
        self._check(settings, skills)

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self.current[0]

    @property
    def skills(self) -> SkillCatalogue:
        """The skills that hold now."""
        return self.current[1]

    def update(self, settings: Settings) -> None:
        """Raises :class:`SettingsError` for settings with which this model could not plan."""
        with self._changing:
            self._check(settings, self.skills)
            self.current = (settings, self.skills)

    def _check(self, settings: Settings, skills: SkillCatalogue) -> None:
        if why := self._context.room.misfit(skills, settings):
            raise SettingsError(why)
        needed, limit = self._context.room.needed(skills, settings), self._context.room.limit(settings)
        if self._context.model.config.vision is not None and settings.image_tokens > limit - needed:
            raise SettingsError(
                f"image_tokens: {settings.image_tokens} a frame do not fit: next to skills, a task and its answer the "
                f"context has room for {limit - needed}; raise context_tokens, or ask for fewer"
            )

    def enable(self, name: str, on: bool) -> bool:
        """Switches a skill on or off; whether that changed anything.

        Raises :class:`SkillsError` for an unknown skill, and where the skills would not fit the context any more.
        """
        with self._changing:
            settings, skills = self.current
            if name not in skills.skills:
                skills.without({name})  # raises
            changed = skills.without(skills.off - {name} if on else skills.off | {name})
            if changed.off == skills.off:
                return False
            if on and (why := self._context.room.misfit(changed, settings)):
                raise SkillsError(f"{name!r}: {why}")
            self.current = (settings, changed)
            return True
