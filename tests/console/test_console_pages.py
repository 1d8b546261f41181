"""The console's pages in a real browser: corridors by keyboard, no request elsewhere, axe."""

import signal
import time
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.console.console_server import running_console

CHROMIUM = "/usr/bin/chromium"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
PAGES = ("/", "/sites/school", "/corridors", "/line", "/plans", "/audit", "/interface")
SOON_MS = 20_000
OPEN = """async () => {
    const csrf = document.querySelector("meta[name=csrf-token]").content;
    const wish = {vehicle: "doctor-1", from: "west-oak", to: "ring-east", reason: "drill"};
    const answer = await fetch("/v1/corridors", {method: "POST", body: JSON.stringify({wish}),
        headers: {"Content-Type": "application/json", "X-CSRF-Token": csrf,
            "Idempotency-Key": "axe"}});
    return answer.json();
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(console, chromium):
    """What a signed-in browser has stored."""
    context = chromium.new_context(base_url=console.address)
    page = context.new_page()
    page.goto(console.link)
    page.wait_for_url("**/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def browse(console, chromium, signed_in):
    """Opens a page as somebody signed in; afterwards nothing has gone elsewhere or failed.

    With *refused*, the server may have said no.
    """
    contexts, wrong = [], []

    def open_page(path, *, refused=False, **options):
        context = chromium.new_context(base_url=console.address, storage_state=signed_in, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: _check_host(request, console.address, wrong))
        if not refused:
            page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def _check_host(request, address, wrong):
    if not request.url.startswith((address, "data:")):
        wrong.append(f"a request went to {request.url}")


def live(page):
    expect(page.locator("#age-words")).to_contain_text("Live", timeout=SOON_MS)


def test_a_corridor_asked_for_by_keyboard_opens_and_closes(browse):
    page = browse("/corridors")
    live(page)
    keys = page.keyboard
    page.locator("#vehicle").focus()
    keys.type("Ambulance 2")
    keys.press("Tab")
    expect(page.locator("#from")).to_be_focused()
    expect(page.locator("#from")).to_have_value("market_n-market")
    keys.press("Tab")
    keys.type("school-ring")
    keys.press("Tab")
    keys.type("incident 4711")
    keys.press("Enter")
    preview = page.locator("#preview")
    expect(preview).to_be_focused(timeout=SOON_MS)
    expect(page.locator("#preview-words")).to_contain_text("past 2 junctions")
    expect(page.locator("#preview-junctions tbody tr")).to_have_count(2)
    while not page.locator("#open").evaluate("each => each === document.activeElement"):
        keys.press("Tab")
    keys.press("Enter")
    page.wait_for_url("**/corridors/*")
    rows = page.locator("#junctions tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator("#answered")).to_have_text("2 of 2", timeout=SOON_MS)
    expect(page.locator("#state")).to_have_text("active", timeout=SOON_MS)
    for k in range(2):
        expect(rows.nth(k)).to_contain_text("passed", timeout=SOON_MS)
    expect(page.locator("#ended")).to_contain_text("Corridor closed at", timeout=SOON_MS)
    expect(page.locator("#age-words")).to_contain_text("Corridor closed")
    expect(page.locator("#said")).to_contain_text("Corridor closed")
    page.goto("/audit")
    expect(page.locator("tbody")).to_contain_text("incident 4711")


def test_cancelling_asks_first_and_escape_keeps_it_open(browse):
    page = browse("/corridors")
    live(page)
    page.select_option("#vehicle", "engine-3")
    page.fill("#to", "oak-west")
    page.fill("#reason", "drill")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Open the corridor").click()
    page.wait_for_url("**/corridors/*")
    cancel = page.locator("#cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sure")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sure")).to_be_hidden()
    expect(cancel).to_be_focused()
    expect(page.locator("#ended")).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.type("stood down")
    page.keyboard.press("Enter")
    expect(page.locator("#ended")).to_contain_text("cancelled", timeout=SOON_MS)
    expect(page.locator("#junctions")).to_contain_text("stood down")


def test_who_watches_many_pages_can_still_cancel(browse):
    page = browse("/corridors")
    corridor = page.evaluate(OPEN.replace('"axe"', '"many"').replace("doctor-1", "police-7"))
    first = browse(f"/corridors/{corridor['id']}")
    live(first)
    # A browser has six lines to one host; each of these pages listens on one of them.
    for _ in range(3):
        live(browse_again(first))
    first.locator("#cancel").click()
    first.get_by_role("button", name="Cancel the corridor", exact=True).click()
    expect(first.locator("#ended")).to_contain_text("cancelled", timeout=SOON_MS)


def browse_again(page):
    """The same page once more, in the same browser."""
    other = page.context.new_page()
    other.goto(page.url)
    return other


def test_a_page_that_nobody_sees_listens_to_nothing_and_catches_up(browse):
    page = browse("/")
    live(page)
    closed = """() => {
        Object.defineProperty(document, "hidden", {value: HIDDEN, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    began = []
    page.on("request", lambda request: began.append(request.url))
    page.evaluate(closed.replace("HIDDEN", "true"))
    rows = page.locator("#sites tbody tr")
    before = rows.all_inner_texts()
    page.wait_for_timeout(1_500)
    assert rows.all_inner_texts() == before
    page.evaluate(closed.replace("HIDDEN", "false"))
    expect(rows).not_to_have_text(before, use_inner_text=True)
    live(page)
    assert [url for url in began if url.endswith("/v1/events")] == began[:1]


def test_what_can_not_be_is_a_sentence_on_the_page(browse):
    page = browse("/corridors", refused=True)
    page.fill("#to", "Nowhere Street")
    page.fill("#reason", "drill")
    wrong = page.locator("#problem")
    with page.expect_response("**/v1/corridors:preview") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 422
    expect(wrong).to_contain_text("Nowhere Street")


def test_a_click_on_the_map_chooses_streets(browse):
    page = browse("/corridors")
    live(page)
    box = page.locator("#map svg").bounding_box()
    page.mouse.click(box["x"] + 30, box["y"] + box["height"] / 2 + 3)
    expect(page.locator("#from")).to_have_value("west-oak")
    page.mouse.click(box["x"] + box["width"] - 30, box["y"] + box["height"] / 2 + 3)
    expect(page.locator("#to")).to_have_value("ring-east")


def test_the_map_and_its_table_move(browse):
    page = browse("/")
    live(page)
    rows = page.locator("#sites tbody tr")
    expect(rows).to_have_count(6)
    before = rows.all_inner_texts()
    expect(rows).not_to_have_text(before, use_inner_text=True)
    expect(page.locator("#map a")).to_have_count(6)
    page.locator("#map a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sites/*")


def test_a_junction_says_what_it_does_and_why(browse):
    page = browse("/sites/school")
    live(page)
    expect(page.locator("#decision")).to_contain_text("change to", timeout=SOON_MS)
    expect(page.locator("#lamps tbody tr")).to_have_count(16)
    expect(page.locator("#lanes tbody tr")).to_have_count(10)
    expect(page.locator("#greens tbody tr").first).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#junction svg")).to_be_visible()


def test_time_and_space_show_greens_in_both_directions(browse):
    page = browse("/line")
    expect(page.locator("#line rect.forth").first).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#line rect.back").first).to_be_visible()
    expect(page.locator("#stops tbody tr")).to_have_count(6)


def test_an_earlier_plan_comes_back_from_the_page(browse):
    page = browse("/plans")
    expect(page.locator("button[data-rollback]")).to_have_count(0)
    pushed = page.evaluate(
        """async () => {
            const csrf = document.querySelector("meta[name=csrf-token]").content;
            const [now] = await (await fetch("/v1/sites/mill/plans")).json();
            const answer = await fetch("/v1/sites/mill/plans", {method: "POST",
                headers: {"Content-Type": "application/json", "X-CSRF-Token": csrf},
                body: JSON.stringify({plan: {...now.plan, name: "evening"}, reason: "trial"})});
            return answer.status;
        }"""
    )
    assert pushed == 201
    page.reload()
    page.get_by_role("button", name="Back to no. 0").click()
    page.keyboard.type("worse")
    page.keyboard.press("Enter")
    expect(page.locator("#mill tbody tr")).to_have_count(3, timeout=SOON_MS)
    expect(page.locator("#mill tbody tr").first).to_contain_text("worse")


def test_news_that_stay_out_are_said_in_words(browse, console):
    page = browse("/")
    live(page)
    console.process.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator("#age-words")).to_contain_text("may be out of date", timeout=SOON_MS)
        expect(page.locator("#said")).to_contain_text("No news")
    finally:
        console.process.send_signal(signal.SIGCONT)
    live(page)


def test_axe_finds_nothing_on_any_page_light_or_dark(browse):
    page = browse("/", bypass_csp=True)
    corridor = page.evaluate(OPEN)
    assert corridor["state"] == "pending"
    found = {}
    for path in (*PAGES, f"/corridors/{corridor['id']}", "/login"):
        page.goto(path)
        page.wait_for_timeout(500)
        if path == "/corridors":
            page.fill("#to", "oak-west")
            page.fill("#reason", "drill")
            page.keyboard.press("Enter")
            expect(page.locator("#preview")).to_be_visible()
        page.add_script_tag(path=AXE)
        for scheme, rules in (("light", "{}"), ("dark", "{runOnly: ['color-contrast']}")):
            page.emulate_media(color_scheme=scheme)
            wrong = page.evaluate(f"axe.run({rules}).then((found) => found.violations)")
            if wrong:
                found[path, scheme] = [(each["id"], each["nodes"][0]["html"]) for each in wrong]
    assert found == {}


def test_every_page_fits_a_phone_and_its_buttons_a_thumb(browse):
    page = browse("/", viewport={"width": 360, "height": 740})
    for path in PAGES:
        page.goto(path)
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, path
        small = page.evaluate(
            """[...document.querySelectorAll("button, input, select, nav a")]
                .filter((each) => each.checkVisibility() && each.type !== "radio")
                .filter((each) => each.getBoundingClientRect().height < 44)
                .map((each) => each.outerHTML)"""
        )
        assert small == [], path


def test_it_ends_in_a_line_while_somebody_watches(tmp_path, chromium):
    with running_console(tmp_path) as console:
        page = chromium.new_page()
        page.goto(console.link)
        live(page)
        console.process.send_signal(signal.SIGINT)
        assert console.process.wait(20.0) == 130
        expect(page.locator("#age")).to_have_class("age stale", timeout=SOON_MS)
        page.close()
    assert console.log.read_text().splitlines()[-1] == "greenband: stopped"
    assert "Traceback" not in console.log.read_text()


def test_the_first_view_is_ready_in_time(browse):
    page = browse("/login")
    began_s = time.monotonic()
    page.goto("/")
    page.wait_for_selector("#map svg")
    expect(page.locator("[data-of=stage]").first).not_to_have_text("…")
    assert time.monotonic() - began_s < 5.0, "1.5 s on a quiet computer"
