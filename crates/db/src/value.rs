//! Values that go into and come out of statements.

use crate::{Error, postgres, sqlite};

/// One parameter or column. `Debug` shows the length of text and blobs, not their content.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// INTEGER / BIGINT; also booleans (0 and 1) and times.
    Int(i64),
    /// TEXT, without NUL characters.
    Text(String),
    /// BLOB / BYTEA.
    Blob(Vec<u8>),
}

impl Value {
    pub(crate) fn type_name(&self) -> &'static str {
        self.held().type_name()
    }

    fn held(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Int(*value),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.held().fmt(f)
    }
}

macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    i64 => |v| Self::Int(v);
    i32 => |v| Self::Int(v.into());
    u32 => |v| Self::Int(v.into());
    bool => |v| Self::Int(v.into());
    &str => |v| Self::Text(v.to_owned());
    String => |v| Self::Text(v);
    &String => |v| Self::Text(v.clone());
    Vec<u8> => |v| Self::Blob(v);
    &Vec<u8> => |v| Self::Blob(v.clone());
    &[u8] => |v| Self::Blob(v.to_vec());
    &Value => |v| v.clone();
    &Option<String> => |v| v.as_deref().into();
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// An array of [`Value`]s: `tx.exec(sql, &params![id, name])`.
#[macro_export]
macro_rules! params {
    () => {
        ([] as [$crate::Value; 0])
    };
    ($($value:expr),+ $(,)?) => {
        [$($crate::Value::from($value)),+]
    };
}

/// A column of a row as the engine holds it. `Debug` shows as little as that of [`Value`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// INTEGER / BIGINT.
    Int(i64),
    /// TEXT.
    Text(&'a str),
    /// BLOB / BYTEA.
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    fn type_name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "INTEGER",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }
}

impl std::fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Int(value) => write!(f, "Int({value})"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.len()),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Int(value) => Self::Int(value),
            ValueRef::Text(text) => text.into(),
            ValueRef::Blob(bytes) => bytes.into(),
        }
    }
}

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// How error messages call the type.
    const WANTED: &'static str;

    /// The value as this type; `None` if it is another type or out of range.
    fn from_value(value: ValueRef<'_>) -> Option<Self>;
}

macro_rules! from_value {
    ($($to:ty, $wanted:literal, $pattern:pat => $result:expr;)*) => {
        $(impl FromValue for $to {
            const WANTED: &'static str = $wanted;

            fn from_value(value: ValueRef<'_>) -> Option<Self> {
                match value {
                    $pattern => $result,
                    _ => None,
                }
            }
        })*
    };
}

from_value! {
    i64, "INTEGER", ValueRef::Int(v) => Some(v);
    i32, "INTEGER of 32 bits", ValueRef::Int(v) => v.try_into().ok();
    u32, "INTEGER from 0 to 4294967295", ValueRef::Int(v) => v.try_into().ok();
    bool, "INTEGER 0 or 1", ValueRef::Int(v @ (0 | 1)) => Some(v == 1);
    String, "TEXT", ValueRef::Text(v) => Some(v.to_owned());
    Vec<u8>, "BLOB", ValueRef::Blob(v) => Some(v.to_owned());
}

impl<const N: usize> FromValue for [u8; N] {
    const WANTED: &'static str = "BLOB of a fixed length";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for Value {
    const WANTED: &'static str = "any value";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        Some(value.into())
    }
}

/// One row of a result, where the engine has it.
pub struct Row<'a>(Source<'a>);

enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = (0..self.columns()).map(|index| self.get::<Value>(index).ok());
        f.debug_list().entries(columns).finish()
    }
}

impl<'a> Row<'a> {
    pub(crate) fn sqlite(row: &'a rusqlite::Row<'a>) -> Self {
        Self(Source::Sqlite(row))
    }

    pub(crate) fn postgres(row: &'a tokio_postgres::Row) -> Self {
        Self(Source::Postgres(row))
    }

    /// The column at `index`, counted from 0; [`Error::Column`] if it is missing or of another type.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, Error> {
        let columns = self.columns();
        if index >= columns {
            let found = format!("{columns} columns");
            return Err(Error::column(index, T::WANTED, found));
        }
        let value = match &self.0 {
            Source::Sqlite(row) => sqlite::statement::column(row, index),
            Source::Postgres(row) => postgres::column(row, index),
        }?;
        T::from_value(value).ok_or_else(|| Error::column(index, T::WANTED, found(value)))
    }

    fn columns(&self) -> usize {
        match &self.0 {
            Source::Sqlite(row) => row.as_ref().column_count(),
            Source::Postgres(row) => row.len(),
        }
    }

    /// All its columns.
    pub(crate) fn values(&self) -> Result<Vec<Value>, Error> {
        (0..self.columns()).map(|index| self.get(index)).collect()
    }
}

fn found(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Int(_) => "INTEGER (perhaps out of range)".to_owned(),
        ValueRef::Blob(bytes) => format!("BLOB of {} bytes", bytes.len()),
        other => other.type_name().to_owned(),
    }
}
