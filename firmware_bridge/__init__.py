"""The wire to a cabinet: register map, frames, and both ends of Modbus TCP, TLS and serial.

This is the only room that knows Modbus. The device side checks every plan again on its own before
it commits to it, so that a fault on the wire or in the roadside daemon cannot light conflicting
greens.

What others use
    :mod:`firmware_bridge.client`        a cabinet as an edge sees it, on a
    :mod:`firmware_bridge.line`          line to an :mod:`end <firmware_bridge.ends>`;
    :mod:`firmware_bridge.status`        what a poll tells;
    :mod:`firmware_bridge.cabinet`       the virtual cabinet without wires, and as a program in
    :mod:`firmware_bridge.device`;
    :mod:`firmware_bridge.field_client`  the street of a virtual cabinet;
    :mod:`firmware_bridge.upload`        signed plans; :mod:`firmware_bridge.keys` their keys;
    :mod:`firmware_bridge.errors`        all that it raises.
"""
