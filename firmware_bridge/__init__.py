"""The wire to a cabinet: register map, frames, and both ends of Modbus TCP, RTU and serial.

This is the only room that knows Modbus. The device side checks every plan again on its own before
it commits to it, so that a fault on the wire or in the roadside daemon cannot light conflicting
greens.
"""
