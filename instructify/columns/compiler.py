"""Evaluate a template text on whole columns, directly from Jinja's syntax tree.

Every statement becomes a column of texts, in which a null means that the template prints a null. A
loop flattens its list, evaluates its body once over all items of all rows, and joins the items
again. Rows for which Arrow's result may differ are marked as doubtful; the caller renders them one
by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import nodes
from numpy.typing import NDArray

from instructify.columns import kernels
from instructify.columns.kernels import Column, Doubtful, Mask

_EMPTY = pa.scalar("", pa.string())


def is_columnar(tree: nodes.Template) -> bool:
    """Return whether a checked template can be evaluated on columns."""
    if any(loop.test is not None for loop in tree.find_all(nodes.For)):
        return False
    if any(_is_mixed_null_test(test) for test in tree.find_all((nodes.Test, nodes.Compare))):
        return False
    return all(
        len(comparison.ops) == 1 and comparison.ops[0].op not in ("in", "notin")
        for comparison in tree.find_all(nodes.Compare)
    )


def _is_mixed_null_test(node: nodes.Expr) -> bool:
    """Find `(a or b) is none` whose sides have two types, which no column can hold."""
    mixed = (nodes.And, nodes.Or, nodes.CondExpr)
    if isinstance(node, nodes.Test):
        return isinstance(node.node, mixed)
    return any(isinstance(child, mixed) for child in node.iter_child_nodes(only=("expr",))) or any(
        isinstance(operand.expr, mixed) for operand in node.find_all(nodes.Operand)
    )


def evaluate(
    tree: nodes.Template, columns: Mapping[str, Column], num_rows: int
) -> tuple[Column, Mask]:
    """Render a checked, columnar template; returns its texts and the rows in doubt."""
    frame = _Frame(columns=columns, num_rows=num_rows, doubts=np.zeros(num_rows, np.bool_))
    return _body(tree.body, frame), frame.doubts


@dataclass(frozen=True, kw_only=True)
class _Loop:
    """What a loop adds to the frame of its body; most bodies need only the items."""

    target: str
    column: pa.ListArray
    items: pa.Array
    fields: dict[str, Column] = field(default_factory=dict)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """The row that each item belongs to."""
        lengths = kernels.lengths_of(self.column)
        return np.repeat(np.arange(len(lengths)), lengths)

    def taken(self, name: str, column: Column) -> Column:
        """Return a field's value for each item; computed once, however often the body names it."""
        if name not in self.fields:
            self.fields[name] = column.take(pa.array(self.owner))
        return self.fields[name]

    @cached_property
    def place(self) -> NDArray[np.int64]:
        return kernels.places_of(self.column)

    @property
    def is_last(self) -> Mask:
        return np.asarray(self.place == kernels.lengths_of(self.column)[self.owner] - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Frame:
    """The rows on which a part of the template is evaluated.

    In a loop these are items. `doubts` always belongs to the outermost rows; rows that a condition
    excludes (`active` false) add none.
    """

    columns: Mapping[str, Column]
    num_rows: int
    doubts: Mask
    active: pa.BooleanArray | bool = True
    loop: _Loop | None = None

    def get(self, name: str) -> Column:
        if self.loop is None:
            return self.columns[name]
        if name == self.loop.target:
            return self.loop.items
        column = self.columns[name]
        return column if isinstance(column, pa.Scalar) else self.loop.taken(name, column)

    def vouch(self, result: Doubtful) -> Column:
        """Record the doubtful rows of a result and return its column."""
        if result.doubt is not None:
            doubt = result.doubt
            if doubt.ndim == 0:
                doubt = np.full(self.num_rows, doubt)
            if isinstance(self.active, bool):
                doubt = doubt & self.active
            else:
                doubt = doubt & self.active.to_numpy(zero_copy_only=False)
            if self.loop is None:
                self.doubts[doubt] = True
            else:
                self.doubts[self.loop.owner[doubt]] = True
        return result.column

    def within(self, condition: pa.BooleanArray | bool) -> "_Frame":
        """Return the same rows, of which only those that fulfil the condition are active."""
        return replace(self, active=kernels.both(self.active, condition))


def _body(body: Sequence[nodes.Node], frame: _Frame) -> Column:
    pieces: list[Column] = []
    size_bytes = 0
    for piece in _pieces(body, frame):
        # Before all of them are there: a text may name a field a thousand times.
        size_bytes += piece.nbytes if isinstance(piece, pa.Array) else 0
        kernels.refuse_overflow(size_bytes)
        pieces.append(piece)
    literals = sum(len((p.as_py() or "").encode()) for p in pieces if isinstance(p, pa.Scalar))
    kernels.refuse_overflow(size_bytes + literals * frame.num_rows)
    return _concatenated(pieces)


def _pieces(body: Sequence[nodes.Node], frame: _Frame) -> Iterator[Column]:
    for node in body:
        match node:
            case nodes.Output():
                for child in node.nodes:
                    yield _printed(child, frame)
            case nodes.If():
                yield _if(node, node.elif_, frame)
            case nodes.For():
                yield _for(node, frame)


def _printed(node: nodes.Expr, frame: _Frame) -> Column:
    if isinstance(node, nodes.TemplateData):
        return pa.scalar(node.data, pa.string())
    return kernels.printed(_value(node, frame))


def _concatenated(pieces: list[Column]) -> Column:
    """Join pieces row by row; adjacent literals are joined first."""
    merged: list[Column] = []
    for piece in pieces:
        if merged and isinstance(piece, pa.Scalar) and isinstance(merged[-1], pa.Scalar):
            merged[-1] = pc.binary_join_element_wise(merged[-1], piece, "")
        else:
            merged.append(piece)
    if len(merged) <= 1:
        return merged[0] if merged else _EMPTY
    return pc.binary_join_element_wise(*merged, "")


def _if(node: nodes.If, elifs: Sequence[nodes.If], frame: _Frame) -> Column:
    test = _constant_truth(_truth(node.test, frame))
    if test is True:
        return _body(node.body, frame)
    inverse = kernels.invert(test)
    outside = frame.within(inverse)
    # The else belongs to the first `if`; an elif carries none of its own.
    if elifs:
        rest = _if(_with_else(elifs[0], node), elifs[1:], outside)
    else:
        rest = _body(node.else_, outside)
    if test is False:
        return rest
    return kernels.choose(test, _body(node.body, frame.within(test)), rest)


def _with_else(elif_: nodes.If, first: nodes.If) -> nodes.If:
    return nodes.If(elif_.test, elif_.body, [], first.else_, lineno=elif_.lineno)


def _constant_truth(test: pa.BooleanArray | bool) -> pa.BooleanArray | bool:
    """Simplify a condition that is the same for all rows, so that one branch is not evaluated."""
    if isinstance(test, bool) or len(test) == 0:
        return test
    if test.true_count in (0, len(test)):
        return bool(test.true_count)
    return test


def _for(node: nodes.For, frame: _Frame) -> Column:
    column = _value(node.iter, frame)
    assert isinstance(node.target, nodes.Name)
    loop = _Loop(target=node.target.name, column=column, items=column.flatten())
    active = frame.active
    if not isinstance(active, bool):
        active = active.take(pa.array(loop.owner))
    inner = replace(frame, num_rows=len(loop.items), active=active, loop=loop)
    texts = _body(node.body, inner)
    if isinstance(texts, pa.Scalar):
        texts = kernels.repeated(texts, len(loop.items))
    joined = kernels.concatenated(column, texts)
    if not node.else_:
        return joined
    empty = kernels.equal(kernels.length(column), pa.scalar(0))
    return kernels.choose(empty, _body(node.else_, frame.within(empty)), joined)


def _truth(node: nodes.Node, frame: _Frame) -> pa.BooleanArray | bool:
    match node:
        case nodes.Not():
            return kernels.invert(_truth(node.node, frame))
        case nodes.And():
            left = _truth(node.left, frame)
            return kernels.both(left, _truth(node.right, frame.within(left)))
        case nodes.Or():
            left = _truth(node.left, frame)
            right = _truth(node.right, frame.within(kernels.invert(left)))
            return kernels.either(left, right)
        case nodes.CondExpr():
            test = _truth(node.test, frame)
            then = _truth(node.expr1, frame.within(test))
            assert node.expr2 is not None
            otherwise = _truth(node.expr2, frame.within(kernels.invert(test)))
            return kernels.either(
                kernels.both(test, then), kernels.both(kernels.invert(test), otherwise)
            )
        case nodes.Test():
            return kernels.is_null(_value(node.node, frame))
        case nodes.Compare():
            return _comparison(node, frame)
        case _:
            return kernels.truth(_value(node, frame))


def _comparison(node: nodes.Compare, frame: _Frame) -> pa.BooleanArray | bool:
    operand = node.ops[0]
    sides = (node.expr, operand.expr)
    if operand.op in ("eq", "ne"):
        same = _sameness(sides, frame)
        return same if operand.op == "eq" else kernels.invert(same)
    left, right = (_value(side, frame) for side in sides)
    return kernels.truth(frame.vouch(kernels.ordered(operand.op, left, right)))


def _sameness(sides: tuple[nodes.Expr, nodes.Expr], frame: _Frame) -> pa.BooleanArray | bool:
    others = [side for side in sides if not _is_none(side)]
    match others:
        case []:
            return True
        case [one]:
            return kernels.is_null(_value(one, frame))
        case _:
            left, right = (_value(side, frame) for side in sides)
            return kernels.equal(left, right)


def _is_none(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and node.value is None


def _value(node: nodes.Node, frame: _Frame) -> Column:
    match node:
        case nodes.Const():
            return pa.scalar(node.value)
        case nodes.Name():
            return frame.get(node.name)
        case nodes.Getattr():
            return _attribute(node, frame)
        case nodes.Getitem():
            index = _value(node.arg, frame)
            return frame.vouch(kernels.item(_value(node.node, frame), index))
        case nodes.Filter():
            return _filtered(node, frame)
        case nodes.And() | nodes.Or():
            left = _value(node.left, frame)
            is_left = kernels.truth(left)
            if isinstance(node, nodes.And):
                is_left = kernels.invert(is_left)
            right = _value(node.right, frame.within(kernels.invert(is_left)))
            return kernels.choose(is_left, left, right)
        case nodes.CondExpr():
            test = _truth(node.test, frame)
            assert node.expr2 is not None
            then = _value(node.expr1, frame.within(test))
            otherwise = _value(node.expr2, frame.within(kernels.invert(test)))
            return kernels.choose(test, then, otherwise)
        case _:
            truth = _truth(node, frame)
            return pa.scalar(truth) if isinstance(truth, bool) else truth


def _attribute(node: nodes.Getattr, frame: _Frame) -> Column:
    loop = frame.loop
    if isinstance(node.node, nodes.Name) and node.node.name == "loop" and loop is not None:
        match node.attr:
            case "index":
                return pa.array(loop.place + 1)
            case "index0":
                return pa.array(loop.place)
            case "first":
                return pa.array(loop.place == 0)
            case _:
                return pa.array(loop.is_last)
    return pc.struct_field(_value(node.node, frame), node.attr)


def _filtered(node: nodes.Filter, frame: _Frame) -> Column:
    assert node.node is not None
    column = _value(node.node, frame)
    match node.name:
        case "lower" | "upper" | "capitalize":
            return frame.vouch(kernels.fold_case(node.name, column))
        case "capfirst":
            return kernels.capfirst(column)
        case "trim":
            return kernels.trim(column)
        case "replace":
            return frame.vouch(kernels.replace(column, _text(node, 0), _text(node, 1)))
        case "sentence":
            return kernels.sentence(column, _text(node, 0) if node.args else ".")
        case "join":
            return frame.vouch(kernels.join(column, _text(node, 0) if node.args else ""))
        case "length":
            return kernels.length(column)
        case "first" | "last":
            return kernels.end(column, last=node.name == "last")
        case "default":
            return kernels.choose(kernels.is_null(column), _value(node.args[0], frame), column)
        case "letter":
            return frame.vouch(kernels.letter_of(column))
        case "lettered":
            return kernels.lettered(column)
    raise AssertionError(f"the filter {node.name} has no column form")


def _text(node: nodes.Filter, index: int) -> str:
    argument = node.args[index]
    assert isinstance(argument, nodes.Const)
    return str(argument.value)
