//! Times as pages and JSON show them.

use vestibule_identity::Micros;

use crate::templates::texts;

/// RFC 3339, whole seconds: `2026-11-21T23:07:00Z`.
pub(crate) fn rfc3339(at: Micros) -> String {
    let (year, month, day, second) = civil(at);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// For people, in their language and at their time zone's clock: `21 November 2026, 23:07`. A zone that nobody knows is UTC, and
/// UTC is named.
pub(crate) fn readable(at: Micros, language: &str, zone: &str) -> String {
    let offset = tzdb_data::find_tz(zone.as_bytes())
        .and_then(|zone| zone.find_local_time_type(at.secs()).ok())
        .map(|local| i64::from(local.ut_offset()));
    let local = Micros((at.secs() + offset.unwrap_or(0)) * 1_000_000);
    let (year, month, day, second) = civil(local);
    let word = |key| texts::text(language, key).unwrap_or_default();
    let months = word("date.months").split_whitespace();
    let month = usize::try_from(month - 1)
        .ok()
        .and_then(|month| months.into_iter().nth(month));
    let is_utc = offset.is_none() || matches!(zone, "UTC" | "Etc/UTC");
    let name = if is_utc { " UTC" } else { "" };
    let time = format!("{:02}:{:02}{name}", second / 3_600, second / 60 % 60);
    let filled = texts::fill(word("date.format"), |part| {
        Ok::<_, std::convert::Infallible>(match part {
            "day" => day.to_string(),
            "month" => month.unwrap_or_default().to_owned(),
            "year" => year.to_string(),
            _ => time.clone(),
        })
    });
    filled.unwrap_or_default()
}

/// Year, month, day of the proleptic Gregorian calendar and second of the day. Years are counted from March, so that
/// the leap day is the last of its year.
fn civil(at: Micros) -> (i64, i64, i64, i64) {
    let (days, second) = (at.secs().div_euclid(86_400), at.secs().rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(Micros(seconds * 1_000_000)), text);
        }
    }

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
