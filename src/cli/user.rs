//! `user`: who has a maildrop here.

use std::path::PathBuf;

use super::admin::{settings, with_server};
use super::options::{SiteOption, UserCommand};
use super::output::{Output, moment};
use super::password::new_hash;
use crate::control::{SiteChange, UserChanges, UserRow};
use crate::exit::{Failure, Status};

pub(super) fn execute(file: Option<PathBuf>, command: UserCommand) -> Result<(), Failure> {
    let config = settings(file)?;
    match command {
        UserCommand::Add {
            name,
            password,
            site,
        } => {
            let hash = new_hash(&password, &config)?;
            let changes = UserChanges {
                site: site.map(of_site),
                ..UserChanges::default()
            };
            with_server(config, move |mut client| {
                client.add_user(&name, hash)?;
                if changes != UserChanges::default() {
                    client.set_user(&name, changes)?;
                }
                Ok(())
            })?;
        }
        UserCommand::Passwd { name, password } => {
            let hash = new_hash(&password, &config)?;
            with_server(config, move |mut client| {
                Ok(client.set_password(&name, hash)?)
            })?;
        }
        UserCommand::List => with_server(config, |mut client| {
            let mut out = Output::new();
            client.users(|user| out.line(&user.name))?;
            out.finish()
        })?,
        UserCommand::Show { name } => {
            show(&with_server(config, move |mut client| {
                Ok(client.user(&name)?)
            })?)?;
        }
        UserCommand::Set {
            name,
            pop,
            sizes,
            site,
            no_site,
        } => {
            let changes = UserChanges {
                pop_enabled: pop.map(|switch| switch.0),
                sizes: sizes.map(|option| option.0),
                site: site.map(of_site).or(no_site.then_some(SiteChange::Any)),
            };
            if changes == UserChanges::default() {
                return Err(Failure::new(Status::Usage, "nothing to set; try --help"));
            }
            with_server(config, move |mut client| {
                Ok(client.set_user(&name, changes)?)
            })?;
        }
        UserCommand::Remove { name } => {
            with_server(config, move |mut client| Ok(client.remove_user(&name)?))?;
        }
    }
    Ok(())
}

fn of_site(option: SiteOption) -> SiteChange {
    SiteChange::Of(option.0.into())
}

fn show(user: &UserRow) -> Result<(), Failure> {
    let sizes = match user.exact_rfc822_size {
        None => "default",
        Some(true) => "exact",
        Some(false) => "stored",
    };
    let mut out = Output::new();
    out.line(&format!("name      {}", user.name))?;
    out.line(&format!("maildrop  {}", user.maildrop))?;
    out.line(&format!(
        "password  {}",
        if user.password { "set" } else { "none" }
    ))?;
    out.line(&format!(
        "pop       {}",
        if user.pop_enabled { "on" } else { "off" }
    ))?;
    out.line(&format!("sizes     {sizes}"))?;
    out.line(&format!("site      {}", user.site.as_deref().unwrap_or("any")))?;
    out.line(&format!("created   {}", moment(user.created_secs)))?;
    out.finish()
}
