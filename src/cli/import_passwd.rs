//! `user import-passwd`: brings in users with the hashes of their old passwords.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use mailroost_auth::source::passwd_file;

use super::admin::with_server;
use super::output::{Output, complain};
use crate::config::Config;
use crate::control::{Client, ClientError, DerivedSecrets, FaultKind};
use crate::exit::{Failure, Status};

/// What became of the lines.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    added: usize,
    replaced: usize,
    left_alone: usize,
    unusable: usize,
}

pub(super) fn import_passwd(config: Config, file: PathBuf, replace: bool) -> Result<(), Failure> {
    let lines = File::open(&file).map_err(|error| Failure::io(file.display(), &error))?;
    let counts = with_server(config, move |mut client| {
        let mut counts = Counts::default();
        for (number, line) in (1..).zip(BufReader::new(lines).lines()) {
            let line = line.map_err(|error| Failure::io(file.display(), &error))?;
            if let Err(why) = take(&mut client, &line, replace, &mut counts)? {
                counts.unusable += 1;
                complain(&format!("{}:{number}: not used: {why}", file.display()));
            }
        }
        Ok(counts)
    })?;
    let Counts {
        added,
        replaced,
        left_alone,
        unusable,
    } = counts;
    let mut out = Output::new();
    out.line(&format!(
        "{added} added, {replaced} replaced, {left_alone} left alone, {unusable} unusable"
    ))?;
    out.finish()?;
    match unusable {
        0 => Ok(()),
        _ => Err(Failure::new(
            Status::Data,
            format!("{unusable} lines cannot be used"),
        )),
    }
}

/// Takes one line; the inner error says why it cannot be used, without what it holds.
fn take(
    client: &mut Client,
    line: &str,
    replace: bool,
    counts: &mut Counts,
) -> Result<Result<(), String>, Failure> {
    let (user, hash) = match passwd_file::split(line) {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(Ok(())),
        Err(why) => return Ok(Err(why.to_owned())),
    };
    let hash = Some(hash.to_owned());
    let outcome = match client.add_user(user, hash.clone()) {
        Ok(_) => {
            counts.added += 1;
            return Ok(Ok(()));
        }
        Err(ClientError::Fault(fault)) if fault.kind == FaultKind::Duplicate => {
            if !replace {
                counts.left_alone += 1;
                return Ok(Ok(()));
            }
            client
                .set_password(user, hash, DerivedSecrets::default())
                .map(|_| counts.replaced += 1)
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => Ok(Ok(())),
        Err(ClientError::Fault(fault)) if fault.kind == FaultKind::Invalid => {
            Ok(Err(fault.message))
        }
        Err(error) => Err(error.into()),
    }
}
