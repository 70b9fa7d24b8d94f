//! A time as people read it.

/// Milliseconds since 1970 as `2025-10-09 08:53:20.123`, UTC.
pub(crate) fn text(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, thousandths) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}")
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar. Years are counted from March,
/// so that the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let since_0000_03_01 = days + 719_468;
    let era = since_0000_03_01.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = since_0000_03_01.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_calendar_says() {
        assert_eq!(text(0), "1970-01-01 00:00:00.000");
        assert_eq!(text(-1), "1969-12-31 23:59:59.999");
        assert_eq!(text(1_760_000_000_123), "2025-10-09 08:53:20.123");
        assert_eq!(text(951_782_400_000), "2000-02-29 00:00:00.000");
        assert_eq!(text(1_577_836_799_999), "2019-12-31 23:59:59.999");
    }
}
