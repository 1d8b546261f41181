"""The hardware-in-the-loop bench: SUMO is the street, everything else is what stands in one.

SUMO's loops are wired to the detector inputs of cabinets, the cabinets' lamps drive SUMO's signals.
Between the two are separate programs on real wires: one ``greenband device`` per junction, the
daemon ``greenband edge run``, and a broker.

Glossary
    street      SUMO and its loops and lamps (:mod:`sim.hil.street`).
    field port  a virtual cabinet's detector inputs and lamps (:mod:`sim.hil.cabinets`).
    wires       what lies between the daemon and a cabinet, and can be cut (:mod:`sim.hil.wires`).
    reference   the same run with the same control in one process (:mod:`sim.hil.reference`).
"""
