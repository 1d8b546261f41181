"""Reads a drawing back: its elements by class, and the corners of boxes and paths."""

import re
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


class Read:
    """The XML of a drawing's file; raises where it is not well-formed."""

    def __init__(self, drawing):
        self.root = ET.fromstring(drawing.file_text())
        assert ET.fromstring(drawing.inline()).get("class") == "gb"

    def of_class(self, name):
        return [each for each in self.root.iter() if name in (each.get("class") or "").split()]

    def boxes(self, name):
        """(x, y, width, height) of the rectangles of a class."""
        return [tuple(float(each.get(k)) for k in ("x", "y", "width", "height"))
                for each in self.of_class(name) if each.tag == f"{SVG}rect"]  # fmt: skip

    def reds(self):
        """(x, y, width, height) of the hatched rectangles."""
        return [
            tuple(float(each.get(k)) for k in ("x", "y", "width", "height"))
            for each in self.root.iter(f"{SVG}rect")
            if (each.get("fill") or "").startswith("url(#")
        ]

    def paths(self, name):
        return [each.get("d") for each in self.of_class(name) if each.tag == f"{SVG}path"]

    def words(self):
        return [each.text for each in self.root.iter(f"{SVG}text")]

    def ids(self):
        return [each.get("id") for each in self.root.iter() if each.get("id")]


def corners(path):
    """The points of a path with absolute coordinates."""
    return [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]
