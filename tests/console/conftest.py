"""The command, as the other tests of it run it."""

from tests.greenband.conftest import greenband, inline

__all__ = ["greenband", "inline"]
