"""What a condition comes to on a target: true, false, or not to be told.

Asked is what happens when the accelerator is the target's, its plugin is imported, and
tensors and models are on it.
"""

from __future__ import annotations

import ast
import re

from porter.audit.code import DEPTH, Code, Guard
from porter.audit.facts import Facts
from porter.audit.values import texts

_PROBE = re.compile(r"(?:^|\.)(?:is_(\w+?)_available|IS_(\w+?)_AVAILABLE)$")
_MODULE_PROBE = re.compile(r"^torch\.(\w+)\.is_available$")
_IS_DEVICE = re.compile(r"^is_(\w+)$")
_BACKENDS = {
    "nccl": "cuda",
    "smddp": "cuda",
    "hccl": "npu",
    "cncl": "mlu",
    "mccl": "musa",
    "tccl": "sdaa",
}
#: Texts that name a device or a backend, with what may follow them.
_NAMED = re.compile(r"^([a-z]+)(?::\d*)?$")


class Truth:
    """Judges conditions of one file."""

    def __init__(self, code: Code, facts: Facts) -> None:
        self.code, self.facts = code, facts
        self._backends = {**_BACKENDS, facts.backend: facts.device}

    def of(self, test: ast.expr, depth: int = DEPTH) -> bool | None:
        """What an expression comes to; None where it cannot be told."""
        if depth <= 0:
            return None
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self.of(operand, depth)
                return None if value is None else not value
            case ast.BoolOp(op=op, values=values):
                return self._joined([self.of(v, depth) for v in values], isinstance(op, ast.And))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                value = self._compared(left, op, right)
                return self._dated(test) if value is None else value
            case ast.Compare():
                return self._dated(test)
            case ast.Call(func=ast.Name(id="bool"), args=[inner]):
                return self.of(inner, depth)
            case ast.Call(func=ast.Name(id="hasattr"), args=[owner, ast.Constant(value=str(name))]):
                return self._has(owner, name)
            case ast.Call(func=func):
                return self._called(func, test, depth)
            case ast.Attribute() | ast.Name():
                return self._named(test, depth)
        return None

    def is_dead(self, guard: Guard) -> bool:
        """Whether a guard is never met on the target."""
        if guard.test is None:
            return False
        value = self.of(guard.test)
        return value is not None and value != guard.holds

    def asks_target(self, test: ast.expr) -> bool:
        """Whether a condition asks for the target by its name."""
        return any(
            self.device_asked(node) == self.facts.device
            for node in ast.walk(test)
            if isinstance(node, (ast.Call, ast.Attribute, ast.Name, ast.Compare))
        )

    def device_asked(self, node: ast.expr) -> str:
        """The device that a call, attribute or comparison asks for; empty for none."""
        if isinstance(node, ast.Compare):
            return self._compared_with(node) or ""
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "hasattr":
                return self._known(str(getattr(node.args[-1], "value", "")))
            return self._probed(node.func)
        found = self._probed(node)
        if not found and isinstance(node, ast.Name):
            values = [v for v in self._values(node) if isinstance(v, (ast.Compare, ast.Call))]
            found = self.device_asked(values[0]) if len(values) == 1 else ""
        return found

    # Parts

    @staticmethod
    def _joined(values: list[bool | None], all_of: bool) -> bool | None:
        decisive = not all_of
        if decisive in values:
            return decisive
        return None if None in values else all_of

    def _on(self, device: str) -> bool | None:
        """Whether the accelerator is a device."""
        if device in ("cpu", "gpu") or not device:
            return None if device != "cpu" or self.facts.device != "cpu" else True
        return device == self.facts.device

    def _known(self, name: str) -> str:
        name = name.lower()
        return name if name in self.facts.known else ""

    def _probed(self, node: ast.expr) -> str:
        """The device that a name asks for: ``is_npu_available``, ``x.is_cuda``."""
        if isinstance(node, ast.Attribute):
            found = _IS_DEVICE.match(node.attr)
            if found and self._known(found[1]):
                return found[1]
        elif not isinstance(node, ast.Name):
            return ""
        own = {node.id} if isinstance(node, ast.Name) else set()
        for name in own | self.code.dotted(node):
            probe = _PROBE.search(name) or _MODULE_PROBE.match(name)
            if probe:
                return self._known(next(group for group in probe.groups() if group))
        return ""

    def _called(self, func: ast.expr, call: ast.Call, depth: int) -> bool | None:
        device = self._probed(func)
        if device:
            return self._on(device)
        if isinstance(func, ast.Attribute) and func.attr == "startswith" and call.args:
            return self._text_names(call.args[0])
        names = self.code.dotted(func)
        if "torch.cuda.device_count" in names or "torch.cuda.is_bf16_supported" in names:
            return self.facts.cuda or False
        if isinstance(func, ast.Name):
            return self._returned(func, depth)
        return None

    def _returned(self, func: ast.Name, depth: int) -> bool | None:
        """What a function of this file returns, if it is the same wherever it returns."""
        _, scope = self.code.resolve(func.id, func)
        found = self.code.definitions.get(func.id, []) if scope is not None else []
        if len(found) != 1:
            return None
        returns = [n for n in ast.walk(found[0]) if isinstance(n, ast.Return)]
        reached = [n for n in returns if not any(map(self.is_dead, self.code.guards(n)))]
        answers = {self.of(n.value, depth - 1) if n.value else False for n in reached}
        return answers.pop() if len(answers) == 1 else None

    def _text_names(self, node: ast.expr) -> bool | None:
        values = {text.value for text in texts(node, self.code)}
        if len(values) != 1:
            return None
        named = _NAMED.match(values.pop().lower())
        device = self._backends.get(named[1], self._known(named[1])) if named else ""
        return self._on(device) if device else None

    def _named(self, node: ast.Attribute | ast.Name, depth: int) -> bool | None:
        device = self._probed(node)
        if device:
            return self._on(device)
        names = self.code.dotted(node)
        if names & {"torch.version.cuda", "torch.version.hip"}:
            return self.facts.cuda and "torch.version.cuda" in names
        values = self._values(node)
        if len(values) != 1:
            return None
        if isinstance(values[0], ast.Constant):
            # A default, or a flag that somebody sets elsewhere.
            return None
        return self.of(values[0], depth - 1)

    def _values(self, node: ast.Attribute | ast.Name) -> list[ast.expr]:
        """All that is assigned to a name or to an attribute of ``self``."""
        if isinstance(node, ast.Name):
            _, scope = self.code.resolve(node.id, node)
            return self.code.assignments(scope).get(node.id, []) if scope else []
        owner = self.code.class_of(node)
        own = isinstance(node.value, ast.Name) and node.value.id == "self" and owner
        return self.code.attributes.get((owner, node.attr), []) if own and owner else []

    def _has(self, owner: ast.expr, name: str) -> bool | None:
        if "torch" not in self.code.dotted(owner):
            return None
        device = self._known(name)
        return None if not device else device in ("cuda", self.facts.device)

    @staticmethod
    def _dated(test: ast.Compare) -> bool | None:
        """A question for a version of PyTorch before 2.0, which no chip's stack has any more."""
        text = ast.unparse(test)
        if not re.search(r"TORCH_VERSION|torch_version|torch\.__version__", text):
            return None
        if text.endswith(("== 'parrots'", "!= 'parrots'")):
            return "!=" in text
        below = re.search(r"<=?\s*(?:\w+\()?\(?['\"]?(\d+)[.,]", text)
        return False if below and int(below[1]) < 2 and not text.startswith(below[0]) else None

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
        if (
            isinstance(op, (ast.Gt, ast.GtE, ast.NotEq))
            and isinstance(right, ast.Constant)
            and (
                isinstance(left, ast.Call)
                and "torch.cuda.device_count" in self.code.dotted(left.func)
            )
        ):
            return self.facts.cuda
        if (
            isinstance(op, (ast.Is, ast.IsNot))
            and isinstance(right, ast.Constant)
            and right.value is None
            and "torch.version.cuda" in self.code.dotted(left)
        ):
            return (not self.facts.cuda) == isinstance(op, ast.Is)
        if isinstance(op, (ast.Eq, ast.NotEq)):
            value = self._is_device(left, right)
            if value is None:
                value = self._is_device(right, left)
            return value if value is None or isinstance(op, ast.Eq) else not value
        if isinstance(op, (ast.In, ast.NotIn)):
            value = self._is_among(left, right)
            return value if value is None or isinstance(op, ast.In) else not value
        return None

    def _device_named(self, node: ast.expr) -> str:
        """The device that a text, or a constant of torch's, names."""
        for name in self.code.dotted(node) if isinstance(node, ast.Attribute) else ():
            if ".Backend." in name:
                return self._backends.get(name.rpartition(".")[2].lower(), "")
        if isinstance(node, ast.Call) and self.code.plain_name(node.func) == "torch.device":
            return self._device_named(node.args[0]) if node.args else ""
        if not isinstance(node, (ast.Constant, ast.Name, ast.JoinedStr)):
            return ""
        values = {text.value for text in texts(node, self.code)}
        named = _NAMED.match(values.pop().lower()) if len(values) == 1 else None
        if named is None:
            return ""
        return self._backends.get(named[1], self._known(named[1]))

    def _is_device(self, left: ast.expr, right: ast.expr) -> bool | None:
        device = self._device_named(right)
        if not device or isinstance(left, ast.Constant):
            return None
        return self._on(device) if speaks_of_device(left) else None

    def _is_among(self, left: ast.expr, right: ast.expr) -> bool | None:
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            if not speaks_of_device(left):
                return None
            names = [self._device_named(element) for element in right.elts]
            return self._joined([self._on(name) if name else None for name in names], False)
        if isinstance(left, ast.Constant) and speaks_of_device(right):
            device = self._device_named(left)
            return self._on(device) if device else None
        return None

    def _compared_with(self, node: ast.Compare) -> str:
        for side in (node.left, *node.comparators):
            elements = side.elts if isinstance(side, (ast.Tuple, ast.List, ast.Set)) else [side]
            named = [self._device_named(element) for element in elements]
            if self.facts.device in named:
                return self.facts.device
            if any(named):
                return next(name for name in named if name)
        return ""


def speaks_of_device(node: ast.expr) -> bool:
    """Whether an expression is about a device or a backend, by the words in it."""
    text = ast.unparse(node).lower()
    return any(word in text for word in ("device", "backend", ".type", "dev", "location"))
