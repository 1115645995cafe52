//! `why`: which rule, limit and setting was behind a refusal. Asks the daemon, or reads a log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use mailroost_protocol::RefusalId;

use super::admin::daemon;
use super::output::{Output, moment};
use crate::control::RefusalRow;
use crate::exit::{Failure, Status};
use crate::logging::fields;

/// What the log writes for what there is none of.
const NOTHING: &str = "-";

pub(super) fn execute(
    file: Option<PathBuf>,
    id: RefusalId,
    log: Option<PathBuf>,
) -> Result<(), Failure> {
    let found = match &log {
        Some(log) => search(log, id)?,
        None => daemon(file)?.refusal(&id.to_string())?,
    };
    let Some(row) = found else {
        let wher = match log {
            Some(log) => format!("in {}", log.display()),
            None => "among the last ones of the daemon; --log FILE searches a log".to_owned(),
        };
        let message = format!("no refusal {id} {wher}");
        return Err(Failure::new(Status::Unavailable, message));
    };
    print(&row)
}

fn print(row: &RefusalRow) -> Result<(), Failure> {
    let session = row.session.map(|session| session.to_string());
    let at = moment(row.at_secs);
    let table = [
        ("refusal", Some(&row.id)),
        ("time", Some(&at)),
        ("from", Some(&row.peer)),
        ("session", session.as_ref()),
        ("name", row.name.as_ref()),
        ("how", row.how.as_ref()),
        ("rule", Some(&row.rule)),
        ("setting", row.setting.as_ref()),
        ("limit", row.limit.as_ref()),
        ("why", Some(&row.why)),
    ];
    let mut out = Output::new();
    for (what, value) in table {
        out.line(&format!(
            "{what:<8}  {}",
            value.map_or(NOTHING, String::as_str)
        ))?;
    }
    out.finish()
}

/// The line of a log that has the refusal, in either of its forms.
fn search(log: &Path, id: RefusalId) -> Result<Option<RefusalRow>, Failure> {
    let unreadable = |error| {
        let message = format!("{} cannot be read: {error}", log.display());
        Failure::new(Status::NoInput, message)
    };
    let mut lines = BufReader::new(File::open(log).map_err(unreadable)?);
    let (wanted, mut line) = (id.to_string(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        if !text.contains(&wanted) {
            continue;
        }
        let fields = fields::parse(text.trim_end());
        let field = |key: &str| fields.iter().find(|(known, _)| known == key);
        // A client can write an id into its name, but not into this field.
        if field("refusal").is_some_and(|(_, value)| *value == wanted) {
            let value = |key| field(key).map(|(_, value)| value.clone());
            let some = |key| value(key).filter(|value| value != NOTHING);
            return Ok(Some(RefusalRow {
                at_secs: id.millis() / 1000,
                peer: value("peer").unwrap_or_default(),
                session: value("session")
                    .and_then(|n| n.parse().ok())
                    .filter(|n| *n > 0),
                name: some("name"),
                how: some("how"),
                rule: value("rule").unwrap_or_default(),
                setting: some("setting"),
                limit: some("limit"),
                why: value("why").unwrap_or_default(),
                id: wanted,
            }));
        }
    }
}
