//! `user`: who has a maildrop here.

use std::path::PathBuf;

use super::admin::{settings, with_server};
use super::import_passwd::import_passwd;
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
        UserCommand::ImportPasswd { file, replace } => import_passwd(config, file, replace)?,
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
            pop_enabled,
            use_protocol_defaults,
            exact_rfc822_size,
            site,
            no_site,
        } => {
            let changes = UserChanges {
                pop_enabled: pop_enabled.map(|answer| answer.0),
                use_protocol_defaults: use_protocol_defaults.map(|answer| answer.0),
                sizes: exact_rfc822_size.map(|option| option.0),
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
    let exact = user.exact_rfc822_size.map_or("default", yes_or_no);
    let exact = format!("{exact} (in effect: {})", yes_or_no(user.exact_in_effect));
    let created = moment(user.created_secs);
    let maildrop = user.maildrop.to_string();
    let table: [(&str, &str); 8] = [
        ("name", &user.name),
        ("maildrop", &maildrop),
        ("password", if user.password { "set" } else { "none" }),
        ("pop_enabled", yes_or_no(user.pop_enabled)),
        (
            "use_protocol_defaults",
            yes_or_no(user.use_protocol_defaults),
        ),
        ("exact_rfc822_size", &exact),
        ("site", user.site.as_deref().unwrap_or("any")),
        ("created", &created),
    ];
    let mut out = Output::new();
    for (what, value) in table {
        out.line(&format!("{what:<21}  {value}"))?;
    }
    out.finish()
}

fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
