"""The map: nothing overlaps, what goes in comes out, and the page says what the table says."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.areas import Area, Kind
from firmware_bridge.codec import decode, encode, words_of_bytes
from firmware_bridge.errors import SetupError
from firmware_bridge.page import page
from firmware_bridge.registers import (
    EDGE,
    FIELD,
    HEADER,
    REGISTERS_PER_READ,
    STATUS,
    UPLOAD,
    bank_registers,
)
from tests.controller.crossroads import crossroads
from tests.firmware_bridge.rig import cabinet

PAGE = Path(__file__).resolve().parents[2] / "docs" / "registers.md"


@pytest.mark.parametrize("space", [EDGE, FIELD])
def test_no_register_means_two_things(space):
    for one, following in pairwise(space):
        assert one.end <= following.address
    for area in space:
        for one, following in pairwise(area.registers):
            assert one.address + one.size == following.address
        names = [register.name for register in area.registers]
        assert len(set(names)) == len(names)
        assert area.end <= 1 << 16


def test_every_register_has_a_meaning():
    assert all(register.meaning for area in (*EDGE, *FIELD) for register in area.registers)


def test_the_page_is_that_of_the_table():
    message = "write it anew: python -m firmware_bridge.page > docs/registers.md"
    assert PAGE.read_text(encoding="utf-8") == page(), message


def test_one_read_polls_forty_detectors():
    assert STATUS.size + bank_registers(40) <= REGISTERS_PER_READ
    assert STATUS.size + bank_registers(41) > REGISTERS_PER_READ
    assert [bank_registers(n) for n in (0, 1, 16, 17, 32)] == [0, 4, 34, 38, 68]


def test_header_and_plan_lie_next_to_each_other():
    assert HEADER.end == UPLOAD.address


def values(area: Area) -> st.SearchStrategy[dict[str, object]]:
    fields = {}
    for register in area.registers:
        if register.kind is Kind.TEXT:
            most = 2 * register.size
            text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=most)
            fields[register.name] = text.filter(lambda t, most=most: len(t.encode()) <= most)
        elif register.kind is Kind.BYTES:
            fields[register.name] = st.binary(
                min_size=2 * register.size, max_size=2 * register.size
            )
        else:
            most = register.most if register.most is not None else (1 << (16 * register.size)) - 1
            fields[register.name] = st.integers(register.least, most)
    return st.fixed_dictionaries(fields)


@given(
    st.sampled_from([a for a in (*EDGE, *FIELD) if a.size < 500]).flatmap(
        lambda area: st.tuples(st.just(area), values(area))
    )
)
def test_what_is_encoded_is_decoded(given_values):
    area, content = given_values
    words = encode(area, content)
    assert len(words) == area.stride
    assert all(0 <= word <= 0xFFFF for word in words)
    assert decode(area, words) == content


def test_words_have_their_high_byte_first_and_numbers_their_high_word():
    assert words_of_bytes(b"GB\x01") == [0x4742, 0x0100]
    words = encode(STATUS, decode(STATUS, [0] * STATUS.size) | {"plan_no": 0x1_0002, "green": 1})
    assert words[32:34] == [1, 2]
    assert words[12:16] == [1, 0, 0, 0]


def test_a_long_name_is_cut_between_characters():
    area = EDGE[0]
    content = decode(area, [0] * area.size) | {"site": "é" * 40}
    assert decode(area, encode(area, content)).text("site") == "é" * 32


@pytest.mark.parametrize("value", [-1, 1 << 16, "text"])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match="picture"):
        encode(STATUS, decode(STATUS, [0] * STATUS.size) | {"picture": value})


def test_a_site_too_large_for_the_map_is_no_cabinet():
    site = crossroads()
    more = [
        type(site.detectors[0])(name=f"d{i}", role=site.detectors[0].role, groups=("NS",))
        for i in range(257)
    ]
    with pytest.raises(SetupError, match="257 detectors, the register map holds 256"):
        cabinet(crossroads(detectors=tuple(more)))
