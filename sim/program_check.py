"""Names everything unsafe in the signal programs of a network or of an additional file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.network.conflicts import head_foes
from sim.network.heads import signal_groups, signal_heads
from sim.network.model import Finding
from sim.network.net_file import read_net
from sim.network.program_faults import program_faults
from sim.network.programs import every_program


def check_program(net_file: Path, additional_files: Sequence[Path] = ()) -> tuple[Finding, ...]:
    """Everything unsafe in every program of *net_file* and of *additional_files*.

    All programs count, also those that are not in force. Short or missing yellow, conflicting
    greens, greens that start too early, short greens and walks, short pedestrian clearances, links
    that are never green. Raises :class:`sim.errors.NetworkError` for files that cannot be read and
    for programs that do not fit the network.
    """
    net = read_net(Path(net_file))
    findings: list[Finding] = []
    for program in every_program(net.logics, additional_files):
        heads = signal_heads(net, program)
        if heads and not program.is_off:
            groups = signal_groups(net, heads, (0.0, 0.0))
            relations = head_foes(net, program, heads)
            findings += program_faults(net, program, heads, groups, relations)
    return tuple(findings)
