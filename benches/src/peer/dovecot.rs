//! Dovecot, in its high-performance mode: login and pop3 processes that serve one connection
//! after another.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Door, MAIL_ID, Peer, Work, copy_fresh, copy_group, first_line, run};
use crate::Fault;
use crate::drive::side_by_side;
use crate::mail::{Group, write_maildirs};
use crate::pop3::PASSWORD;

/// Imports side by side.
const IMPORTERS: usize = 2;

/// How it keeps mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A file for each message, its facts in the name.
    Maildir,
    /// A file for each message, and an index.
    Sdbox,
}

/// See the first line.
pub struct Dovecot {
    work: Work,
    format: Format,
}

impl Dovecot {
    /// Keeps mail in `format`.
    pub fn new(work: Work, format: Format) -> Self {
        Self { work, format }
    }

    fn folder(&self) -> PathBuf {
        self.work.folder.join(self.name())
    }

    fn store(&self) -> PathBuf {
        self.folder().join("mail")
    }

    fn base(&self) -> u16 {
        match self.format {
            Format::Maildir => 21_000,
            Format::Sdbox => 22_000,
        }
    }

    fn location(&self) -> &'static str {
        match self.format {
            Format::Maildir => "maildir",
            Format::Sdbox => "sdbox",
        }
    }

    fn write_users(&self) -> Result<PathBuf, Fault> {
        let path = self.folder().join("users");
        let mut text = String::new();
        for group in Group::ALL {
            for account in 0..group.accounts() {
                text.push_str(&format!("{}:{{PLAIN}}{PASSWORD}\n", group.account(account)));
            }
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Dovecot itself turns the Maildirs into its own format, below `store`.
    fn import(&self, group: Group, store: &Path) -> Result<(), Fault> {
        let maildirs = maildirs(&self.work, group)?;
        let conf = self.folder().join("import.conf");
        let folder = self.folder().display().to_string();
        let text = format!(
            "base_dir = {folder}/import-run\nlog_path = {folder}/import.log\n\
             mail_uid = {MAIL_ID}\nmail_gid = {MAIL_ID}\nmail_fsync = never\nssl = no\n"
        );
        fs::write(&conf, text)?;
        side_by_side(IMPORTERS, group.accounts(), |account| {
            let name = group.account(account);
            let target = store.join(&name);
            if target.exists() {
                fs::remove_dir_all(&target)?;
            }
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&target)?;
            std::os::unix::fs::chown(&target, Some(MAIL_ID), Some(MAIL_ID))?;
            if group.messages() == 0 {
                return Ok(());
            }
            // An import moves the messages of its source.
            let source = self.folder().join(format!("import-{name}"));
            copy_fresh(&maildirs.join(&name), &source)?;
            run(Command::new("doveadm")
                .env("USER", &name)
                .env("HOME", &folder)
                .arg("-c")
                .arg(&conf)
                .arg("-o")
                .arg(format!("mail_location=sdbox:{}", target.display()))
                .args(["import", &format!("maildir:{}", source.display())])
                .args(["", "all"]))?;
            fs::remove_dir_all(&source)?;
            match target.join("mailboxes/INBOX/dbox-Mails").exists() {
                true => Ok(()),
                false => Err(Fault::text("doveadm imported nothing")),
            }
        })
    }

    /// What is emptied again and again is imported once.
    fn seed_sdbox(&self, group: Group) -> Result<(), Fault> {
        if !group.is_changed() {
            return self.import(group, &self.store());
        }
        let pristine = self.folder().join("pristine").join(group.name());
        let done = self
            .folder()
            .join(format!("pristine-{}.done", group.shape_name()));
        if !done.exists() {
            fs::create_dir_all(&pristine)?;
            self.import(group, &pristine)?;
            fs::write(done, "")?;
        }
        copy_group(group, &pristine, &self.store())
    }
}

impl Peer for Dovecot {
    fn name(&self) -> &'static str {
        match self.format {
            Format::Maildir => "dovecot-maildir",
            Format::Sdbox => "dovecot-sdbox",
        }
    }

    fn version(&self) -> String {
        format!("Dovecot {}", first_line("dovecot", "--version"))
    }

    fn settings(&self) -> &'static str {
        "login and pop3 processes reused (service_count = 0, two login processes waiting), \
         passwords in plain text"
    }

    fn durability(&self) -> &'static str {
        "mail_fsync = optimized, its default: a delivery is synced before it is acknowledged, the \
         removals of QUIT are not"
    }

    /// Importing 100,000 messages takes minutes.
    fn takes(&self, group: Group) -> bool {
        self.format == Format::Maildir || group != Group::Huge
    }

    fn address(&self, door: Door) -> Option<SocketAddr> {
        let port = match door {
            Door::Plain => 110,
            Door::Tls => 995,
            Door::Lmtp => 24,
        };
        Some(([127, 0, 0, 1], self.base() + port).into())
    }

    fn seed(&self, group: Group) -> Result<(), Fault> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(self.store())?;
        match self.format {
            Format::Maildir => copy_group(group, &maildirs(&self.work, group)?, &self.store()),
            Format::Sdbox => self.seed_sdbox(group),
        }
    }

    fn command(&self) -> Result<Command, Fault> {
        fs::create_dir_all(self.folder())?;
        let users = self.write_users()?;
        let (folder, work) = (self.folder(), self.work.folder.display());
        let (base, mail) = (self.base(), self.location());
        let text = format!(
            r"base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{work}/cert.pem
ssl_key = <{work}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = static
  args = uid={MAIL_ID} gid={MAIL_ID} home={folder}/homes/%n
}}
mail_location = {mail}:{folder}/mail/%n
first_valid_uid = {MAIL_ID}
service anvil {{
  client_limit = 30000
}}
service auth {{
  client_limit = 60000
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  process_limit = 12000
  service_count = 0
  process_min_avail = 2
  client_limit = 12000
}}
service pop3 {{
  process_limit = 12000
  service_count = 0
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@bench.test
  auth_username_format = %n
}}
",
            folder = folder.display(),
            users = users.display(),
            pop3 = base + 110,
            pop3s = base + 995,
            lmtp = base + 24,
        );
        let conf = folder.join("dovecot.conf");
        fs::write(&conf, text)?;
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(conf);
        Ok(command)
    }
}

/// The group's Maildirs, made once.
pub(super) fn maildirs(work: &Work, group: Group) -> Result<PathBuf, Fault> {
    let folder = work.folder.join("maildirs").join(group.name());
    let done = work
        .folder
        .join(format!("maildirs-{}.done", group.shape_name()));
    if !done.exists() {
        write_maildirs(group, &folder, MAIL_ID)?;
        fs::write(done, "")?;
    }
    Ok(folder)
}
