//! `user`: who has a maildrop here.

use std::path::PathBuf;

use super::admin::{settings, with_server};
use super::app_password;
use super::import_passwd::import_passwd;
use super::options::{AliasCommand, NewPassword, SiteOption, UserCommand};
use super::output::{Output, moment};
use super::password::new_secrets;
use crate::calendar::DAY_SECS;
use crate::config::Config;
use crate::control::{AliasChange, Limit, SiteChange, UsageRow, UserChanges, UserRow};
use crate::exit::{Failure, Status};

pub(super) fn execute(file: Option<PathBuf>, command: UserCommand) -> Result<(), Failure> {
    let config = settings(file)?;
    match command {
        UserCommand::Add {
            name,
            password,
            site,
        } => add(config, name, &password, site),
        UserCommand::Passwd { name, password } => set_password(config, name, &password),
        UserCommand::ImportPasswd { file, replace } => import_passwd(config, file, replace),
        UserCommand::AppPassword(command) => app_password::execute(config, command),
        UserCommand::List => list(config),
        UserCommand::Show { name } => show(config, name),
        UserCommand::Alias(AliasCommand::Add { name, alias }) => {
            change_alias(config, name, AliasChange::Add(alias))
        }
        UserCommand::Alias(AliasCommand::Remove { name, alias }) => {
            change_alias(config, name, AliasChange::Remove(alias))
        }
        UserCommand::Grant { name, open } => delegate(config, name, open, AliasChange::Add),
        UserCommand::Revoke { name, open } => delegate(config, name, open, AliasChange::Remove),
        UserCommand::Set {
            name,
            pop_enabled,
            use_protocol_defaults,
            exact_rfc822_size,
            site,
            no_site,
            limits,
        } => {
            let changes = UserChanges {
                pop_enabled: pop_enabled.map(|answer| answer.0),
                use_protocol_defaults: use_protocol_defaults.map(|answer| answer.0),
                sizes: exact_rfc822_size.map(|option| option.0),
                site: site.map(of_site).or(no_site.then_some(SiteChange::Any)),
                alias: None,
                delegate: None,
                quota_octets: limits.quota_octets.map(|option| option.0),
                quota_messages: limits.quota_messages.map(|option| option.0),
                retain_read_secs: limits.retain_read.map(|option| option.0),
                retain_unread_secs: limits.retain_unread.map(|option| option.0),
            };
            if changes == UserChanges::default() {
                return Err(Failure::new(Status::Usage, "nothing to set; try --help"));
            }
            change(config, name, changes)
        }
        UserCommand::Remove { name } => {
            with_server(config, move |mut client| Ok(client.remove_user(&name)?)).map(drop)
        }
    }
}

fn add(
    config: Config,
    name: String,
    password: &NewPassword,
    site: Option<SiteOption>,
) -> Result<(), Failure> {
    let secrets = new_secrets(password, &config)?;
    let changes = UserChanges {
        site: site.map(of_site),
        ..UserChanges::default()
    };
    with_server(config, move |mut client| {
        let user = client.add_user(&name, secrets.hash.clone())?;
        if secrets.has_derived() {
            let derived = secrets.derived(user.maildrop)?;
            client.set_password(&name, secrets.hash, derived)?;
        }
        if changes != UserChanges::default() {
            client.set_user(&name, changes)?;
        }
        Ok(())
    })
}

fn set_password(config: Config, name: String, password: &NewPassword) -> Result<(), Failure> {
    let secrets = new_secrets(password, &config)?;
    with_server(config, move |mut client| {
        let derived = secrets.derived(client.user(&name)?.maildrop)?;
        client.set_password(&name, secrets.hash, derived)?;
        Ok(())
    })
}

fn list(config: Config) -> Result<(), Failure> {
    with_server(config, |mut client| {
        let mut out = Output::new();
        client.users(|user| out.line(&user.name))?;
        out.finish()
    })
}

fn show(config: Config, name: String) -> Result<(), Failure> {
    let (user, usage) = with_server(config, move |mut client| {
        Ok((client.user(&name)?, client.usage(&name)?))
    })?;
    print(&user, &usage)
}

fn change(config: Config, name: String, changes: UserChanges) -> Result<(), Failure> {
    with_server(config, move |mut client| {
        client.set_user(&name, changes)?;
        Ok(())
    })
}

fn change_alias(config: Config, name: String, alias: AliasChange) -> Result<(), Failure> {
    let changes = UserChanges {
        alias: Some(alias),
        ..UserChanges::default()
    };
    change(config, name, changes)
}

/// A right of `name` to the maildrop of `owner`. Both have to be there.
fn delegate(
    config: Config,
    name: String,
    owner: String,
    change: fn(String) -> AliasChange,
) -> Result<(), Failure> {
    with_server(config, move |mut client| {
        let delegate = client.user(&name)?.name;
        let changes = UserChanges {
            delegate: Some(change(delegate)),
            ..UserChanges::default()
        };
        client.set_user(&owner, changes)?;
        Ok(())
    })
}

fn of_site(option: SiteOption) -> SiteChange {
    SiteChange::Of(option.0.into())
}

fn print(user: &UserRow, usage: &UsageRow) -> Result<(), Failure> {
    let exact = user.exact_rfc822_size.map_or("default", yes_or_no);
    let exact = format!("{exact} (in effect: {})", yes_or_no(user.exact_in_effect));
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let (aliases, delegates) = (list(&user.aliases), list(&user.delegates));
    let octets = limit(user.quota_octets, usage.octets_limit, 1);
    let messages = limit(user.quota_messages, usage.messages_limit, 1);
    let read = limit(user.retain_read_secs, usage.read_secs, DAY_SECS);
    let unread = limit(user.retain_unread_secs, usage.unread_secs, DAY_SECS);
    let used = format!("{} messages, {} octets", usage.messages, usage.octets);
    let created = moment(user.created_secs);
    let maildrop = user.maildrop.to_string();
    let table: [(&str, &str); 17] = [
        ("name", &user.name),
        ("aliases", &aliases),
        ("delegates", &delegates),
        ("maildrop", &maildrop),
        ("password", if user.password { "set" } else { "none" }),
        ("nt_hash", if user.nt_hash { "kept" } else { "none" }),
        ("scram_keys", if user.scram_keys { "kept" } else { "none" }),
        ("pop_enabled", yes_or_no(user.pop_enabled)),
        (
            "use_protocol_defaults",
            yes_or_no(user.use_protocol_defaults),
        ),
        ("exact_rfc822_size", &exact),
        ("site", user.site.as_deref().unwrap_or("any")),
        ("used", &used),
        ("quota_octets", &octets),
        ("quota_messages", &messages),
        ("retain_read", &read),
        ("retain_unread", &unread),
        ("created", &created),
    ];
    let mut out = Output::new();
    for (what, value) in table {
        out.line(&format!("{what:<21}  {value}"))?;
    }
    out.finish()
}

/// A limit as it is set, in its unit, and what is in effect where that is said elsewhere.
fn limit(own: Limit, in_effect: Option<u64>, unit: u64) -> String {
    match own {
        Limit::Of(limit) => (limit / unit).to_string(),
        Limit::Unlimited => "unlimited".to_owned(),
        Limit::Default => {
            let in_effect = in_effect.map(|limit| (limit / unit).to_string());
            let in_effect = in_effect.unwrap_or_else(|| "unlimited".to_owned());
            format!("default (in effect: {in_effect})")
        }
    }
}

fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
