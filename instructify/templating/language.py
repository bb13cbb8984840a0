"""The Jinja that a template may use: a small typed language without calls, arithmetic or side
effects.

A text that passes the check can't run code, can't loop over more than its record contains, and
can't print a list or compare a text with a number. A null passes through filters and items and
makes a loop empty; only printing it is a fault of the record, which the renderer reports.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Literal, NoReturn, TypeVar

from jinja2 import nodes

from instructify._util.errors import did_you_mean


class Kind(Enum):
    """The type of an expression; every kind but BOOL may also be null."""

    TEXT = "a text"
    INT = "a whole number"
    BOOL = "true or false"
    TEXTS = "a list of texts"
    TURNS = "a list of turns"
    TURN = "a turn"
    NULL = "none"
    MIXED = "a value of either side's kind"


FIELDS: dict[str, Kind] = {
    "question": Kind.TEXT,
    "answer": Kind.TEXT,
    "references": Kind.TEXTS,
    "choices": Kind.TEXTS,
    "choice_index": Kind.INT,
    "context": Kind.TEXT,
    "caption": Kind.TEXT,
    "history": Kind.TURNS,
    "ocr_tokens": Kind.TEXTS,
    "text": Kind.TEXT,
}
CONSTANTS = ("dataset", "split", "task", "form", "task_name", "dataset_name")

_NAMES: dict[str, Kind] = FIELDS | dict.fromkeys(CONSTANTS, Kind.TEXT)
_LOOP_ATTRIBUTES = {
    "index": Kind.INT,
    "index0": Kind.INT,
    "first": Kind.BOOL,
    "last": Kind.BOOL,
}
_TURN_ATTRIBUTES = ("question", "answer")
_ITEMS = {Kind.TEXTS: Kind.TEXT, Kind.TURNS: Kind.TURN}
_TEXT_FILTERS = ("lower", "upper", "trim", "capitalize", "capfirst")
_FILTERS = (
    *_TEXT_FILTERS,
    "replace",
    "sentence",
    "join",
    "length",
    "first",
    "last",
    "default",
    "lettered",
    "letter",
)
_MAX_DEPTH = 40
_COSTLY_STATEMENTS = ("Macro", "CallBlock", "Include", "Import", "FromImport")
_COSTLY_FILTERS = ("format", "center", "indent", "wordwrap", "batch", "slice")
_MAX_INT = 2**31
_HOW_TO_NAME = "columns of your own data are named under 'fields' at the top of the file"


_Node = TypeVar("_Node", bound=nodes.Node)
Trouble = Literal["syntax", "undefined-field", "costly-construct", "construct"]


class CheckError(Exception):
    """A construct that templates may not use, and its line in the template."""

    def __init__(self, message: str, line: int, kind: Trouble = "construct") -> None:
        super().__init__(message)
        self.line = line
        self.kind = kind


def check(tree: nodes.Template, own_fields: Collection[str] = ()) -> frozenset[str]:
    """Refuse what is outside the language; return the fields and constants that are read.

    `own_fields` are fields of own data, which hold texts.
    """
    checker = _Checker(None, own_fields)
    checker.statements(tree.body, checker.known, 0)
    return frozenset(checker.used)


def check_all(tree: nodes.Template, own_fields: Collection[str] = ()) -> list[CheckError]:
    """List everything in a text that is outside the language, at most one per expression."""
    errors: list[CheckError] = []
    checker = _Checker(errors, own_fields)
    checker.statements(tree.body, checker.known, 0)
    return errors


def refuse(node: nodes.Node, message: str, kind: Trouble = "construct") -> NoReturn:
    """Raise CheckError for a construct."""
    raise CheckError(message, _line(node), kind)


def _line(node: nodes.Node) -> int:
    """Return the line of a construct; some Jinja nodes have none, but their children have."""
    if node.lineno:
        return node.lineno
    return next((child.lineno for child in node.find_all(nodes.Node) if child.lineno), 1)


class _Checker:
    """Checks a text; stops at the first mistake, or continues and collects all in `errors`."""

    def __init__(self, errors: list[CheckError] | None, own_fields: Collection[str]) -> None:
        self.used: set[str] = set()
        self.known: Mapping[str, Kind] = _NAMES | dict.fromkeys(own_fields, Kind.TEXT)
        self._found = errors

    def statements(self, body: Sequence[nodes.Node], names: Mapping[str, Kind], depth: int) -> None:
        for node in body:
            self._attempt(self._statement, node, names, depth)

    def _attempt(
        self,
        look: Callable[[_Node, Mapping[str, Kind], int], object],
        node: _Node,
        names: Mapping[str, Kind],
        depth: int,
    ) -> None:
        try:
            look(node, names, depth)
        except CheckError as error:
            if self._found is None:
                raise
            self._found.append(error)

    def _statement(self, node: nodes.Node, names: Mapping[str, Kind], depth: int) -> None:
        if depth > _MAX_DEPTH:
            refuse(node, f"nested deeper than {_MAX_DEPTH} levels", "costly-construct")
        match node:
            case nodes.Output():
                for child in node.nodes:
                    self._attempt(self._printed, child, names, depth + 1)
            case nodes.If():
                self._attempt(self._expression, node.test, names, depth + 1)
                self.statements(node.body, names, depth + 1)
                self.statements(node.elif_, names, depth + 1)
                self.statements(node.else_, names, depth + 1)
            case nodes.For():
                self._loop(node, names, depth)
            case _:
                name = type(node).__name__
                kind: Trouble = "costly-construct" if name in _COSTLY_STATEMENTS else "construct"
                refuse(node, f"the statement '{name}' is not allowed; allowed: if, for", kind)

    def _printed(self, node: nodes.Expr, names: Mapping[str, Kind], depth: int) -> None:
        if isinstance(node, nodes.TemplateData):
            return
        kind = self._expression(node, names, depth)
        if kind not in (Kind.TEXT, Kind.INT):
            refuse(node, f"only a text or a number can be printed, not {kind.value}; see 'join'")

    def _loop(self, node: nodes.For, names: Mapping[str, Kind], depth: int) -> None:
        # One level of loops keeps the work linear in the record.
        if "loop" in names:
            refuse(node, "a loop inside a loop is not allowed", "costly-construct")
        if node.recursive or not isinstance(node.target, nodes.Name):
            refuse(node, "a loop has the form {% for item in field %}")
        target = node.target.name
        if target in self.known or target == "loop":
            refuse(node, f"the loop variable '{target}' hides a field; choose another name")
        kind = self._expression(node.iter, names, depth + 1)
        if kind not in _ITEMS:
            refuse(node, f"a loop needs a list, not {kind.value}")
        inside = {**names, target: _ITEMS[kind]}
        if node.test is not None:
            self._expression(node.test, inside, depth + 1)
        self.statements(node.body, {**inside, "loop": Kind.MIXED}, depth + 1)
        self.statements(node.else_, names, depth + 1)

    def _expression(self, node: nodes.Node, names: Mapping[str, Kind], depth: int) -> Kind:
        if depth > _MAX_DEPTH:
            refuse(node, f"nested deeper than {_MAX_DEPTH} levels", "costly-construct")
        depth += 1
        match node:
            case nodes.Const():
                return _const(node)
            case nodes.Name():
                return self._name(node, names)
            case nodes.Getattr():
                return self._attribute(node, names, depth)
            case nodes.Getitem():
                return self._item(node, names, depth)
            case nodes.Filter():
                return self._filter(node, names, depth)
            case nodes.Test():
                self._expression(node.node, names, depth)
                if node.name != "none" or node.args:
                    refuse(node, f"the test 'is {node.name}' is not allowed; allowed: is none")
                return Kind.BOOL
            case nodes.Not():
                self._expression(node.node, names, depth)
                return Kind.BOOL
            case nodes.And() | nodes.Or():
                sides = {self._expression(side, names, depth) for side in (node.left, node.right)}
                return sides.pop() if len(sides) == 1 else Kind.MIXED
            case nodes.Compare():
                return self._compare(node, names, depth)
            case nodes.CondExpr():
                return self._conditional(node, names, depth)
            case _:
                what = getattr(node, "operator", None) or type(node).__name__
                costly = isinstance(node, nodes.BinExpr | nodes.Call | nodes.Concat)
                kind: Trouble = "costly-construct" if costly else "construct"
                refuse(node, f"'{what}' is not allowed in a template", kind)

    def _name(self, node: nodes.Name, names: Mapping[str, Kind]) -> Kind:
        if node.name not in names or node.name == "loop":
            hint = did_you_mean(node.name, names)
            what = f"unknown field '{node.name}' ({_HOW_TO_NAME}); {hint}"
            refuse(node, what, "undefined-field")
        if node.name in self.known:
            self.used.add(node.name)
        return names[node.name]

    def _attribute(self, node: nodes.Getattr, names: Mapping[str, Kind], depth: int) -> Kind:
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and "loop" in names:
            if node.attr not in _LOOP_ATTRIBUTES:
                refuse(node, f"no loop.{node.attr}; {did_you_mean(node.attr, _LOOP_ATTRIBUTES)}")
            return _LOOP_ATTRIBUTES[node.attr]
        kind = self._expression(node.node, names, depth)
        if kind is not Kind.TURN or node.attr not in _TURN_ATTRIBUTES:
            refuse(node, f"'.{node.attr}' is not allowed; a turn has .question and .answer")
        return Kind.TEXT

    def _item(self, node: nodes.Getitem, names: Mapping[str, Kind], depth: int) -> Kind:
        kind = self._expression(node.node, names, depth)
        if kind not in _ITEMS or self._expression(node.arg, names, depth) is not Kind.INT:
            refuse(node, "square brackets take a whole number out of a list: choices[choice_index]")
        return _ITEMS[kind]

    def _filter(self, node: nodes.Filter, names: Mapping[str, Kind], depth: int) -> Kind:
        if node.name not in _FILTERS:
            kind: Trouble = "costly-construct" if node.name in _COSTLY_FILTERS else "construct"
            refuse(node, f"unknown filter '{node.name}'; {did_you_mean(node.name, _FILTERS)}", kind)
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            refuse(node, f"the filter '{node.name}' takes a value and plain arguments only")
        value = self._expression(node.node, names, depth)
        if node.name == "default":
            return self._default(node, value, names, depth)
        _filter_arguments(node)
        return _filtered(node, value)

    def _default(
        self, node: nodes.Filter, kind: Kind, names: Mapping[str, Kind], depth: int
    ) -> Kind:
        if len(node.args) != 1 or self._expression(node.args[0], names, depth) is not kind:
            refuse(node, f"default takes one argument, which is {kind.value} like its value")
        return kind

    def _compare(self, node: nodes.Compare, names: Mapping[str, Kind], depth: int) -> Kind:
        left = self._expression(node.expr, names, depth)
        for operand in node.ops:
            right = self._expression(operand.expr, names, depth)
            if not _comparable(operand.op, left, right):
                refuse(node, f"cannot compare {left.value} with {right.value} by '{operand.op}'")
            left = right
        return Kind.BOOL

    def _conditional(self, node: nodes.CondExpr, names: Mapping[str, Kind], depth: int) -> Kind:
        self._expression(node.test, names, depth)
        if node.expr2 is None:
            refuse(node, "a conditional expression needs its 'else'")
        then = self._expression(node.expr1, names, depth)
        otherwise = self._expression(node.expr2, names, depth)
        return then if then is otherwise else Kind.MIXED


def _const(node: nodes.Const) -> Kind:
    match node.value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOL
        case int() if abs(node.value) < _MAX_INT:
            return Kind.INT
        case str():
            _check_text(node, node.value)
            return Kind.TEXT
    refuse(node, "only texts and whole numbers below 2**31 can be written in a template")


def _check_text(node: nodes.Node, text: str) -> None:
    """Refuse half of a surrogate pair, which an escape in quotes can write and UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(node, "a text in quotes has half of a surrogate pair; write the letter itself")


def _filter_arguments(node: nodes.Filter) -> None:
    wanted = {"replace": (2,), "join": (0, 1), "sentence": (0, 1)}.get(node.name, (0,))
    for argument in node.args:
        if not isinstance(argument, nodes.Const) or not isinstance(argument.value, str):
            refuse(node, f"the filter '{node.name}' takes texts written out in quotes")
        _check_text(node, argument.value)
    if len(node.args) not in wanted:
        refuse(node, f"the filter '{node.name}' takes {wanted[-1]} arguments")
    if node.name == "replace" and not _first_text(node):
        refuse(node, "replace needs a text to look for")


def _first_text(node: nodes.Filter) -> str:
    argument = node.args[0]
    return str(argument.value) if isinstance(argument, nodes.Const) else ""


def _filtered(node: nodes.Filter, kind: Kind) -> Kind:
    match node.name, kind:
        case name, Kind.TEXT if name in (*_TEXT_FILTERS, "replace", "sentence"):
            return Kind.TEXT
        case "join" | "lettered", Kind.TEXTS:
            return Kind.TEXT
        case "letter", Kind.INT:
            return Kind.TEXT
        case "length", Kind.TEXT | Kind.TEXTS | Kind.TURNS:
            return Kind.INT
        case "first" | "last", Kind.TEXTS | Kind.TURNS:
            return _ITEMS[kind]
    refuse(node, f"the filter '{node.name}' cannot be used on {kind.value}")


def _comparable(operator: str, left: Kind, right: Kind) -> bool:
    simple = (Kind.TEXT, Kind.INT, Kind.BOOL)
    match operator:
        case "eq" | "ne":
            return (left is right and left in simple) or Kind.NULL in (left, right)
        case "in" | "notin":
            return left is Kind.TEXT and right in (Kind.TEXT, Kind.TEXTS)
        case _:
            return left is Kind.INT and right is Kind.INT
