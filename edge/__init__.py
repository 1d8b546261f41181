"""The daemon at the roadside: reads detectors, decides, pushes plans, logs, and survives.

This is the only room that knows MQTT and the local store. It runs the strategic and tactical
tiers of :mod:`optimizer` beside one or more controllers, which it reaches through
:mod:`firmware_bridge`, and it steps down by itself when something fails: adaptive, then the
coordinated plan by clock, then isolated actuated, then flash.
"""
