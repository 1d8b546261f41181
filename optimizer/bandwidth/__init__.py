"""Green waves: the widest bands through the signals of an arterial, proved.

:mod:`~optimizer.bandwidth.arterial`
    the arterial as a value; :mod:`~optimizer.bandwidth.arterial_json` reads its file
:mod:`~optimizer.bandwidth.maxband`
    one band through all signals in each direction: the exact solver's front door
:mod:`~optimizer.bandwidth.multiband`
    a band of its own for each link, weighted by its volume
:mod:`~optimizer.bandwidth.batch`
    thousands of arterials at a fixed cycle and fixed speeds
:mod:`~optimizer.bandwidth.crossing`
    waves through networks of arterials that cross
:mod:`~optimizer.bandwidth.cutting`
    where one long band is a poor goal, and where to cut
:mod:`~optimizer.bandwidth.check`
    what bands given offsets and speeds really have, independently of the solvers
"""
