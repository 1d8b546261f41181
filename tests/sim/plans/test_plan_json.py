from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace

import pytest

from controller import plan_json as site_plan_json
from controller.plan import PlanStage, TimingPlan
from controller.violations import InvalidError
from optimizer.planning.network import NetworkPlan, Zone
from sim.plans.plan_json import document, from_json, schema, to_json
from tests.sim.plans.plans_of import uneven_network_plan


def test_read_back_without_loss(small):
    plan = uneven_network_plan(small)
    assert from_json(to_json(plan)) == plan


def test_an_isolated_site_stays_isolated(small):
    plan = uneven_network_plan(small)
    alone = replace(plan, plans=(replace(plan.plans[0], offset_ms=None), *plan.plans[1:]))
    assert from_json(to_json(alone)).plans[0].offset_ms is None


def test_the_plan_of_one_site_is_a_network_plan_too(small):
    plan = small.junctions[0].shipped_plan
    assert from_json(site_plan_json.to_json(plan)).plans == (plan,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["plans"][1]["stages"][0].update(split_ms="40"), r"plans\[1\].stages\[0\]"),
        (lambda d: d["plans"][0].update(cycle=90), r"plans\[0\]: unknown key 'cycle'"),
        (lambda d: d["zones"][0].update(cycle_s=None), r"zones\[0\].cycle_s: null is not a number"),
        (lambda d: d["plans"][2].pop("cycle_ms"), r"plans\[2\]: 'cycle_ms' is missing"),
        (lambda d: d.update(schema=2), "schema is 2, this version reads 1"),
        (lambda d: d["plans"][0].update(transition="jump"), r"plans\[0\].transition"),
    ],
)
def test_a_fault_is_named_with_its_place(small, change, said):
    content = document(uneven_network_plan(small))
    content = json.loads(json.dumps(content))
    change(content)
    with pytest.raises(InvalidError, match=said):
        from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), NetworkPlan),
        (("zones",), Zone),
        (("plans",), TimingPlan),
        (("plans", "stages"), PlanStage),
    ],
)
def test_the_schema_says_what_is_read(path, value):
    part = schema()
    for name in path:
        part = part["properties"][name]["items"]
    names = {field.name for field in fields(value)}
    needed = {field.name for field in fields(value) if field.default is MISSING}
    extra = set() if path else {"schema"}
    assert set(part["properties"]) == names | extra
    assert set(part["required"]) == needed | extra
    assert part["additionalProperties"] is False
