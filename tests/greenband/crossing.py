"""A crossing of two one-lane streets, as SUMO files: the smallest real scenario."""

import subprocess
import sys
from pathlib import Path

NODES = """<nodes>
  <node id="c" x="0" y="0" type="{kind}"/>
  <node id="w" x="-300" y="0"/><node id="e" x="300" y="0"/>
  <node id="s" x="0" y="-300"/><node id="n" x="0" y="300"/>
</nodes>"""
EDGES = """<edges>
  <edge id="in" from="w" to="c" speed="13.9"/><edge id="out" from="c" to="e" speed="13.9"/>
  <edge id="up" from="s" to="c" speed="13.9"/><edge id="off" from="c" to="n" speed="13.9"/>
</edges>"""
ROUTES = """<routes>
  <flow id="a" begin="0" end="{end}" period="6" from="in" to="out"/>
  <flow id="b" begin="0" end="{end}" period="9" from="up" to="off"/>
</routes>"""
CONFIG = """<configuration>
  <input><net-file value="crossing.net.xml"/><route-files value="crossing.rou.xml"/></input>
  <time><begin value="0"/><end value="{end}"/></time>
</configuration>"""


def build_crossing(folder: Path, *, lights: bool = True, end_s: int = 300) -> Path:
    """Write the scenario into *folder*; returns its .sumocfg."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "traffic_light" if lights else "priority"
    (folder / "crossing.nod.xml").write_text(NODES.format(kind=kind))
    (folder / "crossing.edg.xml").write_text(EDGES)
    subprocess.run(
        [
            Path(sys.executable).with_name("netconvert"),
            *("--node-files", "crossing.nod.xml", "--edge-files", "crossing.edg.xml"),
            *("--output-file", "crossing.net.xml"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "crossing.rou.xml").write_text(ROUTES.format(end=end_s))
    config = folder / "crossing.sumocfg"
    config.write_text(CONFIG.format(end=end_s))
    return config
