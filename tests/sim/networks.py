"""Networks for the tests of the derivation, made on the spot with SUMO's own tools."""

from __future__ import annotations

from pathlib import Path

from sim.sumo_home import run_sumo_binary

GRID = ("--grid", "--grid.number", "3", "--default-junction-type", "traffic_light")
KINDS = {
    "two lanes": (*GRID, "-L", "2"),
    "actuated": (*GRID, "-L", "3", "--turn-lanes", "1", "--tls.default-type", "actuated"),
    "nema": (*GRID, "-L", "2", "--turn-lanes", "1", "--tls.default-type", "NEMA"),
    "crossings": (*GRID, "-L", "2", "--sidewalks.guess", "--crossings.guess"),
    "left-hand": (*GRID, "-L", "2", "--lefthand", "--sidewalks.guess", "--crossings.guess"),
    "one stage per approach": (*GRID, "-L", "2", "--tls.layout", "incoming"),
    "shared link indices": (*GRID, "-L", "2", "--tls.group-signals"),
    "no inner lanes": (*GRID, "-L", "2", "--no-internal-links"),
    "turn on red": (*GRID[:3], "--default-junction-type", "traffic_light_right_on_red"),
    "seven arms": ("--spider", "--spider.arm-number", "7", "-L", "2", *GRID[3:]),
    "random": (
        *("--rand", "--rand.iterations", "25", "--seed", "5", "--random-lanenumber", *GRID[3:]),
        *("--sidewalks.guess", "--crossings.guess", "--bikelanes.guess"),
    ),
}
UNREGULATED = (*GRID[:3], "--default-junction-type", "traffic_light_unregulated")


def generate(folder: Path, options: tuple[str, ...], name: str = "made.net.xml") -> Path:
    """A network from netgenerate with *options*."""
    run_sumo_binary("netgenerate", [*options, "-o", name, "--no-warnings"], folder)
    return folder / name


def convert(folder: Path, nodes: str, edges: str, connections: str = "", *options: str) -> Path:
    """A network from netconvert, from the inner text of its plain files."""
    (folder / "plain.nod.xml").write_text(f"<nodes>{nodes}</nodes>")
    (folder / "plain.edg.xml").write_text(f"<edges>{edges}</edges>")
    (folder / "plain.con.xml").write_text(f"<connections>{connections}</connections>")
    run_sumo_binary(
        "netconvert",
        [
            *("-n", "plain.nod.xml", "-e", "plain.edg.xml", "-x", "plain.con.xml"),
            *("-o", "made.net.xml", "--no-warnings", "--no-turnarounds", *options),
        ],
        folder,
    )
    return folder / "made.net.xml"


CROSS_NODES = """
    <node id="c" x="0" y="0" type="traffic_light"/>
    <node id="n" x="0" y="300"/><node id="e" x="300" y="0"/>
    <node id="s" x="0" y="-300"/><node id="w" x="-300" y="0"/>"""
CROSS_EDGES = "".join(
    f'<edge id="{a}c" from="{a}" to="c" numLanes="1"/><edge id="c{a}" from="c" to="{a}"/>'
    for a in "nesw"
)


def crossroads(folder: Path, *options: str) -> Path:
    """One signal ``c`` with four arms n, e, s, w of one lane, 300 m long."""
    return convert(folder, CROSS_NODES, CROSS_EDGES, "", *options)


def two_nodes_one_controller(folder: Path) -> Path:
    """Two crossings 40 m apart under the one controller ``both``."""
    places = {"w": (-300, 0), "e": (340, 0), "a": (0, 0), "b": (40, 0)}
    places |= {f"{x}{arm}": (places[x][0], y) for x in "ab" for arm, y in (("n", 200), ("s", -200))}
    light = 'type="traffic_light" tl="both"'
    nodes = "".join(
        f'<node id="{name}" x="{x}" y="{y}" {light if name in {"a", "b"} else ""}/>'
        for name, (x, y) in places.items()
    )
    streets = [
        ("w", "a"),
        ("a", "b"),
        ("b", "e"),
        ("an", "a"),
        ("as", "a"),
        ("bn", "b"),
        ("bs", "b"),
    ]
    edges = "".join(
        f'<edge id="{x}-{y}" from="{x}" to="{y}"/><edge id="{y}-{x}" from="{y}" to="{x}"/>'
        for x, y in streets
    )
    return convert(folder, nodes, edges)
