//! Time zones, by the names of the IANA database.

use crate::error::{Error, Kind, Result};

/// The zone in the database's spelling, whatever the case; `None` where there is no such zone.
pub(crate) fn known_zone(name: &str) -> Option<&'static str> {
    let mut known = tzdb_data::TZ_NAMES.iter().copied();
    known.find(|known| known.eq_ignore_ascii_case(name))
}

/// The same of what somebody typed, or why not.
pub(crate) fn check_zone(name: &str) -> Result<String> {
    let known = known_zone(name.trim()).map(str::to_owned);
    known.ok_or_else(|| {
        let detail = "There is no such time zone. Write a name such as Europe/Berlin or UTC.";
        Error::with_detail(Kind::MalformedInput, detail).because("timezone", 0)
    })
}
