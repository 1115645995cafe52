//! `user app-password`: passwords for one device or program of a user.

use mailroost_auth::app_password;

use super::admin::with_server;
use super::options::AppPasswordCommand;
use super::output::{Output, moment};
use crate::config::Config;
use crate::exit::{Failure, Status};

pub(super) fn execute(config: Config, command: AppPasswordCommand) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add { user, label } => {
            let new = app_password::generate()
                .map_err(|error| Failure::new(Status::Software, error.to_string()))?;
            let stored = new.stored;
            with_server(config, move |mut client| {
                Ok(client.add_app_password(&user, label, stored)?)
            })?;
            let mut out = Output::new();
            out.line(&new.shown)?;
            out.finish()
        }
        AppPasswordCommand::List { user } => {
            let rows = with_server(config, move |mut client| Ok(client.app_passwords(&user)?))?;
            let mut out = Output::new();
            for row in rows {
                out.line(&format!(
                    "{}  {}  {}",
                    row.id,
                    moment(row.created_secs),
                    row.label
                ))?;
            }
            out.finish()
        }
        AppPasswordCommand::Remove { user, which } => with_server(config, move |mut client| {
            client.remove_app_password(&user, which)?;
            Ok(())
        }),
    }
}
