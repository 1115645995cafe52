//! What can be written on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use mailroost_protocol::RefusalId;
use mailroost_storage::import::unique_ids::UniqueIds;
use structopt::StructOpt;
use structopt::clap::AppSettings;

use crate::calendar::{DAY_SECS, parse_moment};
use crate::config::{Setting, SiteName};
use crate::control::{Limit, Sizes};

/// A POP3 server with the semantics of Microsoft Exchange's POP3 service.
#[derive(Debug, StructOpt)]
#[structopt(name = "mailroost", setting = AppSettings::VersionlessSubcommands,
    setting = AppSettings::DisableHelpSubcommand, global_setting = AppSettings::ColorNever)]
pub(super) struct Options {
    /// The configuration file [default: /etc/mailroost/mailroost.toml, if it is there]
    #[structopt(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[structopt(subcommand)]
    pub command: Command,
}

#[derive(Debug, StructOpt)]
pub(super) enum Command {
    /// Serves in the foreground
    ///
    /// SIGTERM and SIGINT drain: no new connections, sessions end at a command boundary, then
    /// the exit status is 0. A second signal ends at once, with 75. SIGHUP reloads certificates
    /// and settings without dropping a session.
    Serve,
    /// Says what is wrong with a configuration file, if anything
    CheckConfig {
        #[structopt(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Prints the effective settings, with their defaults and ranges explained
    PrintConfig {
        #[structopt(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Serves a few messages on this machine alone, to try it out
    Demo,
    /// Users
    User(UserCommand),
    /// Mail of a user
    Mail(MailCommand),
    /// The store, while no daemon has it
    Store(StoreCommand),
    /// Removal of messages by their age
    Retention(RetentionCommand),
    /// Prints the supervision tree of the daemon
    Status,
    /// Who is banned for failing to log on too often
    Bans(BansCommand),
    /// Explains a refusal by its id: which rule, limit and setting was behind it
    Why {
        /// The id, from the log or the end of the reply
        id: RefusalId,
        /// Searches this log file in place of the daemon's memory
        #[structopt(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
}

#[derive(Debug, StructOpt)]
pub(super) enum BansCommand {
    /// Lists the bans: scope, time left, how many in a row, setting, address and user
    List,
    /// Lifts bans and forgets the failures that led to them
    Clear {
        /// An address (with its /64) or a user name [default: everybody]
        #[structopt(value_name = "ADDR|USER")]
        whom: Option<String>,
    },
}

#[derive(Debug, StructOpt)]
pub(super) struct NewPassword {
    /// Takes the password from standard input: its first line
    #[structopt(long)]
    pub password_stdin: bool,
    /// Has no password: nobody can log on with one
    #[structopt(long, conflicts_with = "password-stdin")]
    pub no_password: bool,
    /// Has the password of this hash, which another program made: see docs/authentication.md.
    /// It is replaced at the next good log-on
    #[structopt(long, value_name = "HASH", conflicts_with_all = &["password-stdin", "no-password"])]
    pub hash: Option<String>,
    /// Keeps the NT hash, too, sealed with auth.ntlm.key_file: NTLM needs it
    #[structopt(long, conflicts_with_all = &["no-password", "hash"])]
    pub nt_hash: bool,
}

#[derive(Debug, StructOpt)]
pub(super) enum UserCommand {
    /// Adds a user with an empty maildrop
    Add {
        name: String,
        #[structopt(flatten)]
        password: NewPassword,
        /// The site that has the maildrop [default: any]
        #[structopt(long, value_name = "NAME")]
        site: Option<SiteOption>,
    },
    /// Gives a user another password
    Passwd {
        name: String,
        #[structopt(flatten)]
        password: NewPassword,
    },
    /// Adds the users of a file of names and hashes, as passwd(5), shadow(5) or Dovecot have it
    ///
    /// Lines that cannot be used are named; the other ones count. Users that are there already
    /// stay as they are.
    ImportPasswd {
        #[structopt(value_name = "FILE")]
        file: PathBuf,
        /// Gives users that are there already the password of the file
        #[structopt(long)]
        replace: bool,
    },
    /// Passwords for one device or program of a user
    AppPassword(AppPasswordCommand),
    /// Lists the users by name
    List,
    /// Shows what is kept of a user
    Show { name: String },
    /// Changes what is kept of a user
    Set {
        name: String,
        /// Whether the user may log on: yes, no
        #[structopt(long, value_name = "ANSWER")]
        pop_enabled: Option<YesOrNo>,
        /// Whether the settings of [protocol] count in place of the user's own: yes, no
        #[structopt(long, value_name = "ANSWER")]
        use_protocol_defaults: Option<YesOrNo>,
        /// Whether STAT and LIST report exact sizes to this user: yes, no, default. Counts when
        /// use_protocol_defaults is no
        #[structopt(long, value_name = "ANSWER")]
        exact_rfc822_size: Option<SizesOption>,
        /// The site that has the maildrop
        #[structopt(long, value_name = "NAME")]
        site: Option<SiteOption>,
        /// Every site has the maildrop
        #[structopt(long, conflicts_with = "site")]
        no_site: bool,
        #[structopt(flatten)]
        limits: UserLimits,
    },
    /// Other names and addresses of a user
    Alias(AliasCommand),
    /// Lets a user open the maildrop of another
    Grant {
        /// Who shall be let in, with their own password
        name: String,
        /// Whose maildrop it is
        #[structopt(long, value_name = "OWNER")]
        open: String,
    },
    /// Takes such a right back; sessions that are open go on
    Revoke {
        /// Who was let in
        name: String,
        /// Whose maildrop it is
        #[structopt(long, value_name = "OWNER")]
        open: String,
    },
    /// Removes a user with the maildrop and all its messages
    Remove { name: String },
}

// What may be in a user's maildrop, and for how long (no doc comment: it would be the command's help).
#[derive(Debug, StructOpt)]
pub(super) struct UserLimits {
    /// The most octets of all messages: a number, unlimited, default
    #[structopt(long, value_name = "OCTETS")]
    pub quota_octets: Option<LimitOption>,
    /// The most messages: a number, unlimited, default
    #[structopt(long, value_name = "COUNT")]
    pub quota_messages: Option<LimitOption>,
    /// For how long messages stay that a session has retrieved: days, unlimited, default
    #[structopt(long, value_name = "DAYS")]
    pub retain_read: Option<DaysOption>,
    /// For how long the others stay: days, unlimited, default
    #[structopt(long, value_name = "DAYS")]
    pub retain_unread: Option<DaysOption>,
}

#[derive(Debug, StructOpt)]
pub(super) enum AliasCommand {
    /// Gives a user another name; nobody else may have it
    Add { name: String, alias: String },
    /// Takes it away
    Remove { name: String, alias: String },
}

#[derive(Debug, StructOpt)]
pub(super) enum RetentionCommand {
    /// Removes now what has been there for too long
    ///
    /// Prints for each user of whom something goes: name, messages, their octets, when the
    /// oldest was received, messages that can be brought back no longer, octets that they
    /// occupied.
    Run {
        /// Says what would go, and changes nothing
        #[structopt(long)]
        dry_run: bool,
    },
}

#[derive(Debug, StructOpt)]
pub(super) enum AppPasswordCommand {
    /// Makes one and prints it, once
    Add {
        user: String,
        /// What the user calls it
        label: String,
    },
    /// Lists them: id, time of making, label
    List { user: String },
    /// Removes one, by its label or its id
    Remove {
        user: String,
        #[structopt(value_name = "LABEL")]
        which: String,
    },
}

#[derive(Debug, StructOpt)]
pub(super) enum MailCommand {
    /// Delivers the message on standard input; prints its unique-id
    Deliver { user: String },
    /// Lists the messages: unique-id, octets, time of receipt
    List { user: String },
    /// Writes a message to standard output, as RETR sends it
    Show { user: String, unique_id: String },
    /// Removes messages, all or none
    Remove {
        user: String,
        #[structopt(required_unless = "all")]
        unique_ids: Vec<String>,
        /// Removes all messages
        #[structopt(long, conflicts_with = "unique-ids")]
        all: bool,
    },
    /// Writes all messages as an mbox file to standard output, or where an option says
    Export {
        user: String,
        /// Into an mbox file, which must not be there yet
        #[structopt(long, value_name = "FILE")]
        mbox: Option<PathBuf>,
        /// Into a Maildir
        #[structopt(long, value_name = "FOLDER", conflicts_with = "mbox")]
        maildir: Option<PathBuf>,
        /// Puts the unique-id of each message into it, as X-UIDL
        #[structopt(long)]
        x_uidl: bool,
    },
    /// Brings in the messages of an mbox file or a Maildir
    Import {
        user: String,
        /// From an mbox file
        #[structopt(long, value_name = "FILE", required_unless = "maildir")]
        mbox: Option<PathBuf>,
        /// From a Maildir
        #[structopt(long, value_name = "FOLDER", conflicts_with = "mbox")]
        maildir: Option<PathBuf>,
        /// Keeps unique-ids: x-uidl (the header field), dovecot:FILE (dovecot-uidlist),
        /// courier:FILE (courierpop3dsizelist), columns:FILE (number or file name, unique-id)
        #[structopt(long, value_name = "HOW")]
        keep_unique_ids: Option<KeepUniqueIds>,
        /// Passes over so many messages at the beginning, which an earlier attempt brought in
        #[structopt(long, value_name = "COUNT", default_value = "0")]
        pass_over: u64,
        /// Goes beyond the quota, if need be
        #[structopt(long)]
        ignore_quota: bool,
    },
    /// Lists what was removed and can be brought back: unique-id, octets, when it was received
    /// and removed, and by which session (as in the log; or retention, or operator)
    Deleted { user: String },
    /// Brings back messages that were removed, all or none, under new unique-ids; prints the old
    /// and the new ones
    Undelete {
        user: String,
        /// Those removed since then: 2026-11-24T08:00:00Z, 2026-11-24, or so long ago: 90m, 2h, 3d
        #[structopt(long, value_name = "TIME")]
        since: Option<Moment>,
        /// Those removed by this session
        #[structopt(long, value_name = "ID")]
        session: Option<String>,
        /// Those that had these unique-ids
        #[structopt(long = "id", value_name = "UNIQUE-ID")]
        unique_ids: Vec<String>,
        /// Goes beyond the quota, if need be
        #[structopt(long)]
        ignore_quota: bool,
    },
    /// Gives up removed messages for good, before their time is over
    Purge {
        #[structopt(required_unless = "all")]
        user: Option<String>,
        /// Those of all users
        #[structopt(long, conflicts_with = "user")]
        all: bool,
        /// Only those that were removed so many days ago or earlier
        #[structopt(long, value_name = "DAYS", default_value = "0")]
        older_than: u64,
    },
}

#[derive(Debug, StructOpt)]
pub(super) enum StoreCommand {
    /// Reads everything and says what is damaged; changes nothing
    Verify,
    /// Makes the index anew from the messages
    Rebuild,
    /// Opens an index that may be damaged, in a process that may die
    #[structopt(setting = AppSettings::Hidden)]
    Probe { folder: PathBuf },
}

/// Yes or no.
#[derive(Debug, Clone, Copy)]
pub(super) struct YesOrNo(pub bool);

impl FromStr for YesOrNo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "yes" => Ok(Self(true)),
            "no" => Ok(Self(false)),
            _ => Err("accepted: yes, no"),
        }
    }
}

/// What STAT and LIST report.
#[derive(Debug, Clone, Copy)]
pub(super) struct SizesOption(pub Sizes);

impl FromStr for SizesOption {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "yes" => Ok(Self(Sizes::Exact)),
            "no" => Ok(Self(Sizes::Stored)),
            "default" => Ok(Self(Sizes::Default)),
            _ => Err("accepted: yes, no, default"),
        }
    }
}

/// A limit of a user's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitOption(pub Limit);

impl FromStr for LimitOption {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self(Limit::Default)),
            "unlimited" => Ok(Self(Limit::Unlimited)),
            number => number
                .parse()
                .map(|number| Self(Limit::Of(number)))
                .map_err(|_| "accepted: a number, unlimited, default"),
        }
    }
}

/// An age of a user's own, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaysOption(pub Limit);

/// As for the ages of all users.
const DAYS_MAX: u64 = 36_500;

impl FromStr for DaysOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(LimitOption(Limit::Of(days @ 1..=DAYS_MAX))) => Ok(Self(Limit::Of(days * DAY_SECS))),
            Ok(LimitOption(limit @ (Limit::Default | Limit::Unlimited))) => Ok(Self(limit)),
            Ok(LimitOption(Limit::Of(_))) | Err(_) => Err(format!(
                "accepted: 1 to {DAYS_MAX} days, unlimited, default"
            )),
        }
    }
}

/// A point in time: one in UTC, or so many seconds ago.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    At(u64),
    Ago(u64),
}

impl Moment {
    /// In seconds since 1970-01-01 UTC.
    pub(super) fn secs(self, now_secs: u64) -> u64 {
        match self {
            Self::At(secs) => secs,
            Self::Ago(secs) => now_secs.saturating_sub(secs),
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [('m', 60), ('h', 3600), ('d', DAY_SECS)];
        let ago = units.into_iter().find_map(|(unit, secs)| {
            let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Self::Ago(count.saturating_mul(secs)))
        });
        ago.or_else(|| parse_moment(text).map(Self::At))
            .ok_or("accepted: 2026-11-24T08:00:00Z, 2026-11-24, 90m, 2h, 3d and the like")
    }
}

/// The name of a site.
#[derive(Debug, Clone)]
pub(super) struct SiteOption(pub SiteName);

impl FromStr for SiteOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        SiteName::try_from(text.to_owned())
            .map(Self)
            .map_err(|_| format!("accepted: {}", SiteName::accepted()))
    }
}

/// Where the unique-ids of an import come from.
#[derive(Debug, Clone)]
pub(super) struct KeepUniqueIds(pub UniqueIds);

impl FromStr for KeepUniqueIds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (how, file) = text.split_once(':').unwrap_or((text, ""));
        match (how, file) {
            ("x-uidl", "") => Ok(Self(UniqueIds::XUidl)),
            ("dovecot", file) if !file.is_empty() => Ok(Self(UniqueIds::Dovecot(file.into()))),
            ("courier", file) if !file.is_empty() => Ok(Self(UniqueIds::Courier(file.into()))),
            ("columns", file) if !file.is_empty() => Ok(Self(UniqueIds::TwoColumns(file.into()))),
            _ => Err("accepted: x-uidl, dovecot:FILE, courier:FILE, columns:FILE"),
        }
    }
}
