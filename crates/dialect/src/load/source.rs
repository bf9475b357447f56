//! A TOML file as a tree of values that know their lines, and the list of what is wrong with it.

use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::expression::Mode;
use crate::problem::{Problem, did_you_mean};
use crate::shape::Shape;

/// A value and the line it begins on.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub line: usize,
    pub value: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Field>),
    /// A date or time, or a number beyond 64 bits.
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: String,
    pub line: usize,
    pub node: Node,
}

/// Collects what is wrong while a file is read.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    pub problems: Vec<Problem>,
}

impl Findings {
    pub(crate) fn new(file: &str) -> Findings {
        Findings {
            file: file.to_owned(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: usize, message: impl Into<String>) {
        let problem = Problem {
            file: self.file.clone(),
            line,
            message: message.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The value of a `Result`; its error is noted.
    pub(crate) fn keep<T>(&mut self, line: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(line, message)).ok()
    }
}

/// Reads the text; a fault in the TOML itself is the only finding then.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => Some(Node {
            line: 1,
            value: lines.table(table.get_ref()),
        }),
        Err(error) => {
            findings.add(
                error.span().map_or(0, |span| lines.at(span)),
                error.message().to_owned(),
            );
            None
        }
    }
}

struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, span: Range<usize>) -> usize {
        self.0.partition_point(|end| *end < span.start) + 1
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Data::Other, Data::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Data::Other, Data::Float),
            DeValue::Boolean(flag) => Data::Flag(*flag),
            DeValue::Array(items) => Data::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
            DeValue::Datetime(_) => Data::Other,
        };
        Node {
            line: self.at(value.span()),
            value: data,
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Data {
        let field = |(name, node): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &Spanned<toml::de::DeString<'_>> = name;
            Field {
                name: name.get_ref().to_string(),
                line: self.at(name.span()),
                node: self.node(node),
            }
        };
        Data::Table(table.iter().map(field).collect())
    }
}

impl Node {
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Data::Text(_) => "a text",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Flag(_) => "true or false",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
            Data::Other => "a date or a huge number",
        }
    }

    /// The fields of a table; anything else is noted and has none.
    pub(crate) fn fields(&self, what: &str, findings: &mut Findings) -> &[Field] {
        match &self.value {
            Data::Table(fields) => fields,
            _ => {
                findings.add(
                    self.line,
                    format!("{what} must be a table, not {}", self.kind()),
                );
                &[]
            }
        }
    }

    pub(crate) fn items(&self, what: &str, findings: &mut Findings) -> &[Node] {
        match &self.value {
            Data::List(items) => items,
            _ => {
                findings.add(
                    self.line,
                    format!("{what} must be a list, not {}", self.kind()),
                );
                &[]
            }
        }
    }

    pub(crate) fn text(&self, what: &str, findings: &mut Findings) -> Option<&str> {
        match &self.value {
            Data::Text(text) => Some(text),
            _ => {
                findings.add(
                    self.line,
                    format!("{what} must be a text, not {}", self.kind()),
                );
                None
            }
        }
    }

    /// Compiles the value with all expressions in it.
    pub(crate) fn shape(&self, mode: Mode, findings: &mut Findings) -> Shape {
        let shape = match &self.value {
            Data::Text(text) => findings
                .keep(self.line, Shape::of_text(text, mode))
                .unwrap_or(Shape::Fixed(Json::Null)),
            Data::Integer(number) => Shape::Fixed((*number).into()),
            Data::Float(number) => Shape::Fixed((*number).into()),
            Data::Flag(flag) => Shape::Fixed((*flag).into()),
            Data::List(items) => Shape::List(
                items
                    .iter()
                    .map(|item| item.shape(mode, findings))
                    .collect(),
            ),
            Data::Table(fields) => Shape::Table(
                fields
                    .iter()
                    .map(|field| (field.name.clone(), field.node.shape(mode, findings)))
                    .collect(),
            ),
            Data::Other => {
                findings.add(self.line, "JSON has no form for this value");
                Shape::Fixed(Json::Null)
            }
        };
        shape.folded()
    }

    /// Every text in the value with its line.
    pub(crate) fn texts(&self) -> Vec<(usize, &str)> {
        match &self.value {
            Data::Text(text) => vec![(self.line, text)],
            Data::List(items) => items.iter().flat_map(Node::texts).collect(),
            Data::Table(fields) => fields.iter().flat_map(|field| field.node.texts()).collect(),
            _ => Vec::new(),
        }
    }
}

/// The field of that name.
pub(crate) fn field<'n>(fields: &'n [Field], name: &str) -> Option<&'n Field> {
    fields.iter().find(|field| field.name == name)
}

/// Notes every field that `known` does not list.
pub(crate) fn only(fields: &[Field], known: &[&str], findings: &mut Findings) {
    for field in fields
        .iter()
        .filter(|field| !known.contains(&field.name.as_str()))
    {
        findings.add(
            field.line,
            format!(
                "unknown key `{}`{}",
                field.name,
                did_you_mean(&field.name, known.iter().copied())
            ),
        );
    }
}
