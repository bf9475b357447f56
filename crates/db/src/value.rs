//! Values that go into and come out of statements.

use crate::Error;

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
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "INTEGER",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Int(value) => write!(f, "Int({value})"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.len()),
        }
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

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// How error messages call the type.
    const WANTED: &'static str;

    /// The value as this type; `None` if it is another type or out of range.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($to:ty, $wanted:literal, $pattern:pat => $result:expr;)*) => {
        $(impl FromValue for $to {
            const WANTED: &'static str = $wanted;

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => $result,
                    _ => None,
                }
            }
        })*
    };
}

from_value! {
    i64, "INTEGER", Value::Int(v) => Some(*v);
    i32, "INTEGER of 32 bits", Value::Int(v) => (*v).try_into().ok();
    u32, "INTEGER from 0 to 4294967295", Value::Int(v) => (*v).try_into().ok();
    bool, "INTEGER 0 or 1", Value::Int(v @ (0 | 1)) => Some(*v == 1);
    String, "TEXT", Value::Text(v) => Some(v.clone());
    Vec<u8>, "BLOB", Value::Blob(v) => Some(v.clone());
}

impl<const N: usize> FromValue for [u8; N] {
    const WANTED: &'static str = "BLOB of a fixed length";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for Value {
    const WANTED: &'static str = "any value";

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

/// One row of a result.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) values: Vec<Value>,
}

impl Row {
    /// The column at `index`, counted from 0; [`Error::Column`] if it is missing or of another type.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, Error> {
        let value = self.values.get(index).ok_or_else(|| {
            Error::column(index, T::WANTED, format!("{} columns", self.values.len()))
        })?;
        T::from_value(value).ok_or_else(|| Error::column(index, T::WANTED, found(value)))
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Int(_) => "INTEGER (perhaps out of range)".to_owned(),
        Value::Blob(bytes) => format!("BLOB of {} bytes", bytes.len()),
        other => other.type_name().to_owned(),
    }
}
