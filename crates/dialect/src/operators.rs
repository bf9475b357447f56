//! What the operators of an expression could make of long values is bounded before it is compiled: nothing measures what they
//! are given, as it does for filters.

use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr};
use minijinja::machinery::parse_expr;
use minijinja::value::ValueKind;

/// `~` and `+` in one expression. None of their operands is longer than a value may be.
const MOST_JOINED: usize = 16;

/// Fields that are numbers, of names that are not a request's.
const NUMBERS: [(&str, &str); 7] = [
    ("user", "number"),
    ("user", "created_at"),
    ("session", "created_at"),
    ("session", "expires_at"),
    ("tenant", "number"),
    ("error", "status"),
    ("error", "retry_after"),
];

/// What of a request, or of an operation's result, is a text, a number or absent, whatever it is called.
const PLAIN: [&str; 8] = [
    "query", "path", "header", "user", "session", "team", "tenant", "token",
];

/// Filters that make texts and numbers only.
const PLAIN_FILTERS: [&str; 8] = [
    "integer", "join", "length", "lower", "replace", "text", "trim", "upper",
];

/// Refuses what multiplies texts and lists, what would write out whole lists, and too many that are put together. What cannot
/// be read is told by who compiles it.
pub(crate) fn check(source: &str) -> Result<(), String> {
    let Ok(whole) = parse_expr(source) else {
        return Ok(());
    };
    let (mut joined, mut left) = (0, vec![&whole]);
    while let Some(expr) = left.pop() {
        if let Some(fault) = fault(expr) {
            return Err(format!("`{source}` {fault}"));
        }
        if let Expr::BinOp(binary) = expr {
            joined += usize::from(matches!(binary.op, BinOpKind::Concat | BinOpKind::Add));
        }
        left.extend(parts(expr));
    }
    match joined <= MOST_JOINED {
        true => Ok(()),
        false => Err(format!(
            "an expression has {MOST_JOINED} `~` and `+` at most; make two of it"
        )),
    }
}

/// What is wrong with this operator and its operands.
fn fault(expr: &Expr<'_>) -> Option<&'static str> {
    const MULTIPLIES: &str =
        "may multiply a text: write `(… | integer)` for what is to be a number";
    const WRITES: &str = "may write out a list: `~`, `+` and what is looked for by `in` take texts and numbers; write `(… | text)` for what a body brings";
    let writes = |fits: bool| (!fits).then_some(WRITES);
    match expr {
        Expr::Slice(_) => Some("takes a piece with `[:]`, which is not for dialects"),
        Expr::BinOp(binary) => match binary.op {
            BinOpKind::Mul | BinOpKind::Pow => {
                let fits = is_number(&binary.left) && is_number(&binary.right);
                (!fits).then_some(MULTIPLIES)
            }
            BinOpKind::Concat | BinOpKind::Add => {
                writes(is_plain(&binary.left) && is_plain(&binary.right))
            }
            BinOpKind::In => writes(is_plain(&binary.left)),
            _ => None,
        },
        Expr::Compare(compare) => {
            let operands = [&compare.expr].into_iter();
            let operands = operands.chain(compare.ops.iter().map(|op| &op.expr));
            let looked_for =
                compare.ops.iter().zip(operands).filter(|(next, _)| {
                    matches!(next.op, CompareOpKind::In | CompareOpKind::NotIn)
                });
            writes(looked_for.map(|(_, operand)| operand).all(is_plain))
        }
        _ => None,
    }
}

/// Whether it is a text, a number, a truth value or absent, for sure.
fn is_plain(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(of) => !matches!(of.value.kind(), ValueKind::Seq | ValueKind::Map),
        Expr::Var(name) => matches!(name.id, "bearer" | "now" | "reset_token" | "exists"),
        Expr::GetAttr(attr) => match &attr.expr {
            Expr::Var(root) if root.id == "error" => {
                matches!(
                    attr.name,
                    "kind" | "status" | "reason" | "message" | "retry_after"
                )
            }
            Expr::Var(root) => PLAIN.contains(&root.id),
            _ => false,
        },
        Expr::GetItem(item) => match &item.expr {
            Expr::Var(root) => PLAIN.contains(&root.id),
            _ => false,
        },
        Expr::Filter(filter) => PLAIN_FILTERS.contains(&filter.name),
        Expr::Test(_) | Expr::Compare(_) | Expr::UnaryOp(_) => true,
        // Of `and` and `or` one side; of `~` and `+` such as are plain themselves; anything else is a number or a truth value.
        Expr::BinOp(binary) => match binary.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => is_plain(&binary.left) && is_plain(&binary.right),
            _ => true,
        },
        Expr::IfExpr(either) => {
            is_plain(&either.true_expr) && either.false_expr.as_ref().is_none_or(is_plain)
        }
        _ => false,
    }
}

fn is_number(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(of) => of.value.kind() == ValueKind::Number,
        Expr::Var(name) => name.id == "now",
        Expr::GetAttr(attr) => match &attr.expr {
            Expr::Var(root) => NUMBERS.contains(&(root.id, attr.name)),
            _ => false,
        },
        Expr::Filter(filter) => matches!(filter.name, "integer" | "length"),
        Expr::UnaryOp(unary) => is_number(&unary.expr),
        Expr::BinOp(binary) => is_number(&binary.left) && is_number(&binary.right),
        _ => false,
    }
}

fn parts<'e, 's>(expr: &'e Expr<'s>) -> Vec<&'e Expr<'s>> {
    match expr {
        Expr::Var(_) | Expr::Const(_) => Vec::new(),
        Expr::Slice(slice) => [Some(&slice.expr)]
            .into_iter()
            .chain([&slice.start, &slice.stop, &slice.step].map(Option::as_ref))
            .flatten()
            .collect(),
        Expr::UnaryOp(unary) => vec![&unary.expr],
        Expr::BinOp(binary) => vec![&binary.left, &binary.right],
        Expr::Compare(compare) => [&compare.expr]
            .into_iter()
            .chain(compare.ops.iter().map(|op| &op.expr))
            .collect(),
        Expr::IfExpr(either) => [&either.test_expr, &either.true_expr]
            .into_iter()
            .chain(&either.false_expr)
            .collect(),
        Expr::Filter(filter) => filter.expr.iter().chain(values(&filter.args)).collect(),
        Expr::Test(test) => [&test.expr].into_iter().chain(values(&test.args)).collect(),
        Expr::GetAttr(attr) => vec![&attr.expr],
        Expr::GetItem(item) => vec![&item.expr, &item.subscript_expr],
        Expr::Call(call) => [&call.expr].into_iter().chain(values(&call.args)).collect(),
        Expr::List(list) => list.items.iter().collect(),
        Expr::Tuple(tuple) => tuple.items.iter().collect(),
        Expr::Map(map) => map.keys.iter().chain(&map.values).collect(),
    }
}

fn values<'e, 's>(args: &'e [CallArg<'s>]) -> impl Iterator<Item = &'e Expr<'s>> {
    args.iter().map(|arg| match arg {
        CallArg::Pos(value)
        | CallArg::Kwarg(_, value)
        | CallArg::PosSplat(value)
        | CallArg::KwargSplat(value) => value,
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_could_multiply_a_text_is_refused() {
        for source in [
            "body.x * 1000",
            "1000 * body.x",
            "body.x * (body.n | integer)",
            "'x' * 400000000",
            "[body.x] * 10000",
            "(body.x, 1) * 10000",
            "body.x ** 2",
            "(1 if body.x else body.x) * 9",
            "body.x | default(body.x * 9)",
            "{'a': body.x * 9}",
            "[1, [body.x * 9]]",
            "body.x if body.x * 9 else 1",
            "1 < body.x * 9",
            "not (body.x * 9)",
            "body[body.x * 9]",
            "now.x * 9",
            "user.name * 9",
            "-body.x * 9",
        ] {
            let told = check(source).expect_err(source);
            assert!(told.contains("may multiply"), "{source}: {told}");
        }
        for source in [
            "now * 1000",
            "session.expires_at * 1000 - 1",
            "(body.n | integer) * 60",
            "2 ** 10",
            "(body.list | length) * (1 + 2)",
            "-(body.n | integer) * 60",
            "user.number * 7",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn what_would_write_out_a_list_is_refused() {
        for source in [
            "body.x ~ 'x'",
            "'x' ~ body.x",
            "body.x + 1",
            "body['x'] ~ 'x'",
            "[query.x] ~ ''",
            "'a' ~ {'a': 1}",
            "(1, 2) ~ 'x'",
            "(body.x or '') ~ 'x'",
            "('' if query.x else body.x) ~ 'x'",
            "(body.x | default('')) ~ 'x'",
            "(body.x | json) ~ 'x'",
            "query.x ~ ('a' ~ body.x)",
            "[1, 'a' ~ body.x]",
            "error.messages ~ 'x'",
            "error.own ~ 'x'",
            "body ~ 'x'",
            "body.x in 'abc'",
            "[1] in query.x",
            "1 < 2 in body.x in query.x",
            "body.x not in query.x",
        ] {
            let told = check(source).expect_err(source);
            assert!(told.contains("may write out a list"), "{source}: {told}");
        }
        for source in ["body.x[1:]", "query.x[:]", "(query.x | text)[::2]"] {
            assert!(check(source).unwrap_err().contains("`[:]`"), "{source}");
        }
        for source in [
            "(body.a | text) ~ ' ' ~ (body.b | text)",
            "body.a | text ~ '@x.test'",
            "query.x ~ header['x-y'] ~ path.z ~ bearer",
            "user.first_name ~ ' ' ~ user.last_name",
            "error.message ~ error.status",
            "(query.x or 'x') + 'y'",
            "('a' if body.x else query.y) ~ 'x'",
            "now + 60",
            "session.expires_at - now",
            "(body.n | integer) + 1",
            "query.x in body.list",
            "'a' in ['a', 'b']",
            "body.x | text in ['a', 'b']",
            "body.x == body.y",
            "1 < (body.n | integer) < 9",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn so_many_are_put_together_and_no_more() {
        for sign in ["~", "+"] {
            let of = |count| vec!["query.x"; count].join(sign);
            assert_eq!(check(&of(17)), Ok(()));
            for source in [
                of(18),
                format!("[{}, ({})]", of(10), of(9)),
                format!("a if {} else b", of(18)),
            ] {
                assert!(check(&source).unwrap_err().contains("at most"), "{source}");
            }
        }
    }
}
