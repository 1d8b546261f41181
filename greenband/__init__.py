"""The front door: the ``greenband`` command, which composes the other rooms and adds no logic."""
