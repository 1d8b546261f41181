"""A network plan as a folder for cabinets and edges: a site and a plan each, signed on request.

``NAME.site.json`` and ``NAME.plan.json`` are what ``greenband device`` and an edge load;
``NAME.upload`` is the same plan as it goes over the wire, signed for its cabinet.
``network-plan.json`` keeps what belongs to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from controller import plan_json, site_json
from controller.intersection import Intersection
from controller.plan import check_plan
from controller.violations import InvalidError
from firmware_bridge.upload import sign_plan
from optimizer.planning.network import NetworkPlan
from sim.errors import PlanFileError
from sim.plans import plan_json as network_plan_json

WHOLE = "network-plan.json"


def device_files(
    plan: NetworkPlan,
    sites: Sequence[Intersection],
    file_name: Callable[[str], str],
    key: bytes | None = None,
) -> dict[str, bytes]:
    """Content of every file by its name; with *key* also the signed uploads.

    *file_name* makes a file's name of a site's. Raises :class:`PlanFileError` for a plan whose site
    is not among *sites* or that does not fit the wire, and :class:`InvalidError` for one that
    breaks a rule of its site.
    """
    by_name = {site.name: site for site in sites}
    files = {WHOLE: network_plan_json.to_json(plan).encode()}
    for each in plan.plans:
        site = by_name.get(each.site)
        if site is None:
            raise PlanFileError(
                f"plan {each.name!r} is for {each.site!r}, which the network does not have: give "
                "the network that it was made for"
            )
        check_plan(each, site)
        name = file_name(site.name)
        files[f"{name}.site.json"] = site_json.to_json(site).encode()
        files[f"{name}.plan.json"] = plan_json.to_json(each).encode()
        if key is not None:
            try:
                files[f"{name}.upload"] = sign_plan(each, site, key).to_bytes()
            except InvalidError:
                raise
            except ValueError as error:
                raise PlanFileError(f"plan {each.name!r} of {each.site!r}: {error}") from None
    return files


def plan_of_folder(folder: Path) -> NetworkPlan:
    """The plan in *folder*: what the single plan files say, put together as the network's says.

    Raises :class:`PlanFileError` where there is none and :class:`InvalidError` naming the file.
    """
    paths = sorted(folder.glob("*.plan.json"))
    if not paths:
        raise PlanFileError(f"{folder}: there is no .plan.json in it, give the folder of an export")
    plans = {}
    for path in paths:
        try:
            each = plan_json.from_json(path.read_text(encoding="utf-8"))
        except InvalidError as error:
            raise InvalidError(str(path), error.violations) from None
        plans[each.site] = each
    whole = folder / WHOLE
    if not whole.is_file():
        return NetworkPlan(name=folder.name, zones=(), plans=tuple(plans.values()))
    try:
        kept = network_plan_json.from_json(whole.read_text(encoding="utf-8"))
    except InvalidError as error:
        raise InvalidError(str(whole), error.violations) from None
    order = [each.site for each in kept.plans if each.site in plans]
    order += [site for site in plans if site not in order]
    return replace(kept, plans=tuple(plans[site] for site in order))
