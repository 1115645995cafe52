//! popa3d. It serves system accounts and mboxes in `/var/mail`; in its mount namespace it has
//! accounts and a `/var/mail` of its own. It runs from Courier's `couriertcpd`, as from inetd:
//! by itself it takes no more than 50 connections a second.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::{Door, MAIL_ID, Peer, Work, run};
use crate::Fault;
use crate::mail::{Group, write_mboxes};
use crate::pop3::PASSWORD;

const PORT: u16 = 24_110;

/// See the first line.
pub struct Popa3d {
    work: Work,
}

impl Popa3d {
    /// As Debian has it.
    pub fn new(work: Work) -> Self {
        Self { work }
    }

    fn folder(&self) -> PathBuf {
        self.work.folder.join("popa3d")
    }

    fn write_accounts(&self) -> Result<(), Fault> {
        let etc = self.folder().join("etc");
        let hash = run(Command::new("openssl").args(["passwd", "-1", "-salt", "bench", PASSWORD]))?;
        let hash = String::from_utf8_lossy(&hash).trim().to_owned();
        let mut passwd = String::from(
            "root:x:0:0:root:/root:/bin/sh\npopa3d:x:4999:4999::/var/lib/popa3d:/bin/false\n",
        );
        for group in Group::ALL {
            for account in 0..group.accounts() {
                let name = group.account(account);
                passwd.push_str(&format!(
                    "{name}:x:{MAIL_ID}:{MAIL_ID}::/nonexistent:/bin/false\n"
                ));
            }
        }
        let shadow: String = passwd
            .lines()
            .filter_map(|line| line.split(':').next())
            .map(|name| format!("{name}:{hash}:20000:0:99999:7:::\n"))
            .collect();
        fs::write(etc.join("passwd"), passwd)?;
        fs::write(etc.join("shadow"), shadow)?;
        let groups = "root:x:0:\nmail:x:8:\npopa3d:x:4999:\nmailbox:x:5000:\n";
        Ok(fs::write(etc.join("group"), groups)?)
    }
}

impl Peer for Popa3d {
    fn name(&self) -> &'static str {
        "popa3d"
    }

    fn version(&self) -> String {
        self.work.unpacked_version("popa3d", "popa3d")
    }

    fn settings(&self) -> &'static str {
        "from couriertcpd as from inetd, mbox, no TLS, passwords as MD5-crypt through PAM"
    }

    fn durability(&self) -> &'static str {
        "the mbox is written anew at QUIT, as it does it by itself"
    }

    fn in_every_row(&self) -> bool {
        false
    }

    fn address(&self, door: Door) -> Option<SocketAddr> {
        match door {
            Door::Plain => Some(([127, 0, 0, 1], PORT).into()),
            Door::Tls | Door::Lmtp => None,
        }
    }

    fn seed(&self, group: Group) -> Result<(), Fault> {
        let mail = self.folder().join("mail");
        fs::create_dir_all(&mail)?;
        Ok(write_mboxes(group, &mail, MAIL_ID)?)
    }

    fn command(&self) -> Result<Command, Fault> {
        let programs = self.work.unpacked("popa3d")?;
        let folder = self.folder();
        fs::create_dir_all(folder.join("etc"))?;
        fs::create_dir_all(folder.join("mail"))?;
        self.write_accounts()?;
        fs::copy(programs.join("etc/pam.d/popa3d"), folder.join("etc/pam"))?;
        let launch = format!(
            "set -e\nchmod 1777 {folder}/mail\nmount --bind {folder}/mail /var/mail\n\
             mkdir -p {folder}/lib/popa3d\nmount --bind {folder}/lib /var/lib\n\
             rm -rf {folder}/pam.d\ncp -a /etc/pam.d {folder}/pam.d\n\
             cp {folder}/etc/pam {folder}/pam.d/popa3d\nmount --bind {folder}/pam.d /etc/pam.d\n\
             for file in passwd shadow group; do mount --bind {folder}/etc/$file /etc/$file; done\n\
             exec couriertcpd -address=127.0.0.1 -nodnslookup -noidentlookup -maxprocs=12000 \
             -maxperip=12000 -maxperc=12000 {PORT} {program}\n",
            folder = folder.display(),
            program = programs.join("usr/sbin/popa3d").display(),
        );
        let path = folder.join("launch");
        fs::write(&path, launch)?;
        let mut command = Command::new("sh");
        command.arg(path);
        Ok(command)
    }
}
