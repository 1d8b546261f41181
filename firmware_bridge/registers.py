"""The register map: one table, from which codec, cabinet, client and documentation are derived.

Addresses count from 0, as they stand in a request. All registers are holding registers (function
3); function 4 reads the same ones. A *space* is what one port of a cabinet offers: ``EDGE`` is the
line to the edge or centre, ``FIELD`` stands for the wires to lamps and detectors of a virtual
cabinet and is never connected to the line.

Numbers of several registers have their high word first. In a *mask* the bit ``i % 16`` of register
``i // 16`` is item ``i``: the first register has the first sixteen groups.
"""

from __future__ import annotations

from firmware_bridge.areas import Access, Area, mask, placed, raw, text, u16, u32, u64

MAP_VERSION = 1
MAGIC = 0x4742
"""What register 0 of every cabinet reads: ``GB``."""
REGISTERS_PER_READ = 125
REGISTERS_PER_WRITE = 123
REGISTERS_PER_EXCHANGE = 121
"""Most registers that one request may read, write, and write while reading others."""

GROUPS_MAX = 64
DETECTORS_MAX = 256
BANK = 16
"""Detectors whose bits share one register."""
SCHEDULE_ENTRIES_MAX = 16
PRIORITY_CALLS_MAX = 8
EVENTS_KEPT = 1_024
UPLOAD_REGISTERS = 480
UTC_MS_MOST = 4_102_444_800_000
"""The year 2100: no time of day that is told to a cabinet is later."""


WRITER = u32("writer", "who writes: any number but 0 that the edge keeps", least=1)
"""The first entry of every order: the one with the lease is obeyed, others are refused."""

IDENTITY = Area(
    name="identity",
    title="Who this is",
    access=Access.READ,
    registers=placed(
        0,
        (
            u16("magic", "always 18242 (0x4742, GB)"),
            u16("map_version", "version of this table"),
            raw("site_digest", 32, "SHA-256 of all of the site that safety depends on"),
            u16("groups", "signal groups of the site", most=GROUPS_MAX),
            u16("stages", "stages of the site"),
            u16("detectors", "loops and push buttons of the site", most=DETECTORS_MAX),
            u16("capabilities", "what the cabinet can do", codes="Capability"),
            u16("upload_registers", "size of the upload area"),
            u16("events_kept", "size of the event log"),
            text("site", 64, "name of the site, cut to fit"),
            text("firmware", 16, "name and version of the cabinet's program"),
        ),
    ),
)

STATUS = Area(
    name="status",
    title="What the cabinet is doing",
    access=Access.READ,
    registers=placed(
        100,
        (
            u16("picture", "counts up with every change of what is read here and in the banks"),
            u16("boot_no", "another number after every start; counts begin anew with it"),
            u16("mode", "what the controller as a whole is doing", codes="MODES"),
            u16("command", "whose word it runs on", codes="Command"),
            u16("flags", "more about that", codes="Flag"),
            u16("faults", "what is wrong", codes="FaultBit"),
            u16("reason", "why the stage is held or the last one was left", codes="REASONS"),
            u16("operator", "operator mode in force", codes="OPERATORS"),
            u16("stage", "position of the stage that is fully green; 65535 during a change"),
            u16("cycle_ds", "position in the cycle", unit="0.1 s"),
            u32("green_ms", "how long the stage has been fully green", unit="ms"),
            mask("green", GROUPS_MAX, "groups that show green or walk"),
            mask("ending", GROUPS_MAX, "groups that show yellow or pedestrian clearance"),
            mask("called", GROUPS_MAX, "groups for which somebody waits"),
            u64("mono_ms", "the cabinet's own clock: schedules start on it", unit="ms"),
            u64("utc_ms", "time of day, since 1970-01-01", unit="ms"),
            u32("plan_no", "sequence number of the plan that runs; 0 without one"),
            u32("schedule_no", "number of the last schedule that was accepted"),
            u32("event_no", "number of the next event in the log"),
        ),
    ),
)

BANKS = Area(
    name="bank",
    title="Detectors, sixteen to a bank",
    access=Access.READ,
    repeat=DETECTORS_MAX // BANK,
    registers=placed(
        STATUS.end,
        (
            u16("occupied", "bit i: a vehicle is on detector i of the bank, or the button held"),
            u16("missing", "bit i: no valid reading from detector i"),
            *(
                u16(f"{what}_{i}", f"detector {i} of the bank: {meaning}", unit="veh")
                for i in range(BANK)
                for what, meaning in (
                    ("entered", "vehicles whose front reached it; rolls over at 65536"),
                    ("left", "vehicles whose back left it; rolls over at 65536"),
                )
            ),
        ),
    ),
)

HEALTH = Area(
    name="detector_health",
    title="Detectors over the last minute",
    access=Access.READ,
    repeat=DETECTORS_MAX,
    registers=placed(
        700,
        (
            u16("occupancy", "part of the last whole minute it was occupied", unit="0.1 %"),
            u16("fault", "why it is not believed", codes="DetectorFault"),
        ),
    ),
)

REPORT = Area(
    name="report",
    title="Plans, orders and faults in full",
    access=Access.READ,
    registers=placed(
        1_300,
        (
            u16("refusal", "why the last order was refused", codes="Refusal"),
            u32("lease_writer", "the writer that is obeyed; 0 if anybody may begin"),
            u16("lease_left_ms", "how long its lease still runs", unit="ms"),
            u16("upload_state", "what became of the last upload", codes="Upload"),
            u16("upload_refusal", "why the last upload was refused", codes="Refusal"),
            u32("upload_no", "sequence number of the last upload"),
            raw("upload_digest", 32, "SHA-256 of its plan as the cabinet read it"),
            u32("accepted_no", "sequence number of the last upload that was accepted"),
            raw("accepted_digest", 32, "SHA-256 of its plan"),
            u64("accepted_from_ms", "from when it is valid", unit="ms UTC"),
            u64("accepted_to_ms", "until when it is valid", unit="ms UTC"),
            u32("stored_no", "sequence number of the plan that is safe on disk"),
            text("plan", 32, "name of the plan that runs, cut to fit"),
            u16("fault_count", "how many faults the controller reports"),
            text("fault", 96, "the first of them as a sentence, cut to fit"),
        ),
    ),
)

CALLS = Area(
    name="priority_calls",
    title="Priority calls and what became of them",
    access=Access.READ,
    repeat=PRIORITY_CALLS_MAX,
    registers=placed(
        1_450,
        (
            u32("call", "number that the caller gave it; 0: free"),
            u16("level", "0 to 14, higher goes first"),
            u16("stage", "the stage that it needs"),
            u16("state", "where it is in its life", codes="PriorityState"),
        ),
    ),
)

HEARTBEAT = Area(
    name="heartbeat",
    title="Heartbeat: re-arms the backup timer and the lease",
    access=Access.ORDER,
    registers=placed(1_600, (WRITER,)),
)

OPERATOR = Area(
    name="operator",
    title="Operator mode",
    access=Access.ORDER,
    registers=placed(
        1_610,
        (
            WRITER,
            u16("mode", "what is to be done", codes="OPERATORS", most=3),
            u16("stage", "the stage to hold, in manual mode"),
        ),
    ),
)

TIME = Area(
    name="time",
    title="Time of day",
    access=Access.ORDER,
    registers=placed(
        1_620,
        (WRITER, u64("utc_ms", "the time now", unit="ms UTC", most=UTC_MS_MOST)),
    ),
)

PRIORITY = Area(
    name="priority",
    title="One priority call: made, kept up, or cancelled",
    access=Access.ORDER,
    registers=placed(
        1_630,
        (
            WRITER,
            u32("call", "a number for this call; the same again keeps it up", least=1),
            u16("level", "higher goes first", most=14),
            u16("stage", "the stage that it needs"),
            u16("ttl_ms", "dropped after this silence; 0 cancels it", unit="ms", most=8_000),
        ),
    ),
)

SCHEDULE = Area(
    name="schedule",
    title="The next stages, rolling",
    access=Access.ORDER,
    registers=placed(
        1_700,
        (
            WRITER,
            u32("site", "the first two registers of the site's digest"),
            u32("number", "above the number of the writer's last one"),
            u64("start_mono_ms", "when the first entry begins, on mono_ms", unit="ms"),
            u16("ttl_ms", "void so long after its start", unit="ms", most=30_000),
            u16("count", "entries that follow; 0 withdraws it", most=SCHEDULE_ENTRIES_MAX),
            *(
                entry
                for i in range(SCHEDULE_ENTRIES_MAX)
                for entry in (
                    u16(f"stage_{i}", f"entry {i}: the stage to change to"),
                    u32(f"duration_ms_{i}", f"entry {i}: how long it is held", unit="ms"),
                )
            ),
        ),
    ),
    head=12,
)

HEADER = Area(
    name="upload_header",
    title="Header of a plan upload",
    access=Access.FREE,
    registers=placed(
        1_800,
        (
            raw("site_digest", 32, "the site it is for: its digest under identity"),
            u32("number", "sequence number, above that of the last accepted plan", least=1),
            u16("form", "form of what is uploaded: 1, a stage plan"),
            u16("length", "bytes in the upload area"),
            u32("crc32", "CRC-32 of these bytes (as in zip files)"),
            u64("not_before_ms", "from when the plan is valid", unit="ms UTC"),
            u64("not_after_ms", "until when", unit="ms UTC"),
            raw("hmac", 32, "HMAC-SHA256 over all of the header before it and the plan"),
        ),
    ),
)

UPLOAD = Area(
    name="upload",
    title="The plan that is uploaded",
    access=Access.FREE,
    registers=placed(
        HEADER.end,
        (raw("plan", 2 * UPLOAD_REGISTERS, "the bytes of the plan, from the first register"),),
    ),
)

COMMIT = Area(
    name="commit",
    title="Commit the upload",
    access=Access.ORDER,
    registers=placed(
        2_400, (u32("number", "the sequence number of the header, once all was read back"),)
    ),
)

EVENTS = Area(
    name="event",
    title="Event log: event n is at n mod 1024",
    access=Access.READ,
    repeat=EVENTS_KEPT,
    registers=placed(
        3_000,
        (
            u64("utc_ms", "when it happened", unit="ms UTC"),
            u16("code", "Indiana high-resolution event code"),
            u16("parameter", "its parameter: group, detector, plan and so on, from 1"),
        ),
    ),
)

EDGE = (
    IDENTITY,
    STATUS,
    BANKS,
    HEALTH,
    REPORT,
    CALLS,
    HEARTBEAT,
    OPERATOR,
    TIME,
    PRIORITY,
    SCHEDULE,
    HEADER,
    UPLOAD,
    COMMIT,
    EVENTS,
)
"""What the line to the edge offers."""

LAMPS = Area(
    name="lamps",
    title="What the lamps show",
    access=Access.READ,
    registers=placed(
        0,
        (
            u16("flash", "1: every group flashes, and the masks are empty"),
            mask("green", GROUPS_MAX, "groups that show green or walk"),
            mask("ending", GROUPS_MAX, "groups that show yellow or pedestrian clearance"),
            u64("mono_ms", "clock of the last step", unit="ms"),
        ),
    ),
)

STEP = Area(
    name="step",
    title="One step of a lock-step cabinet",
    access=Access.ORDER,
    registers=placed(40, (u64("mono_ms", "the instant to step to: that of the inputs"),)),
)

INPUTS = Area(
    name="inputs",
    title="Instant, panel and reset",
    access=Access.ORDER,
    registers=placed(
        60,
        (
            u64("mono_ms", "monotonic time of these inputs; ignored unless in lock-step"),
            u64(
                "utc_ms",
                "time of day of these inputs; ignored unless in lock-step",
                most=UTC_MS_MOST,
            ),
            u16("panel", "police panel", codes="OPERATORS", most=3),
            u16("panel_stage", "the stage that the panel holds, in manual mode"),
            u16("reset", "1: somebody resets the conflict monitor", most=1),
        ),
    ),
)

FIELD_BANKS = Area(
    name="field_bank",
    title="Detectors, sixteen to a bank",
    access=Access.FREE,
    repeat=BANKS.repeat,
    registers=placed(INPUTS.end, BANKS.registers),
)

FIELD = (LAMPS, STEP, INPUTS, FIELD_BANKS)
"""What the port to the street offers."""


def bank_registers(detectors: int) -> int:
    """Registers of the banks that *detectors* detectors fill."""
    banks, rest = divmod(detectors, BANK)
    return banks * BANKS.stride + (2 + 2 * rest if rest else 0)


def poll_reads(detectors: int) -> tuple[tuple[int, int], ...]:
    """Address and count of each read that polls a site: the status, and only whole banks."""
    size = STATUS.size + bank_registers(detectors)
    if size <= REGISTERS_PER_READ:
        return ((STATUS.address, size),)
    first = STATUS.size + _whole_banks(REGISTERS_PER_READ - STATUS.size)
    begins = range(first, size, _whole_banks(REGISTERS_PER_READ))
    return (
        (STATUS.address, first),
        *((STATUS.address + at, min(begins.step, size - at)) for at in begins),
    )


def _whole_banks(room: int) -> int:
    return room // BANKS.stride * BANKS.stride
