"""How long edges and turns take at the speed limit."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.network.net_file import NetFile


@dataclass(frozen=True, slots=True)
class FreeFlow:
    """Lengths in metres and times in seconds at the speed limit; what is unknown takes no time."""

    length_m: dict[str, float]
    _edge_s: dict[str, float] = field(repr=False)
    _turn_s: dict[tuple[str, str], float] = field(repr=False)

    @classmethod
    def of(cls, net: NetFile) -> FreeFlow:
        """The free flow of the roads of *net*; of an edge's lanes, the fastest counts."""
        length_m, edge_s = {}, {}
        for edge in net.edges.values():
            lanes = [net.lanes[lane] for lane in edge.lanes]
            if lanes and not edge.function:
                length_m[edge.id] = lanes[0].length_m
                edge_s[edge.id] = min(e.length_m / max(0.1, e.speed_m_per_s) for e in lanes)
        turn_s: dict[tuple[str, str], float] = {}
        for connection in net.connections:
            if connection.via in net.internal_length_m:
                speed_m_per_s = max(0.1, net.lanes[connection.via].speed_m_per_s)
                time_s = net.internal_length_m[connection.via] / speed_m_per_s
                turn_s.setdefault((connection.from_edge, connection.to_edge), time_s)
        return cls(length_m, edge_s, turn_s)

    def edge_s(self, edge: str) -> float:
        """Time along *edge*."""
        return self._edge_s.get(edge, 0.0)

    def turn_s(self, edge: str, following: str) -> float:
        """Time through the junction from *edge* to *following*."""
        return self._turn_s.get((edge, following), 0.0)

    def skipped_s(self, edge: str, position: str) -> float:
        """Time that a vehicle saves which starts at *position* (m, as SUMO writes it) on *edge*."""
        try:
            skipped_m = float(position)
        except ValueError:
            return 0.0
        length_m = self.length_m.get(edge, 0.0)
        return self.edge_s(edge) * min(1.0, skipped_m / length_m) if length_m else 0.0
