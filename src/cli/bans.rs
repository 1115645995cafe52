//! `bans`: who is banned for failing to log on too often. The daemon alone knows.

use std::path::PathBuf;

use super::admin::daemon;
use super::options::BansCommand;
use super::output::{Output, text};
use crate::control::BanRow;
use crate::exit::Failure;

pub(super) fn execute(file: Option<PathBuf>, command: BansCommand) -> Result<(), Failure> {
    let mut client = daemon(file)?;
    match command {
        BansCommand::List => {
            let mut out = Output::new();
            for ban in client.bans()? {
                out.line(&shown(&ban))?;
            }
            out.finish()
        }
        BansCommand::Clear { whom } => {
            let records = client.clear_bans(whom)?;
            text(&format!("{records} records forgotten\n"))
        }
    }
}

fn shown(ban: &BanRow) -> String {
    let whom = match (&ban.user, &ban.address) {
        (Some(user), Some(address)) => format!("{} from {address}", user.escape_debug()),
        (Some(user), None) => user.escape_debug().to_string(),
        (None, Some(address)) => address.clone(),
        (None, None) => "-".to_owned(),
    };
    let BanRow {
        scope,
        left_secs,
        bans,
        setting,
        ..
    } = ban;
    format!("{scope:<7}  {left_secs:>7} s  {bans:>3} in a row  {setting:<32}  {whom}")
}
