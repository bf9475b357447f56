//! What the operators of an expression could make of long values is bounded before it is compiled.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr};
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

/// Refuses what multiplies texts and lists, and too many that are put together. What cannot be read is told by who compiles it.
pub(crate) fn check(source: &str) -> Result<(), String> {
    let Ok(whole) = parse_expr(source) else {
        return Ok(());
    };
    let (mut joined, mut left) = (0, vec![&whole]);
    while let Some(expr) = left.pop() {
        if let Expr::BinOp(binary) = expr {
            match binary.op {
                BinOpKind::Concat | BinOpKind::Add => joined += 1,
                BinOpKind::Mul | BinOpKind::Pow
                    if !(is_number(&binary.left) && is_number(&binary.right)) =>
                {
                    return Err(format!(
                        "`{source}` may multiply a text: write `(… | integer)` for what is to be a number"
                    ));
                }
                _ => {}
            }
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
            "body.x[: body.x * 9]",
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
    fn so_many_are_put_together_and_no_more() {
        for sign in ["~", "+"] {
            let of = |count| vec!["body.x"; count].join(sign);
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
