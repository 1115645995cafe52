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

/// Seconds since 1970-01-01 of a moment in UTC as RFC 3339 has it, whole seconds and `Z`, or of
/// the begin of a day (`2026-11-24`). `None` for anything else, and before 1970.
pub(crate) fn parse_moment(text: &str) -> Option<u64> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // The day is not earlier than if years had 365 days and months 28, and not much later.
    let from = (year.checked_sub(1970)? * 365) + (month.checked_sub(1)? * 28);
    let days = (from..from + year / 4 + 100)
        .find(|days| Date::of_day(*days) == (Date { year, month, day }))?;
    Some(days * DAY_SECS + hour * 3600 + minute * 60 + second)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let right = part.len() == digits && part.bytes().all(|octet| octet.is_ascii_digit());
        *number = part.parse().ok().filter(|_| right)?;
    }
    parts.next().is_none().then_some(numbers)
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
    use super::{date_time, moment, parse_moment};

    #[test]
    fn what_was_written_can_be_read_again() {
        for secs in [
            0,
            951_782_399,
            951_782_400,
            1_795_564_799,
            4_107_542_400,
            253_402_300_799,
        ] {
            assert_eq!(parse_moment(&format!("{}Z", moment(secs))), Some(secs));
        }
        assert_eq!(parse_moment("2026-11-24"), Some(1_795_478_400));
        let not_moments = [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "1969-12-31",
            "2026-11-24T10:00:00",
            "2026-11-24T24:00:00Z",
            "26-11-24",
            "2026-11-2\u{663}",
            "2026-11-24T1:00:00Z",
        ];
        for text in not_moments {
            assert_eq!(parse_moment(text), None, "{text:?}");
        }
    }

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
