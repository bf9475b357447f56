//! Times as pages and mails show them.

use chrono::{DateTime, Datelike as _, Timelike as _};
use vestibule_identity::Micros;

use crate::templates::texts;

/// For people, in their language and at their time zone's clock: `21 November 2026, 23:07`. A zone that nobody knows is UTC, and
/// UTC is named.
pub(crate) fn readable(at: Micros, language: &str, zone: &str) -> String {
    let offset = tzdb_data::find_tz(zone.as_bytes())
        .and_then(|zone| zone.find_local_time_type(at.secs()).ok())
        .map(|local| i64::from(local.ut_offset()));
    let local = DateTime::from_timestamp(at.secs() + offset.unwrap_or(0), 0).unwrap_or_default();
    let word = |key| texts::text(language, key).unwrap_or_default();
    let months = word("date.months").split_whitespace();
    let month = usize::try_from(local.month0())
        .ok()
        .and_then(|month| months.into_iter().nth(month));
    let is_utc = offset.is_none() || matches!(zone, "UTC" | "Etc/UTC");
    let name = if is_utc { " UTC" } else { "" };
    let time = format!("{:02}:{:02}{name}", local.hour(), local.minute());
    let filled = texts::fill(word("date.format"), |part| {
        Ok::<_, std::convert::Infallible>(match part {
            "day" => local.day().to_string(),
            "month" => month.unwrap_or_default().to_owned(),
            "year" => local.year().to_string(),
            _ => time.clone(),
        })
    });
    filled.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_times_in_their_words_at_their_clock() {
        let at = Micros(1_735_689_599_999_999);
        for (language, zone, text) in [
            ("en", "UTC", "31 December 2024, 23:59 UTC"),
            ("en", "nowhere", "31 December 2024, 23:59 UTC"),
            ("en", "Asia/Kolkata", "1 January 2025, 05:29"),
            ("en", "Europe/London", "31 December 2024, 23:59"),
            ("de", "Europe/Berlin", "1. Januar 2025, 00:59"),
            ("ja", "Asia/Tokyo", "2025年1月1日 08:59"),
            (
                "pt-BR",
                "America/Sao_Paulo",
                "31 de dezembro de 2024, 20:59",
            ),
            ("ar", "Africa/Cairo", "1 يناير 2025، 01:59"),
        ] {
            assert_eq!(readable(at, language, zone), text);
        }
    }
}
