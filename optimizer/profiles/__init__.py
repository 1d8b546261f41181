"""A network of signals that share a cycle, as cyclic flow profiles: its delay, and better settings.

:mod:`~optimizer.profiles.network` has the values, :mod:`~optimizer.profiles.model` evaluates a
setting, :mod:`~optimizer.profiles.improve` looks for a better one. The model is described in
``docs/network-model.md``.
"""
