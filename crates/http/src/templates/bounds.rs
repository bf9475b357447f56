//! Templates of others are bounded before they are compiled, so that none can exhaust the memory or the stack of the process
//! that serves other tenants too.
//!
//! The engine counts steps, not bytes. So no value may grow beyond [`super::values::LONGEST`]: filters measure what they are
//! given and make, and what else makes values is wrapped in a call that measures them; not what a macro writes where it is shown at
//! once. All that is shown is counted, and so is all that is measured; text between tags is cut into pieces that cost a step each.

mod count;

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, Expr, Macro, Spanned, Stmt};
use minijinja::machinery::{Span, parse};
use minijinja::syntax::SyntaxConfig;

use super::values::{FILTERS, MEASURED, TESTS};

const NO_SET: &str = "`set` takes a value, as in `{% set name = value %}`, not a piece of the page";
/// Bytes that text between tags is cut into; no more than two such pieces are written in one step.
const PIECE: usize = 64;
/// Splits text and writes nothing.
const SPLIT: &str = "{##}";

/// Why a template cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unbounded {
    pub(super) line: usize,
    pub(super) message: String,
    /// What is not known, and what could have been meant.
    pub(super) word: String,
    pub(super) known: Vec<&'static str>,
}

type Bounded<T = ()> = Result<T, Unbounded>;

fn refused<T>(line: usize, message: impl Into<String>) -> Bounded<T> {
    let (word, known) = (String::new(), Vec::new());
    let message = message.into();
    Err(Unbounded {
        line,
        message,
        word,
        known,
    })
}

/// The template with its bounds put in; it says the same.
pub(super) fn bounded(source: &str) -> Bounded<String> {
    count::count(source)?;
    if source.contains(MEASURED) {
        return refused(1, format!("`{MEASURED}` is not for templates"));
    }
    let mut edits = walk(source, false)?;
    edits.sort_by_key(|(at, _)| *at);
    let mut whole = String::with_capacity(source.len() + edits.len() * MEASURED.len());
    let mut rest = 0;
    for (at, text) in edits {
        whole.push_str(source.get(rest..at).unwrap_or_default());
        whole.push_str(&text);
        rest = at;
    }
    whole.push_str(source.get(rest..).unwrap_or_default());
    // Nothing depends on the places that the parser tells: what has no bound now is refused.
    walk(&whole, true)?;
    Ok(whole)
}

/// What to put in where; when `done`, what should have been put in and is not is refused.
fn walk(source: &str, done: bool) -> Bounded<Vec<(usize, String)>> {
    let tree = parse(source, "template", SyntaxConfig::default()).or_else(|error| {
        let why = error.detail().unwrap_or("does not compile");
        refused(error.line().unwrap_or(1), why)
    })?;
    let edits = Vec::new();
    let mut walk = Walk {
        source,
        done,
        edits,
    };
    walk.statement(&tree)?;
    Ok(walk.edits)
}

struct Walk<'s> {
    source: &'s str,
    done: bool,
    edits: Vec<(usize, String)>,
}

impl Walk<'_> {
    fn statements(&mut self, statements: &[Stmt<'_>]) -> Bounded {
        statements.iter().try_for_each(|one| self.statement(one))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Bounded {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(text) => self.text(text.raw, text.span()),
            Stmt::EmitExpr(emit) => self.shown(&emit.expr),
            Stmt::ForLoop(each) => {
                self.value(&each.iter)?;
                self.values(each.filter_expr.as_ref())?;
                self.statements(&each.body)?;
                self.statements(&each.else_body)
            }
            Stmt::IfCond(cond) => {
                self.value(&cond.expr)?;
                self.statements(&cond.true_body)?;
                self.statements(&cond.false_body)
            }
            Stmt::WithBlock(with) => {
                self.values(with.assignments.iter().map(|(_, value)| value))?;
                self.statements(&with.body)
            }
            Stmt::Set(set) => self.value(&set.expr),
            Stmt::SetBlock(set) => refused(line(set.span()), NO_SET),
            Stmt::AutoEscape(escape) => {
                self.value(&escape.enabled)?;
                self.statements(&escape.body)
            }
            Stmt::FilterBlock(filter) => {
                self.value(&filter.filter)?;
                self.statements(&filter.body)
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Import(import) => named(&import.expr),
            Stmt::FromImport(import) => named(&import.expr),
            Stmt::Extends(extends) => named(&extends.name),
            Stmt::Include(include) => named(&include.name),
            Stmt::Macro(of) => self.of_macro(of),
            Stmt::CallBlock(call) => {
                self.call(&call.call)?;
                self.of_macro(&call.macro_decl)
            }
            // What it gives stays in memory until the page is done.
            Stmt::Do(call) => refused(line(call.span()), "`do` is not for pages"),
        }
    }

    fn of_macro(&mut self, of: &Spanned<Macro<'_>>) -> Bounded {
        self.values(&of.defaults)?;
        self.statements(&of.body)
    }

    /// Text between tags, in pieces. Behind a brace it is not cut: that would begin a tag. In `raw` it cannot be: a cut would be shown.
    fn text(&mut self, text: &str, span: Span) -> Bounded {
        if text.len() <= 2 * PIECE {
            return Ok(());
        }
        if self.done {
            let message = format!("`raw` takes {} bytes at most", 2 * PIECE);
            return refused(line(span), message);
        }
        let Some(begin) = (text.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)
        else {
            return Ok(());
        };
        let mut last = 0;
        for (at, _) in text.char_indices() {
            if at - last >= PIECE && !text[..at].ends_with('{') {
                self.edits.push((begin + at, SPLIT.into()));
                last = at;
            }
        }
        Ok(())
    }

    /// An expression that is written out at once: what it calls may write more than a value may hold.
    fn shown(&mut self, expr: &Expr<'_>) -> Bounded {
        match expr {
            Expr::IfExpr(either) => {
                self.value(&either.test_expr)?;
                self.shown(&either.true_expr)?;
                either
                    .false_expr
                    .as_ref()
                    .map_or(Ok(()), |other| self.shown(other))
            }
            Expr::Call(call) if called(call) != Some(MEASURED) => self.call(call),
            _ => self.value(expr),
        }
    }

    fn call(&mut self, call: &Spanned<Call<'_>>) -> Bounded {
        self.value(&call.expr)?;
        self.args(&call.args)
    }

    fn args(&mut self, args: &[CallArg<'_>]) -> Bounded {
        args.iter().try_for_each(|arg| match arg {
            CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value) => self.value(value),
        })
    }

    fn values<'e, 'a: 'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr<'a>>) -> Bounded {
        exprs.into_iter().try_for_each(|expr| self.value(expr))
    }

    fn value(&mut self, expr: &Expr<'_>) -> Bounded {
        match expr {
            Expr::Var(_) | Expr::Const(_) => Ok(()),
            Expr::Slice(slice) => refused(line(slice.span()), "pages take no pieces with `[:]`"),
            Expr::UnaryOp(unary) => self.value(&unary.expr),
            Expr::BinOp(binary) => match binary.op {
                BinOpKind::Mul | BinOpKind::Pow => {
                    refused(line(binary.span()), "pages do not multiply")
                }
                BinOpKind::Concat | BinOpKind::Add => self.measured(expr),
                BinOpKind::In => self.gone_through([&binary.left, &binary.right]),
                BinOpKind::Eq
                | BinOpKind::Ne
                | BinOpKind::Lt
                | BinOpKind::Lte
                | BinOpKind::Gt
                | BinOpKind::Gte => self.compared([&binary.left, &binary.right]),
                _ => self.values([&binary.left, &binary.right]),
            },
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => self.measured(expr),
            Expr::Compare(compare) => {
                self.gone_through([&compare.expr])?;
                self.gone_through(compare.ops.iter().map(|op| &op.expr))
            }
            Expr::IfExpr(either) => {
                self.values([&either.test_expr, &either.true_expr])?;
                self.values(either.false_expr.as_ref())
            }
            Expr::Filter(filter) => {
                is_known("filter", filter.name, &FILTERS, filter.span())?;
                self.values(filter.expr.as_ref())?;
                self.args(&filter.args)
            }
            Expr::Test(test) => {
                is_known("test", test.name, &TESTS, test.span())?;
                self.value(&test.expr)?;
                self.args(&test.args)
            }
            Expr::GetAttr(attr) => self.value(&attr.expr),
            Expr::GetItem(item) => self.values([&item.expr, &item.subscript_expr]),
            Expr::Call(call) => match (called(call), &call.args[..]) {
                (Some(MEASURED), [CallArg::Pos(made)]) => self.parts(made),
                _ => self.measured(expr),
            },
        }
    }

    /// What `in` looks for in a text is written out, whatever it is, and a list is gone through, as by a comparison.
    fn gone_through<'e, 'a: 'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr<'a>>,
    ) -> Bounded {
        exprs.into_iter().try_for_each(|expr| match expr {
            Expr::Const(_) => Ok(()),
            Expr::Call(call) if called(call) == Some(MEASURED) => self.value(expr),
            _ => self.measured(expr),
        })
    }

    /// With a text or a number of the template's own the comparison is no longer than that.
    fn compared(&mut self, both: [&Expr<'_>; 2]) -> Bounded {
        match both.iter().any(|expr| matches!(expr, Expr::Const(_))) {
            true => self.values(both),
            false => self.gone_through(both),
        }
    }

    /// What may make a value that is longer than its parts, or is gone through as often as a template likes.
    fn measured(&mut self, expr: &Expr<'_>) -> Bounded {
        let span = expr.span();
        if self.done {
            return refused(
                line(span),
                "this cannot be measured here; first give it a name, by `{% set name = (…) %}`",
            );
        }
        self.edits.push((begin(expr), format!("{MEASURED}(")));
        self.edits.push((span.end_offset as usize, ")".into()));
        self.parts(expr)
    }

    fn parts(&mut self, expr: &Expr<'_>) -> Bounded {
        match expr {
            Expr::BinOp(binary) => self.values([&binary.left, &binary.right]),
            Expr::List(list) => self.values(&list.items),
            Expr::Tuple(tuple) => self.values(&tuple.items),
            Expr::Map(map) => {
                self.values(&map.keys)?;
                self.values(&map.values)
            }
            Expr::Call(call) => self.call(call),
            other => self.value(other),
        }
    }
}

/// Another template is named by a text: a list of names would be looked through again and again.
fn named(name: &Expr<'_>) -> Bounded {
    match name {
        Expr::Const(of) if of.value.as_str().is_some() => Ok(()),
        other => refused(
            line(other.span()),
            "another template is named by a text, as in `{% include 'parts.html' %}`",
        ),
    }
}

/// Where the expression begins. The parser tells of `a.b(c)` where `.b` does.
fn begin(expr: &Expr<'_>) -> usize {
    match expr {
        Expr::Call(call) => begin(&call.expr),
        Expr::GetAttr(attr) => begin(&attr.expr),
        Expr::GetItem(item) => begin(&item.expr),
        Expr::Filter(filter) => match &filter.expr {
            Some(of) => begin(of),
            None => filter.span().start_offset as usize,
        },
        other => other.span().start_offset as usize,
    }
}

fn line(span: Span) -> usize {
    span.start_line.into()
}

/// The name of what is called.
fn called<'a>(call: &Call<'a>) -> Option<&'a str> {
    match &call.expr {
        Expr::Var(name) => Some(name.id),
        _ => None,
    }
}

fn is_known(what: &str, name: &str, known: &[&'static str], span: Span) -> Bounded {
    if known.contains(&name) {
        return Ok(());
    }
    Err(Unbounded {
        line: line(span),
        message: format!("there is no {what} `{name}`"),
        word: name.to_owned(),
        known: known.to_vec(),
    })
}
