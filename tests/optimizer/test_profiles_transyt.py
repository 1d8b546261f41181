"""The TRANSYT benchmark on a folder of small files, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.transyt_files import UnreadableError, read
from optimizer.profiles.model import evaluate

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "transyt.py"


def green(start, end):
    return {"start_stage": start, "start_lag_s": 6, "end_stage": end, "end_lag_s": 0}


def link(node, greens, flow, upstream=(), **more):
    return {
        "node": node,
        "greens": greens,
        "length_m": 300,
        "saturation_flow_pcu_h": 1800,
        "flow_pcu_h": flow,
        "uniform_source_pcu_h": 0,
        "upstream": list(upstream),
        **more,
    }


def a_file():
    """Two nodes in a row, an opposed turn, a bottleneck without a signal; listed is what is."""
    feed = {"link": 11, "flow_pcu_h": 500, "speed_km_h": 50}
    return {
        "title": "two in a row",
        "cycle_s": 80,
        "steps_per_cycle": 40,
        "period_min": 60,
        "start_displacement_s": 2,
        "end_displacement_s": 3,
        "optimised_nodes": [1, 2],
        "nodes": {
            "1": {"stages": 2, "stage_start_s": [0, 40], "interstage_s": [15, 15]},
            "2": {"stages": 2, "stage_start_s": [0, 40], "interstage_s": [15, 15]},
        },
        "links": {
            "11": link(1, [green(1, 2)], 600),
            "12": link(1, [green(2, 1)], 400),
            "21": link(2, [green(1, 2)], 550, [feed]),
            "22": link(2, [green(2, 1)], 200),
            "23": link(
                2,
                [green(1, 2)],
                100,
                give_way={
                    "opposing_links": [21],
                    "a1_a2": [0.22, 0.19],
                    "only_while_opposing_green": True,
                    "max_flow_pcu_h": 1600,
                },
            ),
            "90": link(
                0,
                [{"start_stage": 0, "start_lag_s": 0, "end_stage": 0, "end_lag_s": 0}],
                550,
                [{**feed, "link": 21, "flow_pcu_h": 550}],
            ),
        },
        "listing": [
            {"which": "initial", "stage_start_s": {"1": [0, 40], "2": [40, 0]}, "links": {}},
            {"which": "final", "stage_start_s": {"1": [0, 40], "2": [10, 50]}, "links": {}},
        ],
    }


def write(folder, data, name="net.json"):
    (folder / name).write_text(json.dumps(data), encoding="utf-8")
    return folder / name


def listed(case):
    """A listing that agrees with the model."""
    return {
        each.name: {
            "degree_of_saturation_pct": round(100 * each.saturation),
            "uniform_delay_pcu_h_h": each.uniform_delay_veh,
            "random_oversat_delay_pcu_h_h": each.random_delay_veh,
            "stops_pcu_h": 100.0 * each.stops_per_h / each.flow_veh_per_h,
            "pi": 0.36 * each.delay_veh + 0.002 * (50 / 43.2) ** 2 * each.stops_per_h,
        }
        for each in evaluate(case.network, case.final).links
    }


def run(folder):
    command = [sys.executable, str(BENCHMARK), str(folder), "--kicks", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_is_measured(tmp_path):
    data = a_file()
    data["listing"][1]["links"] = listed(read(write(tmp_path, data)))
    write(tmp_path, data)
    found = run(tmp_path)
    assert found.returncode == 0, found.stderr
    assert "total delay within 1% of the listing: 1 of 1" in found.stdout
    assert "better on 1 of 1" in found.stdout
    case = read(tmp_path / "net.json")
    assert evaluate(case.network, case.final, case.objective).index == pytest.approx(
        sum(row["pi"] for row in data["listing"][1]["links"].values()), rel=1e-3
    )


def test_an_unreadable_file_is_named_and_the_others_are_measured(tmp_path):
    data = a_file()
    data["listing"][1]["links"] = listed(read(write(tmp_path, data)))
    write(tmp_path, data)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    found = run(tmp_path)
    assert found.returncode == 2
    assert found.stderr.startswith("broken.json: ")
    assert len(found.stderr.splitlines()) == 1
    assert "1 of 1" in found.stdout


def test_an_empty_folder_is_told(tmp_path):
    found = run(tmp_path)
    assert found.returncode == 2
    assert "no *.json files" in found.stderr


FAULTS = (
    (lambda data: data.pop("cycle_s"), "there is no 'cycle_s'"),
    (lambda data: data["links"]["21"]["upstream"][0].update(link=7), "link 21: .* 7 is not in"),
    (lambda data: data["links"]["21"].update(node=7), "link 21: its node 7 is not in"),
    (lambda data: data["links"]["21"].pop("flow_pcu_h"), "link 21: there is no 'flow_pcu_h'"),
    (lambda data: data["links"]["11"].update(greens=[green(1, 5)]), "link 11: a green names"),
    (lambda data: data["links"]["23"]["give_way"].update(a1_a2=[]), "link 23: gives way"),
    (lambda data: data["listing"].clear(), "'listing' is empty"),
    (
        lambda data: data["nodes"]["1"].update(interstage_s=[15]),
        "node 1: interstage_s and stage_start_s differ",
    ),
)


@pytest.mark.parametrize(("spoil", "message"), FAULTS)
def test_a_fault_is_told_with_file_and_place(tmp_path, spoil, message):
    data = a_file()
    spoil(data)
    with pytest.raises(UnreadableError, match=f"net.json: .*{message}|net.json: {message}"):
        read(write(tmp_path, data))
