"""Advice on writing in a formula what other languages write in another way."""

import ast
import itertools

_OPERATORS: dict[type, str] = {
    ast.BitXor: "{0} ** {1} for 'to the power of'",
    ast.BitAnd: "{0} * {1} for 'and'",
}
_AXES = ("x", "y", "z")


def in_our_words(tree: ast.AST) -> str | None:
    """Advice on rewriting an expression that is not part of the language; None if there is none."""
    match tree:
        case ast.BoolOp(op=ast.And(), values=values):
            return f"write {' * '.join(map(_bracketed, values))} for 'and'"
        case ast.BoolOp(values=values):
            either = _text(values[0])
            for value in values[1:]:
                either = f"max({either}, {_text(value)})"
            return f"write {either} for 'or'"
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return f"write 1 - {_bracketed(operand)} for 'not'"
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return f"write {_text(operand)} without the +"
        case ast.Compare(left=left, ops=ops, comparators=[_, _, *_] as others):
            pairs = [
                _bracketed(ast.Compare(one, [op], [other]))
                for (one, other), op in zip(itertools.pairwise([left, *others]), ops, strict=True)
            ]
            return f"compare two at a time, as in {' * '.join(pairs)}"
        case ast.IfExp(test=test, body=body, orelse=other):
            condition = _bracketed(test)
            return (
                f"write {condition} * {_bracketed(body)} + (1 - {condition}) * {_bracketed(other)} "
                "for 'if'"
            )
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"write max({_text(left)}, {_text(right)}) for 'or'"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            form = _OPERATORS[type(op)]
            return "write " + form.format(_bracketed(left), _bracketed(right))
        case ast.Subscript(value=value, slice=ast.Constant(value=int(i))):
            return f"write component({_text(value)}, {i}) for one number of a vector"
        case ast.Attribute(value=value, attr=attribute) if attribute in _AXES:
            return f"write {attribute}({_text(value)}) for one number of a vector"
    return None


def _text(tree: ast.AST) -> str:
    return ast.unparse(tree)


def _bracketed(tree: ast.AST) -> str:
    """An operand, in brackets where it is more than a name, a number or a call."""
    simple = isinstance(tree, ast.Name | ast.Constant | ast.Call)
    return _text(tree) if simple else f"({_text(tree)})"
