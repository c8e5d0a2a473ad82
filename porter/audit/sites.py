"""Where a Python file speaks of CUDA, by what its names stand for; judged is elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from porter.audit.code import Code
from porter.audit.facts import Facts
from porter.audit.values import Text, texts

#: Bytes without which a file has nothing to look at.
WORDS = re.compile(
    rb"cuda|nccl|CUDA|NCCL|on_host|\bapex|Apex|cudnn|pin_memory|ext_module|load_ext|cupy|pynvml|mmcv\.ops"
)
DTYPE_WORDS = re.compile(rb"float64|\bdouble\b|\.sum\(")
DYNAMIC_WORDS = re.compile(
    rb"nonzero|masked_select|unique|repeat_interleave|bincount|\bwhere\(|\[[^\]\n]*(?:[<>]|==)"
)

#: Full names that a chain may start with -> the kind of what it is.
_PREFIXES = (
    ("torch.cuda.amp", "amp"),
    ("torch.cuda.nccl", "nccl"),
    ("torch.cuda.nvtx", "stream"),
    ("torch.cuda.graph", "stream"),
    ("torch.cuda.CUDAGraph", "stream"),
    ("torch.cuda", "cuda-api"),
    ("torch.backends.cudnn", "cudnn"),
    ("torch.backends.cuda", "cudnn"),
    ("torch.distributed.Backend.NCCL", "nccl"),
    ("apex", "apex"),
    ("cupy", "cuda-library"),
    ("pynvml", "cuda-library"),
    ("pycuda", "cuda-library"),
    ("numba.cuda", "cuda-library"),
)
_STREAMS = re.compile(
    r"^torch\.cuda\.(streams\.)?(Stream|Event|ExternalStream|stream|current_stream|default_stream|"
    r"set_stream|StreamContext|make_graphed_callables)$"
)
_TENSOR_TYPE = re.compile(
    r"^torch\.cuda\.((sparse\.)?(Float|Double|Half|BFloat16|Byte|Char|Short|Int|Long|Bool)Tensor)$"
)
_PUBLIC = re.compile(
    r"^(mmengine|mmcv|mmdet)\.(.+\.)?(get_max_cuda_memory|is_cuda_available|IS_CUDA_AVAILABLE)$"
)
_DEVICE = re.compile(r"^(cuda|gpu)(:\d*)?$")
_BACKEND = re.compile(r"^nccl$")
_VARIABLES = re.compile(
    r"^(CUDA_VISIBLE_DEVICES|CUDA_LAUNCH_BLOCKING|CUDA_DEVICE_ORDER|NCCL_[A-Z_]+)$"
)
_TYPED_TEXT = re.compile(r"^torch\.cuda\.\w+Tensor$")
_MENTION = re.compile(r"torch\.cuda|\.cuda\(|['\"`]cuda(:\d)?['\"`]|nccl")
_DEVICE_WORDS = re.compile(
    r"(^|_)(dev|devs|device|devices|devicetype|cuda|gpu)(_|s?$|type)|map_location"
)
_BACKEND_WORDS = re.compile(r"backend|dist_(cfg|params)|launcher")
_TO_DEVICE = ("to", "map_location", "set_device", "autocast", "type")
_DEVICE_CALLS = re.compile(
    r"^torch\.(device|autocast|amp\.autocast|amp\.GradScaler|amp\.autocast_mode\.autocast|set_default_device|get_device_module|"
    r"empty|zeros|ones|full|arange|rand|randn|tensor|as_tensor|load|Generator|cuda\.set_device)$"
)
_DYNAMIC = re.compile(
    r"^(nonzero|masked_select|unique|unique_consecutive|repeat_interleave|bincount)$"
)


@dataclass(frozen=True)
class Site:
    """A place that speaks of CUDA, or of what the target lacks.

    Attributes:
        node: Where it stands.
        symbol: What it is, by its full name.
        used: Nodes that the value reaches, for a device string.
    """

    kind: str
    symbol: str
    node: ast.AST
    used: tuple[ast.AST, ...] = ()


def may_have_sites(data: bytes, facts: Facts) -> bool:
    """Whether a file has any of the words that a site is made of."""
    return bool(
        WORDS.search(data)
        or ("dynamic-shapes-recompile" in facts.traits and DYNAMIC_WORDS.search(data))
        or (facts.traits & {"float64-missing", "int64-sum-missing"} and DTYPE_WORDS.search(data))
    )


class Finder:
    """Finds the sites of one file."""

    def __init__(self, code: Code, facts: Facts) -> None:
        self.code, self.facts = code, facts
        self._docstrings = set(_docstrings(code))
        self._heads = self._interesting_heads()

    def sites(self) -> list[Site]:
        """All sites, in the order of the file."""
        found: list[Site] = []
        for node in self.code.nodes:
            if isinstance(node, (ast.Attribute, ast.Name)):
                found += self._chain(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += self._literal(node, node.value)
            elif isinstance(node, ast.Call):
                found += self._call(node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found += self._import(node)
            elif isinstance(node, ast.Subscript):
                found += self._subscript(node)
        found = self._merged(found)
        return sorted(found, key=lambda site: (_line(site.node), _column(site.node), site.kind))

    # Names

    def _interesting_heads(self) -> set[str]:
        """Names that may lead to CUDA without saying so: imported or assigned ones."""
        heads: set[str] = set()
        for node in self.code.nodes:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if _interesting(f"{node.module or ''}.{alias.name}"):
                        heads.add(alias.asname or alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname and _interesting(alias.name):
                        heads.add(alias.asname)
                    elif _interesting(alias.name):
                        heads.add(alias.name.partition(".")[0])
        heads -= {"torch"}
        for _ in range(2):
            for node in self.code.nodes:
                if isinstance(node, ast.Assign) and len(node.targets) == 1:
                    target = node.targets[0]
                    if isinstance(target, ast.Name) and self._leads_on(node.value, heads):
                        heads.add(target.id)
        return heads

    @staticmethod
    def _leads_on(value: ast.expr, heads: set[str]) -> bool:
        if isinstance(value, ast.Call):
            name = ast.unparse(value.func)
            return name == "getattr" or name.endswith(("import_module", "__import__"))
        parts = _chain_parts(value)
        return bool(parts) and (parts[0] in heads or "cuda" in parts or "cudnn" in parts)

    def _chain(self, node: ast.Attribute | ast.Name) -> Iterator[Site]:
        parent = self.code.parents.get(node)
        if isinstance(parent, ast.Attribute):
            return
        if isinstance(node, ast.Attribute) and node.attr == "is_cuda":
            if isinstance(node.ctx, ast.Load) and not self._is_module_chain(node):
                yield Site("is-cuda", "Tensor.is_cuda", node)
            return
        head: ast.expr = node
        attributes = []
        while isinstance(head, ast.Attribute):
            attributes.append(head.attr)
            head = head.value
        if not isinstance(head, (ast.Name, ast.Call)):
            return
        if not (
            (isinstance(head, ast.Name) and head.id in self._heads)
            or {"cuda", "cudnn", "NCCL", "get_max_cuda_memory", "is_cuda_available"}
            & set(attributes)
            or (isinstance(head, ast.Call) and attributes and self._is_getattr(head))
        ):
            return
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            return
        yield from self._named(node)

    def _is_getattr(self, call: ast.Call) -> bool:
        name = ast.unparse(call.func)
        return name == "getattr" or name.endswith("import_module") or name == "__import__"

    def _is_module_chain(self, node: ast.Attribute) -> bool:
        return any(name.startswith("torch.") for name in self.code.dotted(node))

    def _named(self, node: ast.Attribute | ast.Name | ast.Call) -> Iterator[Site]:
        if self._is_alias(node):
            return
        if isinstance(node, ast.Name) and self._told_before(node):
            return
        names = self.code.dotted(node)
        kinds = {name: kind_of(name) for name in names if kind_of(name)}
        # Imported from one place or another: then the import is what is judged.
        if kinds and (len(kinds) == len(names) or isinstance(node, ast.Attribute)):
            name = min(kinds)
            yield Site(kinds[name], name, node)

    def _told_before(self, node: ast.Name) -> bool:
        """Whether a name was assigned what is a site already, where it was assigned."""
        _, scope = self.code.resolve(node.id, node)
        values = self.code.assignments(scope).get(node.id, []) if scope is not None else []
        return any(
            kind_of(name)
            for value in values
            if isinstance(value, (ast.Attribute, ast.Name))
            for name in self.code.dotted(value)
        )

    def _is_alias(self, node: ast.AST) -> bool:
        """Whether a chain only gives ``torch.cuda`` or apex another name, used further down."""
        parent = self.code.parents.get(node)
        if not isinstance(parent, ast.Assign) or parent.value is not node:
            return False
        return bool(self.code.dotted(node) & {"torch.cuda", "torch", "torch.cuda.amp"})

    # Calls

    def _call(self, node: ast.Call) -> Iterator[Site]:
        func = node.func
        if isinstance(func, ast.Attribute):
            if func.attr == "cuda" and not self._is_torch(func):
                yield Site("cuda-call", ".cuda()", node)
            elif func.attr == "pin_memory":
                yield Site("pin-memory", ".pin_memory()", node)
            yield from self._op(func, node)
            yield from self._lacking(func, node)
        elif isinstance(func, ast.Call) and self._is_getattr(func) and len(func.args) >= 2:
            if self._gets_cuda(func):
                yield Site("cuda-call", ".cuda()", node)
        elif isinstance(func, ast.Name) and self._bound_method(func):
            yield Site("cuda-call", ".cuda()", node)
        if self._is_getattr(node) and not isinstance(self.code.parents.get(node), ast.Attribute):
            yield from self._named(node)
        yield from self._ops_on_host(node)
        yield from self._build(node)
        yield from self._methodcaller(node)
        yield from self._passed(node)
        for word in node.keywords:
            if word.arg == "pin_memory" and getattr(word.value, "value", None) is True:
                yield Site("pin-memory", "pin_memory=True", word.value)

    def _is_torch(self, func: ast.Attribute) -> bool:
        return any(name.split(".")[0] in ("torch", "numba") for name in self.code.dotted(func))

    def _gets_cuda(self, call: ast.Call) -> bool:
        values = {text.value for text in texts(call.args[1], self.code)}
        return "cuda" in values and "torch" not in self.code.dotted(call.args[0])

    def _bound_method(self, func: ast.Name) -> bool:
        """Whether a name stands for ``x.cuda``, to be called."""
        _, scope = self.code.resolve(func.id, func)
        values = self.code.assignments(scope).get(func.id, []) if scope is not None else []
        return any(
            isinstance(v, ast.Attribute) and v.attr == "cuda" and not self._is_torch(v)
            for v in values
        )

    def _build(self, node: ast.Call) -> Iterator[Site]:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "CUDAExtension":
            yield Site("cuda-build", "CUDAExtension", node)

    def _methodcaller(self, node: ast.Call) -> Iterator[Site]:
        name = self.code.plain_name(node.func)
        if (
            name == "operator.methodcaller"
            and node.args
            and "cuda" in {text.value for text in texts(node.args[0], self.code)}
        ):
            yield Site("cuda-call", ".cuda()", node)

    def _passed(self, node: ast.Call) -> Iterator[Site]:
        """``map(torch.Tensor.cuda, xs)``: a method handed on."""
        for argument in node.args:
            if isinstance(argument, ast.Attribute) and argument.attr == "cuda":
                names = self.code.dotted(argument)
                if any(re.match(r"torch\.(Tensor|nn\.Module)\.cuda$", name) for name in names):
                    yield Site("cuda-call", ".cuda()", argument)

    def _op(self, func: ast.Attribute, node: ast.Call) -> Iterator[Site]:
        if isinstance(func.value, ast.Name) and self._is_extension(func.value):
            yield Site("op", f"mmcv._ext.{func.attr}", node)

    def _ops_on_host(self, node: ast.Call) -> Iterator[Site]:
        """``on_host(ext_module.nms)(...)``: the way that porter's rules call the host's kernels."""
        if getattr(node.func, "id", "") == "on_host" and node.args:
            given = node.args[0]
            if (
                isinstance(given, ast.Attribute)
                and isinstance(given.value, ast.Name)
                and self._is_extension(given.value)
            ):
                yield Site("op", f"mmcv._ext.{given.attr}", given)

    def _is_extension(self, name: ast.Name) -> bool:
        _, scope = self.code.resolve(name.id, name)
        values = self.code.assignments(scope).get(name.id, []) if scope is not None else []
        return any(
            isinstance(v, ast.Call) and ast.unparse(v.func).endswith("load_ext") for v in values
        )

    def _lacking(self, func: ast.Attribute, node: ast.Call) -> Iterator[Site]:
        traits = self.facts.traits
        if "dynamic-shapes-recompile" in traits:
            numpy = any(n.startswith(("numpy.", "pandas.")) for n in self.code.dotted(func))
            if _DYNAMIC.match(func.attr) and not numpy:
                yield Site("dynamic-shape", f"aten::{func.attr}", node)
            elif (
                func.attr == "where"
                and len(node.args) == 1
                and not node.keywords
                and "torch.where" in self.code.dotted(func)
            ):
                yield Site("dynamic-shape", "aten::nonzero", node)
        if "int64-sum-missing" in traits and func.attr == "sum":
            summed = (
                node.args[0] if "torch.sum" in self.code.dotted(func) and node.args else func.value
            )
            if self._is_int64(summed, node):
                yield Site("dtype", "aten::sum of int64", node)
        if "float64-missing" in traits and func.attr == "double" and not node.args:
            yield Site("dtype", "torch.float64", node)

    @staticmethod
    def _is_int64(summed: ast.expr, call: ast.Call) -> bool:
        asked = [w for w in call.keywords if w.arg == "dtype"]
        if asked:
            return ast.unparse(asked[0].value) in ("torch.int64", "torch.long")
        if not isinstance(summed, ast.Call) or not isinstance(summed.func, ast.Attribute):
            return False
        if summed.func.attr == "long":
            return True
        return summed.func.attr == "to" and any(
            ast.unparse(a) in ("torch.int64", "torch.long") for a in summed.args
        )

    def _subscript(self, node: ast.Subscript) -> Iterator[Site]:
        """``x[x > 0]``: an index by a mask that is made on the spot."""
        if (
            "dynamic-shapes-recompile" in self.facts.traits
            and isinstance(node.slice, ast.Compare)
            and isinstance(node.ctx, ast.Load)
            and self._imports_torch
        ):
            yield Site("dynamic-shape", "aten::index by a mask", node)

    @property
    def _imports_torch(self) -> bool:
        return any(
            isinstance(n, ast.Import) and any(a.name.startswith("torch") for a in n.names)
            for n in self.code.tree.body
        )

    # Imports

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Site]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch.cuda"):
            for alias in node.names:
                bound, _ = self.code.resolve(alias.asname or alias.name, node)
                full = f"{node.module}.{alias.name}"
                if kind_of(full) and any(not kind_of(name) for name in bound):
                    yield Site(kind_of(full), full, node)
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names] if not node.level else []
        for name in names:
            top = name.partition(".")[0]
            if top == "apex":
                yield Site("apex", name, node)
                return
            if top in ("cupy", "pynvml", "pycuda"):
                yield Site("cuda-library", name, node)
                return

    # Texts

    def _literal(self, node: ast.Constant, value: str) -> Iterator[Site]:
        if node in self._docstrings:
            if _MENTION.search(value):
                yield Site("mention", "docstring", node)
            return
        if _VARIABLES.match(value):
            yield Site("visible-devices", value, node)
        elif _BACKEND.match(value) and self._is_backend(node):
            yield Site("nccl", "nccl", node)
        elif _TYPED_TEXT.match(value):
            yield Site("tensor-type", value, node)
        elif value in ("ApexOptimWrapper",) and self._keyed(node) == "type":
            yield Site("apex", value, node)
        elif (
            value.startswith(("cuda", "gpu"))
            and (_DEVICE.match(value) or self._is_front(node))
            and value.startswith("cuda")
        ):
            yield from self._device(node, value)

    def _is_front(self, node: ast.AST) -> bool:
        """Whether a text is what a longer one starts with: ``f'cuda:{rank}'``."""
        parent = self.code.parents.get(node)
        return re.match(r"^cuda:?[%{]?", str(getattr(node, "value", ""))) is not None and (
            isinstance(parent, (ast.JoinedStr, ast.BinOp))
            or (isinstance(parent, ast.Attribute) and parent.attr == "format")
        )

    def _is_backend(self, node: ast.AST) -> bool:
        """Whether a text names a backend, not an entry to print."""
        for parent, child in self.code.up(node):
            if isinstance(parent, ast.keyword):
                word = self._option(parent) if parent.arg == "default" else parent.arg
                return _BACKEND_WORDS.search(word or "") is not None
            if isinstance(parent, ast.Dict):
                return _BACKEND_WORDS.search(self._dict_key(parent, child)) is not None
            if isinstance(parent, ast.arguments):
                return _BACKEND_WORDS.search(self._parameter(parent, child)) is not None
            if isinstance(parent, ast.Compare):
                return True
            if isinstance(parent, ast.Call):
                return (
                    child in parent.args
                    and re.search(
                        r"init_process_group|init_dist|new_group|add_argument|setdefault|get$",
                        ast.unparse(parent.func),
                    )
                    is not None
                )
            if isinstance(parent, ast.stmt):
                return _BACKEND_WORDS.search(self._targets(parent)) is not None
        return False

    def _device(self, node: ast.Constant, value: str) -> Iterator[Site]:
        """A text that names CUDA: a site if it stands for a device, or comes to do so."""
        role = self._device_role(node)
        if role == "compare":
            yield Site("is-cuda", f"device == {value!r}", node)
        elif role == "device":
            yield Site("device-string", repr(value), node)

    def _device_role(self, node: ast.AST) -> str:
        """``device``, ``compare``, or empty for a text that is none."""
        for parent, child in self.code.up(node):
            match parent:
                case (
                    ast.JoinedStr()
                    | ast.BinOp()
                    | ast.FormattedValue()
                    | ast.IfExp()
                    | ast.BoolOp()
                ):
                    if isinstance(parent, ast.IfExp) and child is parent.test:
                        return ""
                    continue
                case ast.Attribute(attr=("format" | "split" | "lower")):
                    continue
                case ast.Compare():
                    return "compare" if self._compares(parent, child) else ""
                case ast.keyword():
                    word = self._option(parent) if parent.arg == "default" else parent.arg
                    return "device" if _is_device_word(word or "") else ""
                case ast.Subscript():
                    return ""
                case ast.Dict():
                    return "device" if _is_device_word(self._dict_key(parent, child)) else ""
                case ast.arguments():
                    return "device" if _is_device_word(self._parameter(parent, child)) else ""
                case ast.Call():
                    return self._argument_role(parent, child)
                case ast.Tuple() | ast.List() | ast.Set():
                    continue
                case ast.Return():
                    function = self.code.function(parent)
                    return "device" if function and _is_device_word(function.name) else ""
                case ast.stmt():
                    return "device" if _is_device_word(self._targets(parent)) else ""
                case _:
                    continue
        return ""

    def _option(self, word: ast.keyword) -> str:
        """The option that a default is of: ``add_argument('--device', default='cuda')``."""
        call = self.code.parents.get(word)
        names = call.args if isinstance(call, ast.Call) else []
        values = [str(getattr(name, "value", "")) for name in names]
        return " ".join(value.strip("-").replace("-", "_") for value in values)

    def _compares(self, compare: ast.Compare, child: ast.AST) -> bool:
        from porter.audit.truth import speaks_of_device

        others = [side for side in (compare.left, *compare.comparators) if side is not child]
        return any(speaks_of_device(side) for side in others)

    def _argument_role(self, call: ast.Call, child: ast.AST) -> str:
        func = call.func
        if isinstance(func, ast.Attribute) and child is func:
            return "device" if func.attr == "format" else ""
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        if child not in call.args:
            return ""
        if name == "startswith" and isinstance(func, ast.Attribute):
            from porter.audit.truth import speaks_of_device

            return "compare" if speaks_of_device(func.value) else ""
        if name in ("to", "type_as", "set_device", "to_device", "move_to", "init_device"):
            return "device"
        if name == "device" or name.startswith("autocast"):
            return "device"
        if name in ("get", "getenv", "pop", "setdefault", "getattr"):
            key = call.args[-2] if len(call.args) > 1 else None
            text = str(getattr(key, "value", ""))
            return "device" if _is_device_word(text) and child is call.args[-1] else ""
        names = self.code.dotted(func)
        if any(_DEVICE_CALLS.match(full) for full in names):
            return "device"
        if any(full in ("functools.partial",) for full in names) or name == "partial":
            inner = self.code.dotted(call.args[0]) if call.args else frozenset()
            first = call.args[0] if call.args else None
            to = isinstance(first, ast.Attribute) and first.attr == "to"
            return "device" if to or any(_DEVICE_CALLS.match(full) for full in inner) else ""
        return "device" if self._takes_device(call, child) else ""

    def _takes_device(self, call: ast.Call, child: ast.AST) -> bool:
        """Whether a function of this file has a parameter of that name there."""
        func = call.func
        method = isinstance(func, ast.Attribute)
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        place = call.args.index(child)  # type: ignore[arg-type]
        found = self.code.definitions.get(name, [])
        init = [
            n
            for c in self.code.nodes
            if isinstance(c, ast.ClassDef) and c.name == name
            for n in c.body
            if isinstance(n, ast.FunctionDef) and n.name == "__init__"
        ]
        for function, skip in [*((f, method) for f in found), *((f, True) for f in init)]:
            parameters = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
            if skip and parameters and parameters[0] in ("self", "cls"):
                parameters = parameters[1:]
            if place < len(parameters) and _is_device_word(parameters[place]):
                return True
        return False

    def _dict_key(self, owner: ast.Dict, value: ast.AST) -> str:
        for key, found in zip(owner.keys, owner.values):
            if found is value and isinstance(key, ast.Constant):
                return str(key.value)
        return ""

    def _parameter(self, arguments: ast.arguments, default: ast.AST) -> str:
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults)
        for argument, value in [*pairs, *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
            if value is default:
                return argument.arg
        return ""

    def _keyed(self, node: ast.AST) -> str:
        parent = self.code.parents.get(node)
        if isinstance(parent, ast.keyword):
            return parent.arg or ""
        if isinstance(parent, ast.Dict):
            return self._dict_key(parent, node)
        return ""

    def _targets(self, statement: ast.stmt) -> str:
        if isinstance(statement, ast.Assign):
            return " ".join(_target_name(target) for target in statement.targets)
        if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            return _target_name(statement.target)
        if isinstance(statement, ast.For):
            return _target_name(statement.target)
        return ""

    # Flow

    def _merged(self, sites: list[Site]) -> list[Site]:
        """The sites, with the places that a device string reaches; those of none stand alone."""
        seen = {site.node for site in sites}
        reached: dict[ast.AST, list[ast.AST]] = {}
        extra: list[Site] = []
        for node in self.code.nodes:
            if not isinstance(node, ast.Call):
                continue
            for argument in self._device_arguments(node):
                if argument in seen or isinstance(argument, ast.Constant):
                    continue
                for text in texts(argument, self.code):
                    if not _is_cuda_text(text):
                        continue
                    if text.node in seen:
                        reached.setdefault(text.node, []).append(argument)
                    elif text.node not in self._docstrings and not self._holds(argument, text.node):
                        extra.append(Site("device-string", repr(text.value), argument))
                        reached.setdefault(argument, []).append(text.node)
                    elif self._holds(argument, text.node):
                        extra.append(Site("device-string", repr(text.value), text.node))
        merged = [
            Site(s.kind, s.symbol, s.node, tuple(reached.get(s.node, ()))) for s in [*sites, *extra]
        ]
        unique: dict[tuple[str, ast.AST], Site] = {}
        for site in merged:
            unique.setdefault((site.kind, site.node), site)
        return list(unique.values())

    def _holds(self, owner: ast.AST, node: ast.AST) -> bool:
        return any(inner is node for inner in ast.walk(owner))

    def _device_arguments(self, call: ast.Call) -> Iterator[ast.expr]:
        """The arguments by which a call is told a device."""
        for word in call.keywords:
            if word.arg in ("device", "map_location", "device_type"):
                yield word.value
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        if not call.args:
            return
        if (
            (isinstance(func, ast.Attribute) and name in ("to", "type"))
            or name == "device"
            or name in ("autocast", "GradScaler", "set_default_device", "get_device_module")
        ):
            yield call.args[0]
        elif name in ("partial",) and len(call.args) > 1:
            yield from call.args[1:]
        elif name == "load" and len(call.args) > 1:
            yield call.args[1]


def kind_of(name: str) -> str:
    """The kind of CUDA-ism that a full name is; empty if it is none."""
    if name in ("torch.cuda",):
        return ""
    if _TENSOR_TYPE.match(name):
        return "tensor-type"
    if _STREAMS.match(name):
        return "stream"
    if _PUBLIC.match(name):
        return "cuda-api"
    for prefix, kind in _PREFIXES:
        if name == prefix or name.startswith(prefix + "."):
            return kind
    return "nccl" if name.endswith(".Backend.NCCL") else ""


def _interesting(name: str) -> bool:
    return bool(kind_of(name)) or name in ("torch.cuda", "torch.backends", "torch.cuda.amp")


def _is_cuda_text(text: Text) -> bool:
    if text.whole:
        return _DEVICE.match(text.value) is not None and text.value.startswith("cuda")
    return text.value == "cuda" or text.value.startswith("cuda:")


def _is_device_word(name: str) -> bool:
    return any(_DEVICE_WORDS.search(part.lower()) for part in name.split())


def _target_name(target: ast.expr) -> str:
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript):
        return str(getattr(target.slice, "value", ""))
    if isinstance(target, (ast.Tuple, ast.List)):
        return " ".join(_target_name(element) for element in target.elts)
    return getattr(target, "id", "")


def _chain_parts(node: ast.AST) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [*([node.id] if isinstance(node, ast.Name) else []), *reversed(parts)]


def _docstrings(code: Code) -> Iterator[ast.AST]:
    """Every text that stands as a statement of its own: nothing reads it."""
    for node in code.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))


def _column(node: ast.AST) -> int:
    return int(getattr(node, "col_offset", 0))
