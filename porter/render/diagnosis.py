"""What ``porter doctor`` found, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from porter.render.blocks import BLANK, Block, Command, Fields, Text
from porter.verify.launch.doctor import Diagnosis, Way
from porter.verify.launch.host import Fact, State

PLACES = {"real": "the chip", "sim": "the simulated chip", "cpu": "the host"}
_MARKS: Mapping[State, str] = {"good": "", "note": "note: ", "bad": "PROBLEM: "}


def diagnosis_blocks(found: Diagnosis) -> list[Block]:
    """What there is, where a verification would train, and what to do."""
    blocks: list[Block] = [Fields(tuple(_pair(fact) for fact in found.facts))]
    if found.ways:
        blocks += [BLANK, Text("Where the ported tree can train", "bold")]
        blocks += [Fields(tuple(_way(way) for way in found.ways), indent=2)]
    blocks += [BLANK, _sum(found)]
    if found.remedies:
        blocks += [BLANK, Text("To do", "bold")]
        blocks += [Command("", remedy) for remedy in found.remedies]
    return blocks


def _pair(fact: Fact) -> tuple[str, str]:
    return fact.name, f"{_MARKS[fact.state]}{fact.value}"


def _way(way: Way) -> tuple[str, str]:
    if way.problem:
        return PLACES[way.place], f"no: {way.problem}"
    return PLACES[way.place], f"yes: {way.detail}" if way.detail else "yes"


def _sum(found: Diagnosis) -> Text:
    option = f" --target {found.target}" if found.target else ""
    if not found.ready:
        return Text(f"`porter verify{option}` cannot run here yet.", "red")
    if found.chosen is None:
        return Text("`porter verify` can run here; --target tells where it would.", "green")
    return Text(f"`porter verify{option}` would train on {PLACES[found.chosen]}.", "green")


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """``porter doctor``.

    Keys: ``target`` (null if none was asked about), ``ready``, ``device`` (what
    ``--device auto`` takes: ``real``, ``sim``, ``cpu`` or null), ``facts`` (each ``name``,
    ``value``, ``state``: ``good``, ``note`` or ``bad``), ``places`` (each ``place``,
    ``problem``, ``detail``), ``remedies``.
    """
    return {
        "target": found.target or None,
        "ready": found.ready,
        "device": found.chosen,
        "facts": [
            {"name": fact.name, "value": fact.value, "state": fact.state} for fact in found.facts
        ],
        "places": [
            {"place": way.place, "problem": way.problem, "detail": way.detail} for way in found.ways
        ],
        "remedies": list(found.remedies),
    }
