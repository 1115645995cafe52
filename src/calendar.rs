//! Days of the calendar, in UTC.

/// The seconds of a day.
pub(crate) const DAY_SECS: u64 = 86_400;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u64,
    /// From 1.
    pub(crate) day: u64,
}

impl Date {
    /// The day that comes so many days after 1970-01-01.
    pub(crate) fn of_day(days: u64) -> Self {
        // Days from 1 March of year 0, in eras of 400 years: leap days then come last.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self { year, month, day }
    }
}

/// A moment in UTC as RFC 3339 has it, without what follows the seconds, from seconds since
/// 1970-01-01.
pub(crate) fn moment(secs: u64) -> String {
    let Date { year, month, day } = Date::of_day(secs / DAY_SECS);
    let second = secs % DAY_SECS;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// A moment in UTC as the header field `Date` has it (RFC 5322 s3.3).
pub(crate) fn date_time(secs: u64) -> String {
    // 1970-01-01 was a Thursday.
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = secs / DAY_SECS;
    let Date { year, month, day } = Date::of_day(days);
    let (weekday, month) = (WEEKDAYS[(days % 7) as usize], MONTHS[(month - 1) as usize]);
    let second = secs % DAY_SECS;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::{date_time, moment};

    #[test]
    fn dates_are_those_of_the_header() {
        let table = [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (1_795_564_799, "Tue, 24 Nov 2026 23:59:59 +0000"),
        ];
        for (secs, text) in table {
            assert_eq!(date_time(secs), text);
        }
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (1_795_564_799, "2026-11-24T23:59:59"),
        ];
        for (secs, text) in table {
            assert_eq!(moment(secs), text);
        }
    }
}
