//! The `From ` line that begins a message in an mbox file, and its date.
//!
//! Many programs write it in many forms. Here it is a line with a date somewhere behind `From `:
//! a weekday, a month, a day, a time and a year with time zones strewn in (asctime), or the date
//! of RFC 5322. What stands before the date, the sender, may be anything or missing.

/// What a line that begins with `From ` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromLine {
    /// The beginning of a message, received at that time if it is after 1970.
    Envelope { received_secs: Option<u64> },
    /// It has a weekday and a month in a row but no date: neither can be trusted.
    Broken,
    /// A sentence that happens to begin so.
    Text,
}

/// The words that every such line begins with.
pub(crate) const FROM: &[u8] = b"From ";

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAY_SECS: u64 = 86_400;

/// Looks at a line that begins with `From `, with or without its line end.
pub(crate) fn classify(line: &[u8]) -> FromLine {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_ascii_whitespace().skip(1).collect();
    let mut verdict = FromLine::Text;
    for (index, word) in words.iter().enumerate() {
        if !WEEKDAYS
            .iter()
            .any(|day| word.trim_end_matches(',').eq_ignore_ascii_case(day))
        {
            continue;
        }
        let rest = &words[index + 1..];
        if let Some(secs) = asctime(rest).or_else(|| internet_date(rest)) {
            return FromLine::Envelope {
                received_secs: u64::try_from(secs).ok(),
            };
        }
        let months = rest.iter().take(2);
        if months.filter_map(|word| month(word)).next().is_some() {
            verdict = FromLine::Broken;
        }
    }
    verdict
}

/// A `From ` line with a line end, for a message of which only the time is known.
pub(crate) fn envelope(received_secs: u64) -> String {
    let (days, secs) = (received_secs / DAY_SECS, received_secs % DAY_SECS);
    let (year, month, day) = civil_from_days(days);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month as usize - 1];
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!(
        "From MAILER-DAEMON {weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04}\n"
    )
}

/// `Jan  1 00:00[:00] [zone] 1970 [zone]`, as seconds since 1970 (UTC where no zone is known).
fn asctime(words: &[&str]) -> Option<i64> {
    let [month_name, day, time, rest @ ..] = words else {
        return None;
    };
    let month = month(month_name)?;
    let place = rest.iter().take(3).position(|word| year(word).is_some())?;
    let zone = rest[..place]
        .iter()
        .chain(rest.get(place + 1))
        .find_map(|word| zone_secs(word));
    seconds(year(rest[place])?, month, day, time, zone)
}

/// `1 Jan 1970 00:00[:00] [zone]`.
fn internet_date(words: &[&str]) -> Option<i64> {
    let [day, month_name, year_digits, time, rest @ ..] = words else {
        return None;
    };
    let zone = rest.first().and_then(|word| zone_secs(word));
    seconds(year(year_digits)?, month(month_name)?, day, time, zone)
}

fn seconds(year: u64, month: u64, day: &str, time: &str, zone: Option<i64>) -> Option<i64> {
    let day = digits(day, 1..=31)?;
    let mut parts = time.split(':');
    let hour = digits(parts.next()?, 0..=23)?;
    let minute = digits(parts.next()?, 0..=59)?;
    let second = parts
        .next()
        .map_or(Some(0), |second| digits(second, 0..=60))?;
    if parts.next().is_some() {
        return None;
    }
    let secs = hour * 3600 + minute * 60 + second;
    let days = days_from_civil(year, month, day);
    Some(days * DAY_SECS as i64 + secs as i64 - zone.unwrap_or(0))
}

fn month(word: &str) -> Option<u64> {
    let place = MONTHS
        .iter()
        .position(|month| word.eq_ignore_ascii_case(month))?;
    Some(place as u64 + 1)
}

fn year(word: &str) -> Option<u64> {
    if word.len() == 4 {
        digits(word, 1900..=9999)
    } else {
        None
    }
}

fn digits(word: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let decimal = word.bytes().all(|octet| octet.is_ascii_digit());
    let number = if decimal {
        word.parse().ok()?
    } else {
        return None;
    };
    range.contains(&number).then_some(number)
}

/// How far a zone is ahead of UTC; names are those of RFC 5322 s4.3.
fn zone_secs(word: &str) -> Option<i64> {
    let hours = match word {
        "UTC" | "UT" | "GMT" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return numeric_zone_secs(word),
    };
    Some(hours * 3600)
}

fn numeric_zone_secs(word: &str) -> Option<i64> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let number = &word[1..];
    if number.len() != 4 {
        return None;
    }
    let number = digits(number, 0..=2400)? as i64;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// Days since 1970-01-01 of a day in the Gregorian calendar. Years run from March here, so that
/// the leap day is the last one.
fn days_from_civil(year: u64, month: u64, day: u64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days as i64 - 719_468
}

/// The reverse: year, month, day.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(line: &str) -> Option<u64> {
        match classify(line.as_bytes()) {
            FromLine::Envelope { received_secs } => received_secs,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn dates_of_many_programs_are_read() {
        for (line, secs) in [
            ("From a@b.example Thu Jan  1 00:00:01 1970", 1),
            ("From a@b.example Thu Jan  1 00:00:01 1970\r\n", 1),
            ("From - Tue Mar 02 13:00:00 2021", 1_614_690_000),
            ("From 17@xxx Tue Mar 02 13:00:00 +0000 2021", 1_614_690_000),
            ("From a@b Tue Mar 2 14:00:00 2021 +0100", 1_614_690_000),
            ("From a@b Tue Mar  2 05:00 PST 2021", 1_614_690_000),
            (
                "From a@b Tue Mar  2 13:00:00 2021 remote from somewhere",
                1_614_690_000,
            ),
            ("From \"a b\"@c Tue, 2 Mar 2021 13:00:00 GMT", 1_614_690_000),
            ("From Tue Mar  2 13:00:00 2021", 1_614_690_000),
            ("From Sun Mon Feb 29 23:59:60 2016", 1_456_790_400),
        ] {
            assert_eq!(received(line), Some(secs), "{line}");
        }
        assert_eq!(received("From a@b Wed Dec 31 23:59:59 1969"), None);
    }

    #[test]
    fn sentences_are_text_and_half_dates_are_broken() {
        for text in [
            "From ",
            "From here on",
            "From Mon to Fri",
            "From Jan to Mon",
        ] {
            assert_eq!(classify(text.as_bytes()), FromLine::Text, "{text}");
        }
        for broken in [
            "From a@b Thu Jan",
            "From a@b Thu Jan 99 00:00:00 1970",
            "From a@b Thu Jan  1 25:00:00 1970",
            "From a@b Thu Jan  1 00:00:00",
            "From a@b Thu, 1 Jan 1970",
        ] {
            assert_eq!(classify(broken.as_bytes()), FromLine::Broken, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(secs in 0..250_000_000_000u64) {
            prop_assert_eq!(received(&envelope(secs)), Some(secs));
        }
    }
}
