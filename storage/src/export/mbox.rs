//! Writes an mbox file: mboxrd, which can be read back without a loss.

use std::io::Write;

use super::{ExportError, ExportReport, ExportSettings, open_body, write_all, write_body};
use crate::import::from_line;
use crate::import::mbox_quoting::{Direction, Quoting};
use crate::{BodySource, MessageRecord};

/// Writes `records` in their order to `out` and flushes it. Each begins with a `From ` line, from
/// `MAILER-DAEMON` (who sent it is not known here) with the time of its delivery in UTC, and ends
/// with an empty line.
///
/// # Errors
/// On any, what is in `out` is not complete.
pub fn to_mbox(
    records: &[MessageRecord],
    bodies: &dyn BodySource,
    settings: ExportSettings,
    out: &mut dyn Write,
) -> Result<ExportReport, ExportError> {
    const WHAT: &str = "the mbox file";
    let mut report = ExportReport::default();
    for record in records {
        let Some(mut body) = open_body(record, bodies, &mut report)? else {
            continue;
        };
        write_all(
            out,
            from_line::envelope(record.received_secs).as_bytes(),
            WHAT,
        )?;
        let mut quoting = Quoting::new(Direction::Quote);
        write_body(
            record,
            &mut *body,
            settings,
            &mut |lines, output| quoting.push(lines, output),
            &mut |octets| write_all(out, octets, WHAT),
        )?;
        let mut end = Vec::new();
        quoting.finish(&mut end);
        end.push(b'\n');
        write_all(out, &end, WHAT)?;
        report.exported += 1;
    }
    out.flush().map_err(|source| ExportError::Write {
        what: WHAT.to_owned(),
        source,
    })?;
    Ok(report)
}
