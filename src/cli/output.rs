//! What goes to standard output and standard error.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::exit::{Failure, Status};

/// Standard output, buffered; call [`Output::finish`] at the end.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(failure)
    }

    pub(super) fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.0.write_all(octets).map_err(failure)
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.0
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(failure)
    }
}

fn failure(error: io::Error) -> Failure {
    Failure::new(Status::Io, format!("standard output: {error}"))
}

/// Writes a text to standard output.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    let mut out = Output::new();
    out.octets(text.as_bytes())?;
    out.finish()
}

/// Writes a line to standard error, with control characters made visible.
pub(super) fn complain(line: &str) {
    let harmless: String = line
        .chars()
        .flat_map(|c| {
            let visible: String = if c.is_control() {
                c.escape_default().collect()
            } else {
                c.into()
            };
            visible.chars().collect::<Vec<_>>()
        })
        .collect();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "mailroost: {harmless}");
}

/// A moment in UTC as RFC 3339 has it, from seconds since 1970-01-01.
pub(super) fn moment(secs: u64) -> String {
    let (days, second) = (secs / 86_400, secs % 86_400);
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
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_795_564_799, "2026-11-24T23:59:59Z"),
        ];
        for (secs, text) in table {
            assert_eq!(moment(secs), text);
        }
    }
}
