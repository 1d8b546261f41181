"""A network plan from whatever file there is: JSON, SUMO's tlLogic, UTDF, a cabinets' folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.violations import InvalidError
from sim.errors import PlanFileError
from sim.network.model import Network
from sim.plans.device_files import plan_of_folder
from sim.plans.plan_json import from_json
from sim.plans.read_plan import ReadPlan
from sim.plans.tllogic_reader import read_tllogic
from sim.plans.utdf import read_utdf
from sim.plans.utdf_alone import plan_of_utdf_alone
from sim.plans.utdf_plans import network_named_in, plans_of_utdf

KINDS = ".json (a network plan or one site's), .xml (SUMO), .csv (UTDF), or a folder for cabinets"


def load_plan(
    path: Path, network: Callable[[str], Network | None], begin_s: float = 0.0
) -> ReadPlan:
    """The plan in *path*.

    *network* is called where the file alone names no stages, with what the file says of it ("" for
    nothing). Where it gives None, a UTDF file stands for the sites that it describes itself.

    Raises :class:`PlanFileError`, :class:`InvalidError` and what *network* raises; all name the
    file.
    """
    name = path.name.lower()
    if path.is_dir():
        return ReadPlan(plan_of_folder(path))
    if name.endswith(".json"):
        try:
            return ReadPlan(from_json(_text(path)))
        except InvalidError as error:
            raise InvalidError(str(path), error.violations) from None
    if name.endswith((".xml", ".xml.gz")):
        there = network("")
        if there is None:
            raise PlanFileError(f"{path}: SUMO programs need their network, which is not given")
        return read_tllogic(path, there, begin_s)
    if name.endswith(".csv"):
        utdf = read_utdf(path)
        there = network(network_named_in(utdf))
        return plan_of_utdf_alone(utdf) if there is None else plans_of_utdf(utdf, there)
    raise PlanFileError(f"{path}: the kind of file is not known by its name: give a {KINDS}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PlanFileError(f"{path}: this is not a text file in UTF-8") from None
