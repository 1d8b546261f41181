"""``greenband wave``: the widest green wave along an arterial, with its proof."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.options import JSON_TO
from greenband.terminal import STANDARD_OUTPUT, print_json, say
from greenband.wave_json import Solved, read_arterials, wave_document

if TYPE_CHECKING:
    from optimizer.bandwidth.arterial import Arterial

SAID_EVERY = 50
"""Of a long list, progress is told so often."""


@guarded
def wave_command(
    arterial: Annotated[
        Path | None,
        typer.Argument(
            metavar="ARTERIAL.json", help="An arterial or a list of them; - is standard input."
        ),
    ] = None,
    multiband: Annotated[
        bool,
        typer.Option("--multiband", help="A band for each link, weighted by its volume."),
    ] = False,
    cut: Annotated[
        bool, typer.Option("--cut", help="Say where cutting the arterial into groups pays.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the time-space diagram; of a list, numbered.", metavar="FILE.svg"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the file, and end.")
    ] = False,
    json_to: JSON_TO = None,
) -> None:
    """Find the widest green wave along an arterial, both ways, and prove that it is.

    Cycle, offsets, speeds and left-turn patterns are chosen within what the file allows.
    """
    if schema:
        from optimizer.bandwidth.arterial_json import schema as arterial_schema

        print_json(arterial_schema())
        return
    if arterial is None:
        raise UsageError("give the file of an arterial, or --schema to see what it holds")
    if cut and multiband:
        raise UsageError("--cut weighs one band per group; leave out --multiband")
    named, is_list = read_arterials(arterial)
    for target in (picture, None if json_to in {None, STANDARD_OUTPUT} else Path(str(json_to))):
        if target is not None:
            ensure_writable(target)
    solved = []
    for number, (name, each) in enumerate(named, 1):
        solved.append(_solve(each, name, multiband=multiband, cut=cut))
        if len(named) > SAID_EVERY and number % SAID_EVERY == 0:
            say(f"{number}/{len(named)} arterials")
    if picture is not None:
        _draw(solved, picture)
    if json_to != STANDARD_OUTPUT:
        from greenband.wave_table import print_waves

        print_waves(solved)
    if json_to is not None:
        documents = [wave_document(each) for each in solved]
        print_json(documents if is_list else documents[0], json_to)


def _solve(arterial: Arterial, name: str, *, multiband: bool, cut: bool) -> Solved:
    from optimizer.bandwidth.cutting import best_cut
    from optimizer.bandwidth.maxband import widest_wave
    from optimizer.bandwidth.multiband import link_waves

    begin = perf_counter()
    wave = link_waves(arterial) if multiband else widest_wave(arterial)
    seconds = perf_counter() - begin
    groups = best_cut(arterial) if cut else None
    return Solved(arterial=arterial, name=name, wave=wave, seconds=seconds, cut=groups)


def _draw(solved: list[Solved], picture: Path) -> None:
    from greenband.wave_picture import wave_svg

    for number, each in enumerate(solved, 1):
        target = picture
        if len(solved) > 1:
            target = picture.with_name(f"{picture.stem}-{number}{picture.suffix}")
        write_text(target, wave_svg(each))
        say(f"wrote {target}")
