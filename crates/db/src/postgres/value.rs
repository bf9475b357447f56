//! [`Value`]s on PostgreSQL's wire.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::value::ValueRef;
use crate::{Error, Value};

/// A parameter that takes the form of the column it meets.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

type Encoded = Result<IsNull, Box<dyn StdError + Sync + Send>>;

impl Param<'_> {
    /// The type it has by itself; the server finds one for NULL.
    pub(super) fn own_type(&self) -> Type {
        match self.0 {
            Value::Null => Type::UNKNOWN,
            Value::Text(_) => Type::TEXT,
            Value::Blob(_) => Type::BYTEA,
            Value::Int(_) => Type::INT8,
        }
    }

    /// Whether the value can be sent as this type; otherwise why not.
    pub(super) fn fits(&self, ty: &Type) -> Result<(), String> {
        let value = self.0;
        let fits = match value {
            Value::Null => true,
            Value::Text(_) => is_text(ty),
            Value::Blob(_) => *ty == Type::BYTEA,
            Value::Int(number) => match *ty {
                Type::INT8 => true,
                Type::INT4 => i32::try_from(*number).is_ok(),
                Type::INT2 => i16::try_from(*number).is_ok(),
                Type::BOOL => matches!(number, 0 | 1),
                _ => false,
            },
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{} does not fit {ty}", value.type_name())),
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        self.fits(ty)?;
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Text(text) => text.as_str().to_sql(ty, out),
            Value::Blob(bytes) => bytes.as_slice().to_sql(ty, out),
            Value::Int(number) => match *ty {
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                Type::BOOL => (*number == 1).to_sql(ty, out),
                _ => number.to_sql(ty, out),
            },
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column that the row has.
pub(crate) fn column(row: &tokio_postgres::Row, index: usize) -> Result<ValueRef<'_>, Error> {
    let ty = row.columns()[index].type_();
    let value = match *ty {
        Type::INT8 => int(row.try_get::<_, Option<i64>>(index)),
        Type::INT4 => int(row.try_get::<_, Option<i32>>(index)),
        Type::INT2 => int(row.try_get::<_, Option<i16>>(index)),
        Type::BOOL => int(row.try_get::<_, Option<bool>>(index)),
        Type::BYTEA => held(row.try_get(index), ValueRef::Blob),
        // A function without a result, such as pg_advisory_xact_lock.
        Type::VOID => Ok(ValueRef::Null),
        _ if is_text(ty) => held(row.try_get(index), ValueRef::Text),
        _ => return Err(unreadable(index, ty)),
    };
    value.map_err(|_| unreadable(index, ty))
}

type Held<'a> = Result<ValueRef<'a>, tokio_postgres::Error>;
type Got<T> = Result<Option<T>, tokio_postgres::Error>;

fn int<'a>(got: Got<impl Into<i64>>) -> Held<'a> {
    held(got, |value| ValueRef::Int(value.into()))
}

fn held<'a, T>(got: Got<T>, of: impl FnOnce(T) -> ValueRef<'a>) -> Held<'a> {
    Ok(got?.map_or(ValueRef::Null, of))
}

fn unreadable(index: usize, ty: &Type) -> Error {
    Error::column(index, "BIGINT, TEXT or BYTEA", ty.name())
}

fn is_text(ty: &Type) -> bool {
    [
        Type::TEXT,
        Type::VARCHAR,
        Type::BPCHAR,
        Type::NAME,
        Type::UNKNOWN,
    ]
    .contains(ty)
}
