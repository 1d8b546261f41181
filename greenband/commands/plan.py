"""``greenband plan``: signal plans for a network, made, checked, compared and exported.

What is no command of the group is taken for the network that a plan is to be made for:
``greenband plan arterial4x4`` is ``greenband plan make arterial4x4``.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["MAKE", "app", "plan_files", "plan_make", "plan_report", "plan_week"]

MAKE = "make"


class MakingGroup(TyperGroup):
    """A group whose first word may be left out when it is ``make``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer hides it)
        """Put the word where it is missing."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=MakingGroup,
    no_args_is_help=True,
    help="Make, check, compare and export network plans.",
)

# Their commands join the group on import.
from greenband.commands import plan_files, plan_make, plan_report, plan_week  # noqa: E402
