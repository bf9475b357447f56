//! Times as pages and JSON show them, in UTC.

use vestibule_identity::Micros;

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

/// For people: `2026-11-21 23:07 UTC`.
pub(crate) fn readable(at: Micros) -> String {
    let (year, month, day, second) = civil(at);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        second / 3_600,
        second / 60 % 60
    )
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
        assert_eq!(
            readable(Micros(1_735_689_599_999_999)),
            "2024-12-31 23:59 UTC"
        );
    }
}
