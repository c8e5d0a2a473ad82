"""JSON schemas of rule and target files, made from the types that read them.

Editors with a TOML language server complete and check the files by them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from porter.model import Family, Operation
from porter.rulebook.operations import KINDS
from porter.rulebook.rulefile import COMMON_FIELDS
from porter.rulebook.targetfile import AMP_DTYPES

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Mapping[str, Any] = {"type": "string"}
_TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
_TABLE_OF_TEXT: Mapping[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_EXPECT: Mapping[str, Any] = {
    "description": 'How many places must match: a count, or a range such as "2..4" or "1..".',
    "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+\.\.\d*$"}],
}


def rule_schema() -> dict[str, Any]:
    """The schema of a rule file."""
    properties = {
        "id": _said(_TEXT, "`<package>/<name>`, after the file's place."),
        "why": _said(_TEXT, "What goes wrong without the rule, and what it does about it."),
        "source": _said(_TEXT, "Where the need for it is documented or was seen."),
        "packages": _said(_TEXTS, "The packages it edits; by default the folder's."),
        "when": _condition(),
        "requires": _said(_TABLE_OF_TEXT, "Package -> versions it is written for."),
        "native": _said(_TABLE_OF_TEXT, "Device -> versions in which upstream does it itself."),
        "files": _said(_TEXTS, "Paths or globs in the package's project."),
        "overrides": _said(_TEXTS, "Ids of rules whose edits its own may enclose."),
        "needs": _said(_TEXTS, "Ids of rules whose outcome its code uses."),
        "optional": _said(
            {"type": "boolean"},
            "Only made when asked for: with --with-rule, or by the target's `ask`.",
        ),
        "where_present": _said(
            {"type": "boolean"}, "Skipped where a tree has none of its files, such as `tools/*.py`."
        ),
        "edit": {"type": "array", "minItems": 1, "items": {"oneOf": _operations()}},
        "case": {"type": "array", "items": _case()},
    }
    return _object("A rule of porter", properties, ["id", "why", "source", "edit"])


def target_schema() -> dict[str, Any]:
    """The schema of a target file."""
    about = dict.fromkeys(("name", "vendor", "chip", "summary", "documentation"), _TEXT)
    torch = {
        "family": _said({"enum": list(get_args(Family))}, "What PyTorch takes the chip for."),
        "device": _said(_TEXT, "The torch.device type."),
        "plugin": _said(_TEXT, "The module whose import makes the device known."),
        "backend": _said(_TEXT, "The torch.distributed backend."),
        "visible_devices": _said(_TEXT, "The environment variable that selects devices."),
        "amp_dtypes": {"type": "array", "items": {"enum": list(AMP_DTYPES)}},
        "amp_module": _said(
            _TEXT, "The module that has GradScaler; `torch.<device>.amp` if unsaid."
        ),
    }
    properties = {
        "target": _object("", about, ["name", "vendor", "chip", "summary"]),
        "torch": _object("", torch, ["family", "device", "backend"]),
        "traits": _said(_TABLE_OF_TEXT, "Trait -> its reason and source."),
        "pins": {
            "type": "object",
            "required": ["default"],
            "additionalProperties": _TABLE_OF_TEXT,
            "description": "Set name -> package -> version.",
        },
        "rules": _object(
            "", {"ask": _said(_TEXTS, "Optional rules that are made for it unasked.")}, []
        ),
        "simulate": {"type": "object", "description": "What the simulated chip lacks."},
    }
    return _object("A target of porter", properties, ["target", "torch", "pins"])


def _said(schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _object(title: str, properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }
    return {"$schema": DRAFT, "title": title, **schema} if title else schema


def _condition() -> dict[str, Any]:
    properties = {
        "trait": _said(_TEXT, "A trait the target must have."),
        "all": _said(_TEXTS, "Traits it must all have."),
        "any": _said(_TEXTS, "Traits of which it must have one."),
        "none": _said(_TEXTS, "Traits it must not have."),
    }
    return {**_object("", properties, []), "minProperties": 1}


def _case() -> dict[str, Any]:
    texts = ("name", "before", "after", "unchanged", "file", "target", "version")
    schema = _object("", dict.fromkeys(texts, _TEXT), ["name"])
    return {**schema, "oneOf": [{"required": ["before", "after"]}, {"required": ["unchanged"]}]}


def _operations() -> list[dict[str, Any]]:
    return [_operation(kind, cls) for kind, cls in KINDS.items()]


def _operation(kind: str, cls: type[Operation]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "kind": {"const": kind},
        "within": _said(_TEXT, "Qualified name, or a glob over such, to stay in."),
        "expect": _EXPECT,
        "files": _said(_TEXTS, "Instead of the rule's files."),
        "requires": _said(_TABLE_OF_TEXT, "Versions in which this operation is made."),
    }
    required = ["kind"]
    alternatives = []
    for field in fields(cls):
        if field.name in COMMON_FIELDS:
            continue
        key, role = field.metadata["key"] or field.name, field.metadata["role"]
        properties[key] = _said(_shape(role), field.metadata["doc"])
        if role in ("pattern", "code", "text"):
            properties[f"{key}_file"] = _said(_TEXT, f"A file beside the rule that holds `{key}`.")
        if field.metadata.get("required") and f"{key}_file" in properties:
            alternatives.append({"oneOf": [{"required": [key]}, {"required": [f"{key}_file"]}]})
        elif field.metadata.get("required"):
            required.append(key)
    schema = _object("", properties, required)
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    return {**schema, "description": summary, **({"allOf": alternatives} if alternatives else {})}


def _shape(role: str) -> Mapping[str, Any]:
    if role == "names":
        return _TEXTS
    if role == "where":
        return _TABLE_OF_TEXT
    return {"enum": ["or", "and"]} if role == "operator" else _TEXT
