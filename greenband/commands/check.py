"""``greenband check``: every unsafe thing in a network's programs, or in a plan for one site."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller import plan_json, site_json
from controller.plan import check_plan
from controller.violations import InvalidError
from greenband.failures import UnsafeError, UsageError, guarded
from greenband.files import read_text
from greenband.findings import UNSAFE, Found, network_findings, print_findings
from greenband.names import file_name
from greenband.options import AS_JSON
from greenband.selection import get_network
from greenband.terminal import print_json, say

if TYPE_CHECKING:
    from controller.intersection import Intersection
    from controller.plan import TimingPlan


@guarded
def check_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="PLAN|NET",
            help="A plan (.json), a network (.net.xml), a .sumocfg, or a named scenario.",
        ),
    ],
    net: Annotated[
        str | None, typer.Option(help="The network (or scenario) that the plan's site is in.")
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(help="The site's file; by default <site>.site.json beside the plan."),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Name everything unsafe in a plan or a network's programs.

    Short or missing yellow, conflicting greens, pedestrian times, splits below the minimum, a plan
    made for another site. The exit code is 1 if there is anything unsafe.
    """
    if target.endswith(".json"):
        found = _check_plan_file(Path(target), net, site)
    elif net is not None or site is not None:
        raise UsageError("--net and --site go with a plan: the target must be a .json file")
    else:
        found = network_findings(get_network(target))
    unsafe = any(each.severity == UNSAFE for each in found)
    if as_json:
        entries = [asdict(each) for each in found]
        print_json({"schema": 1, "target": target, "safe": not unsafe, "findings": entries})
    else:
        print_findings(found)
        say(f"{target}: {'unsafe' if unsafe else 'nothing unsafe found'}")
    if unsafe:
        raise UnsafeError


def _check_plan_file(path: Path, net: str | None, site_file: Path | None) -> list[Found]:
    if net is not None and site_file is not None:
        raise UsageError("--net and --site both say where the plan is for: give one of them")
    text = read_text(path)
    try:
        plan = plan_json.from_json(text)
    except InvalidError as error:
        return _violations(error, str(path))
    if net is not None:
        sites = {each.intersection.name: each.intersection for each in get_network(net).junctions}
        if plan.site not in sites:
            known = ", ".join(sites)
            message = f"made for {plan.site!r}, but {net} has only: {known}"
            return [Found(UNSAFE, "site", f"plan {plan.name}", message)]
        site = sites[plan.site]
    else:
        site = _site_in_file(plan, path, site_file)
    try:
        check_plan(plan, site)
    except InvalidError as error:
        return _violations(error, "")
    return []


def _site_in_file(plan: TimingPlan, plan_file: Path, site_file: Path | None) -> Intersection:
    path = site_file or plan_file.with_name(f"{file_name(plan.site)}.site.json")
    if site_file is None and not path.is_file():
        raise UsageError(
            f"a plan can only be checked for its site {plan.site!r}: give --net NET or --site FILE "
            f"(there is no {path})"
        )
    try:
        return site_json.from_json(read_text(path))
    except InvalidError as error:
        raise InvalidError(str(path), error.violations) from None


def _violations(error: InvalidError, prefix: str) -> list[Found]:
    return [
        Found(UNSAFE, each.rule, f"{prefix}, {each.where}" if prefix else each.where, each.message)
        for each in error.violations
    ]
