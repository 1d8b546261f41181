"""The documentation page of the register map, written from the table itself.

``python -m firmware_bridge.page > docs/registers.md``
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, IntFlag

from firmware_bridge import codes
from firmware_bridge.accepted import PLAN_AHEAD_MAX_MS
from firmware_bridge.areas import Access, Area, Kind, Register
from firmware_bridge.cabinet import AHEAD_MAX_MS, BACKUP_MS
from firmware_bridge.priority import ACTIVE_MAX_MS
from firmware_bridge.registers import (
    DETECTORS_MAX,
    EDGE,
    EVENTS_KEPT,
    FIELD,
    GROUPS_MAX,
    MAP_VERSION,
    REGISTERS_PER_READ,
    STATUS,
    bank_registers,
    poll_reads,
)

_ONE_READ = max(
    n for n in range(DETECTORS_MAX) if STATUS.size + bank_registers(n) <= REGISTERS_PER_READ
)

_READS_MAX = len(poll_reads(DETECTORS_MAX))

_INTRO = f"""# The register map, version {MAP_VERSION}

Written by `python -m firmware_bridge.page` from the table in `firmware_bridge/registers.py`, from
which the cabinet and its client are derived too.

- All are holding registers: function 3 reads them (function 4 reads the same), 16 writes, 23 writes
  and reads in one request, 6 writes one. Addresses count from 0, as in the request; a tool that
  counts from 1 or from 40001 has them one, or 40001, higher.
- Numbers of several registers have their high word first; a text is UTF-8, padded with zeros. In
  a mask, bit *i* mod 16 of register *i* div 16 is item *i*: the first sixteen groups come first.
- A site has at most {GROUPS_MAX} groups and {DETECTORS_MAX} detectors. The status and the banks
  lie next to each other, so that one read of at most {REGISTERS_PER_READ} registers polls a site of
  up to {_ONE_READ} detectors. Larger ones take several, up to {_READS_MAX}, each of whole banks,
  and at last `picture` and `boot_no` once more: the same `boot_no`, and a `picture` that has
  counted up and not begun anew, say that all of it is of one life of the cabinet. The banks of a
  later read are of a later picture; counts roll, so none is lost or seen twice by that.
- Reads change nothing and re-arm nothing. Registers that are not in a table below answer exception
  2, read or written. Read-only areas answer exception 2 to a write.
- An *order* is written whole, in one request from its first register (exception 2 otherwise). One
  that the cabinet refuses answers exception 3, changes nothing, and its reason is in `refusal`.

## Who is obeyed

Every order begins with its writer. The first one gets the lease; while it lasts, orders of other
writers are refused. Every accepted order renews it for {BACKUP_MS} ms. Who has nothing to say
writes the heartbeat. After {BACKUP_MS} ms of silence the lease ends and the operator register goes
back to auto; a schedule and a priority call are void after their own times to live. The cabinet
then runs its last accepted plan while that is valid, else the factory plan of the time of day, both
by the clock; without any it runs isolated and actuated. It changes over where the plan in force
allows it, and cuts no minimum time.

## Schedules

The next stages and their durations from `start_mono_ms` on, a time on the cabinet's own `mono_ms`.
The last entry holds until `ttl_ms` after the start. A schedule is refused if its number is not
above the writer's last one, if it is over, if it starts more than {AHEAD_MAX_MS} ms ahead, or if it
names a stage that does not exist. `count` 0 withdraws the last one.

## Uploading a plan

1. Write header and plan, from the first register of the header on; in any pieces.
2. Read them back and compare.
3. Write the number of the header to `commit`. Exception 3 means refused.
4. Read the report: `upload_state`, `upload_refusal` and `upload_no`, and `upload_digest`, the
   SHA-256 of the plan as the cabinet read it.

The cabinet checks, in this order: length and CRC-32, site, signature, form, the plan against every
rule of the site, number (above that of the last accepted plan, also after a restart), and validity
(over, or more than {PLAN_AHEAD_MAX_MS} ms ahead). What fails never becomes active. What passes is
written to disk, and takes effect at the next legal switch point. `stored_no` follows once it would
survive a power cut.

The signature is HMAC-SHA256 with the site's key over the bytes of the header before `hmac` and the
bytes of the plan. Form 1 is a stage plan, numbers with their high byte first:

```
cycle_ms u32 | offset_ms u32, 0xFFFFFFFF: isolated | transition u16 | stages u16
per stage: position in the site's stages u16 | flags u16 | split_ms u32
name, UTF-8, to the end
```

Flags: 1 actuated, 2 skippable, 4 coordinated. Transition: 0 shortway, 1 add only, 2 dwell.

## Priority calls

A call names the stage that it needs. The highest level is served first, among equals the one that
came first; the others are queued. It lives until it is cancelled (`ttl_ms` 0) or not kept up, and
is active for {ACTIVE_MAX_MS // 1000} s at most. It beats a schedule and no minimum time.

## Events

The log keeps the last {EVENTS_KEPT} events. `event_no` in the status is the number of the next one;
event *n* lies at *n* mod {EVENTS_KEPT}. Reading takes nothing away.
"""

_FIELD_INTRO = """## The street's port

Of a virtual cabinet only: what are wires in a real one. It has an address of its own and is never
connected to the line of the edge. In lock-step the cabinet has no other clock than this: write the
inputs of an instant (banks first, or all in one request that begins with `inputs`), let the edge
poll and write its orders, then write `step` with the same `mono_ms`; with function 23 the lamps
come back in the same request.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRO, "## Registers of the line\n"]
    parts += [_area(area) for area in EDGE]
    parts.append("## What the numbers stand for\n")
    parts += [_numbers(name) for name in _named_codes()]
    parts.append(_FIELD_INTRO)
    parts += [_area(area) for area in FIELD]
    return "\n".join(parts)


def _area(area: Area) -> str:
    end = area.end - 1
    where = f"{area.address}" if end == area.address else f"{area.address} to {end}"
    lines = [f"### {area.title}: `{area.name}`, {where}", "", f"{area.access.value.capitalize()}."]
    if area.access is Access.ORDER and area.head:
        lines[-1] += f" At least the first {area.head} registers."
    if area.repeat > 1:
        lines[-1] += (
            f" {area.repeat} times, each {area.stride} registers: the addresses are those of the "
            f"first, the *n*-th (from 0) lies *n* × {area.stride} higher."
        )
    lines += ["", "| address | name | registers | type | unit | range | meaning |"]
    lines.append("|---|---|---|---|---|---|---|")
    shortened = list(_shortened(area))
    lines += [_row(register) for register in shortened]
    if len(shortened) < len(area.registers):
        lines += [
            "",
            f"And so on, to `{area.registers[-1].name}` at {area.stride + area.address - 1}.",
        ]
    return "\n".join(lines) + "\n"


def _shortened(area: Area) -> Iterator[Register]:
    """The entries, numbered ones only for the first two numbers: the others follow in step."""
    for register in area.registers:
        stem, _, number = register.name.rpartition("_")
        if stem and number.isdigit() and int(number) > 1:
            continue
        yield register


def _row(register: Register) -> str:
    last = register.address + register.size - 1
    address = f"{register.address}" if register.size == 1 else f"{register.address}–{last}"
    kind = register.kind.value if register.kind is not Kind.NUMBER else f"u{16 * register.size}"
    limits = ""
    if register.least or register.most is not None:
        most = "" if register.most is None else register.most
        limits = f"{register.least}..{most}"
    meaning = register.meaning
    if register.codes:
        meaning += f" ([{_title(register.codes)}](#{_anchor(register.codes)}))"
    cells = (address, f"`{register.name}`", register.size, kind, register.unit, limits, meaning)
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _named_codes() -> list[str]:
    names = [r.codes for area in (*EDGE, *FIELD) for r in area.registers if r.codes]
    return list(dict.fromkeys(names))


def _title(name: str) -> str:
    words = "".join(f" {c.lower()}" if c.isupper() and name != name.upper() else c for c in name)
    return words.strip().lower().removesuffix("s") if name == name.upper() else words.strip()


def _anchor(name: str) -> str:
    return _title(name).replace(" ", "-")


def _numbers(name: str) -> str:
    table = getattr(codes, name)
    head = "bit" if isinstance(table, type) and issubclass(table, IntFlag) else "number"
    lines = [f"### {_title(name).capitalize()}", "", f"| {head} | meaning |", "|---|---|"]
    if isinstance(table, tuple):
        lines += [f"| {i} | {member.value} |" for i, member in enumerate(table)]
    else:
        lines += [f"| {member.value} | {_words(member)} |" for member in table]
    return "\n".join(lines) + "\n"


def _words(member: IntEnum | IntFlag) -> str:
    if isinstance(member, codes.Refusal):
        return codes.REFUSALS[member]
    name = str(member.name)
    plain = name.lower().replace("_", " ")
    return codes.MEANINGS.get(f"{type(member).__name__}.{name}", plain)


if __name__ == "__main__":
    print(page(), end="")
