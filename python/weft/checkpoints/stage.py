"""`Stage`: what `Env.stage` gives."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.checkpoints.keeper import Keeper

__all__ = ["Stage"]


class Stage:
    """A part of a script that is run once a job; what it makes are this object's attributes.

    `todo` says whether it is still to be run. Where it is, frames and JSON values that are set as attributes are saved
    at the block's end; where it is not, they are there from its beginning. Made by `Env.stage`.
    """

    def __init__(self, keeper: Keeper, name: str) -> None:
        self.__dict__.update(_keeper=keeper, _name=name, _todo=None, _asked=False, _values={}, _state="new")

    @property
    def name(self) -> str:
        """What the stage is called."""
        found: str = self.__dict__["_name"]
        return found

    @property
    def todo(self) -> bool:
        """Whether the body is to be run: no earlier attempt at this job has finished it."""
        self.__dict__["_asked"] = True
        if self.__dict__["_state"] == "new":
            raise ValueError(f"stage {self.name!r}: it is entered by with: with env.stage({self.name!r}) as s")
        return bool(self.__dict__["_todo"])

    def __enter__(self) -> Stage:
        mine = self.__dict__
        if mine["_state"] != "new":
            raise ValueError(f"stage {self.name!r}: it was entered before")
        mine["_state"] = "open"
        found = mine["_keeper"].enter_stage(self.name)
        mine["_todo"] = found is None
        mine["_values"] = found or {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mine = self.__dict__
        mine["_state"] = "closed"
        ended_well = kind is None and mine["_asked"]
        mine["_keeper"].leave_stage(self.name, mine["_values"] if ended_well and mine["_todo"] else None)
        if kind is None and not mine["_asked"]:
            raise ValueError(
                f"stage {self.name!r}: its body has not asked whether it is to be run, and would be run again by every "
                "attempt at the job: write what makes the frames below `if s.todo:`"
            )

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name not in values:
            known = ", ".join(values) or "none"
            raise AttributeError(f"stage {self.__dict__.get('_name')!r} has no {name!r}; there are: {known}")
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        mine = self.__dict__
        if name.startswith("_") or name in ("name", "todo"):
            raise ValueError(f"stage {self.name!r}: {name!r} is no name for a frame or value")
        if mine["_state"] != "open":
            raise ValueError(f"stage {self.name!r}: {name} is set inside of its with block alone")
        if not mine["_todo"]:
            raise ValueError(
                f"stage {self.name!r} was finished by an earlier attempt, and {name} is what that made: write what "
                "makes it below `if s.todo:`"
            )
        mine["_values"][name] = value

    def __dir__(self) -> list[str]:
        return ["name", "todo", *self.__dict__["_values"]]

    def __repr__(self) -> str:
        return f"<stage {self.name!r}: {', '.join(self.__dict__['_values']) or 'nothing yet'}>"
