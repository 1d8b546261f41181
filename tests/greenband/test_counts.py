"""``greenband counts``, ``plan --counts`` and ``plan week``: from loops to a week of plans."""

import json

import pytest

from sim.plans import week_json
from sim.plans.plan_json import from_json
from sim.plans.utdf import read_utdf
from tests.greenband.crossing import build_crossing


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return build_crossing(tmp_path_factory.mktemp("street"), end_s=600)


def test_what_the_loops_count_is_planned_for(inline, street, tmp_path):
    words = ("--interval", "120", "-o", "counts.csv", "--seed", "101", "--json", "-")
    done = inline("counts", street, *words)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "counts.csv").read_text().splitlines()
    assert lines[0] == "time,site,detector,interval_s,count,occupancy_percent"
    assert "5 intervals of 120 s" in done.stderr
    assert json.loads(done.stdout)["flow_veh_per_h"]["c/0"] > 0.0
    stop_line = [line.split(",") for line in lines if line.startswith("240,c,stop line in_0")]
    assert int(stop_line[0][4]) == pytest.approx(20, abs=3)  # a vehicle every 6 s
    net = street.with_name("crossing.net.xml")
    for words in (("plan", net, "--counts", "counts.csv"), ("plan", "counts.csv", "--net", net)):
        made = inline(*words, "--cycle", "60", "-o", "plan.json", "--begin", "120")
        assert made.returncode == 0, made.stderr
        assert "4 intervals of 120 s; 4 turns estimated" in made.stderr
        plan = from_json((tmp_path / "plan.json").read_text())
        assert (plan.network, len(plan.plans)) == (str(net), 1)


def days_csv(path, days=2, header="time,site,detector,count"):
    """Hours of counts: the side street is busy in the morning."""
    rows = [header]
    for day in range(days):
        for hour in range(24):
            up, across = (700, 100) if 6 <= hour < 10 else (100, 600)
            when = f"2026-03-{2 + day:02}T{hour:02}:00"
            rows += [f"{when},c,stop line up_0,{up}", f"{when},c,stop line in_0,{across}"]
    path.write_text("\n".join(rows) + "\n")


def test_a_week_has_a_table_and_a_plan_for_each_period(inline, street, tmp_path):
    days_csv(tmp_path / "days.csv")
    done = inline(
        *("plan", "week", street, "--counts", "days.csv", "-o", "week", "--shortest", "60"),
        *("--cycle", "60", "--json", "told.json"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["week"] == json.loads((tmp_path / "week" / "week.json").read_text())
    assert "Mon-Sun" in done.stdout and "06:00   10:00   2" in done.stdout
    table = week_json.from_json((tmp_path / "week" / "week.json").read_text())
    assert [part.clock for part in table.day_types[0].periods] == ["00:00", "06:00", "10:00"]
    by_name = {
        name: from_json((tmp_path / "week" / file).read_text()).plans[0]
        for name, file in table.plans
    }
    splits = {name: [entry.split_ms for entry in plan.stages] for name, plan in by_name.items()}
    assert len(splits) == 2 and splits["1"] != splits["2"]
    weighed = json.loads((tmp_path / "week" / "periods.json").read_text())
    assert weighed["day_types"][0]["chosen"] == 3


def test_a_days_counts_are_recorded_by_the_clock(inline, street, tmp_path):
    (tmp_path / "profile.csv").write_text("days,time,factor\nSun,10:00,0.5\nMon,10:00,0.1\n")
    done = inline(
        *("counts", street, "--days", "2", "--first-day", "2026-03-08", "--profile", "profile.csv"),
        *("--begin", "36000", "--end", "36900", "--interval", "300", "-o", "days.csv"),
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in (tmp_path / "days.csv").read_text().splitlines()[1:]]
    per_day = {
        day: sum(int(row[4]) for row in rows if row[0].startswith(day) and "stop line" in row[2])
        for day in ("2026-03-08", "2026-03-09")
    }
    # 600 and 400 veh/h for a quarter of an hour, halved on Sunday
    assert per_day["2026-03-08"] == pytest.approx(125, rel=0.25)
    assert per_day["2026-03-09"] < 50


def test_the_counts_of_others_need_their_names(inline, street, tmp_path):
    (tmp_path / "q.csv").write_text("Zeit;Sensor;q\n0;A;30\n300;A;31\n0;B;20\n300;B;-1\n")
    (tmp_path / "loops.add.xml").write_text(
        '<additional><inductionLoop id="A" lane="in_0" pos="-5" period="60" file="x"/>'
        '<inductionLoop id="B" lane="up_0" pos="-5" period="60" file="x"/></additional>'
    )
    done = inline(
        *("plan", street, "--counts", "q.csv", "--detectors", "loops.add.xml", "--cycle", "60"),
        *("--counts-columns", "time=Zeit,detector=Sensor,count=q"),
    )
    assert done.returncode == 0, done.stderr
    assert "q.csv:5: 1 value left out: a negative count (B)" in done.stderr
    assert "2 detectors, 2 intervals of 300 s; 4 turns estimated" in done.stderr


def test_utdf_volumes_by_the_quarter_hour_are_planned_for(inline, street, tmp_path):
    assert inline("plan", "export", street, "--utdf", "street.csv", "--volumes").returncode == 0
    node = read_utdf(tmp_path / "street.csv").signals()[0].id
    (tmp_path / "volumes.csv").write_text(
        "Turning Movement Count\n15 Minute Counts\nDATE,TIME,INTID,EBT,NBT\n"
        f"1/1/2026,0700,{node},200,40\n1/1/2026,0715,{node},220,40\n1/1/2026,1200,{node},9,9\n"
    )
    done = inline(
        *("plan", "street.csv", "--counts", "volumes.csv", "--cycle", "60", "--json", "told.json"),
        *("--begin", "25200", "--end", "28800"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert sorted(each["demand_veh_per_h"] for each in told["streams"]) == [160.0, 840.0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("plan", "NET", "--counts", "none.csv"), 1, "none.csv: No such file"),
        (("plan", "NET", "--counts", "days.csv", "--counts-columns", "time"), 2, "give pairs"),
        (
            ("plan", "NET", "--counts", "days.csv", "--counts-columns", "count=q"),
            1,
            "days.csv:1: there is no column 'q', only time, site, detector, count",
        ),
        (("plan", "NET", "--counts", "days.csv", "--begin", "99999"), 1, "there are no counts"),
        (("plan", "NET", "--net", "NET"), 2, "with --net the first word is a file of counts"),
        (("plan", "week", "NET"), 2, "give a network and --counts"),
        (("counts", "NET", "--profile", "x.csv"), 2, "--profile goes with --days"),
        (("counts", "NET", "--days", "40"), 2, "give at most 31"),
        (("counts", "NET", "--days", "1", "--first-day", "monday"), 2, "give a day such as"),
        (("counts", "NET", "--days", "1", "--begin", "9", "--end", "5"), 2, "seconds of a day"),
    ],
)
def test_what_it_cannot_do_is_one_line(inline, street, tmp_path, words, code, said):
    days_csv(tmp_path / "days.csv", days=1)
    done = inline(*(street if word == "NET" else word for word in words))
    assert done.returncode == code
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("greenband: error: ")
    assert said in last


def test_the_schema_of_the_table_is_published(inline):
    done = inline("plan", "week", "--schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["title"] == "Greenband week's table of plans"
