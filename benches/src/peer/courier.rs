//! Courier's POP3 server. Debian's package cannot be installed beside other POP3 servers, so its
//! programs are unpacked; its folders in `/etc` and `/run` are its own in its mount namespace.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::dovecot::maildirs;
use super::{Door, MAIL_ID, Peer, Work, copy_group, run};
use crate::Fault;
use crate::mail::Group;
use crate::pop3::PASSWORD;

const PORT: u16 = 23_110;
const PORT_TLS: u16 = 23_995;

/// See the first line.
pub struct Courier {
    work: Work,
}

impl Courier {
    /// As Debian has it.
    pub fn new(work: Work) -> Self {
        Self { work }
    }

    fn folder(&self) -> PathBuf {
        self.work.folder.join("courier")
    }

    /// Accounts with the cheapest hash that it knows.
    fn write_users(&self) -> Result<(), Fault> {
        let script = format!("printf {PASSWORD} | openssl md5 -binary | base64");
        let hash = run(Command::new("sh").args(["-c", &script]))?;
        let hash = String::from_utf8_lossy(&hash).trim().to_owned();
        let mail = self.folder().join("mail").display().to_string();
        let mut text = String::new();
        for group in Group::ALL {
            for account in 0..group.accounts() {
                let name = group.account(account);
                text.push_str(&format!(
                    "{name}\tuid={MAIL_ID}|gid={MAIL_ID}|home={mail}/{name}|systempw={{MD5}}{hash}\n"
                ));
            }
        }
        let path = self.folder().join("etc/userdb");
        fs::write(&path, text)?;
        run(Command::new("chmod").arg("600").arg(path)).map(drop)
    }
}

impl Peer for Courier {
    fn name(&self) -> &'static str {
        "courier"
    }

    fn version(&self) -> String {
        self.work.unpacked_version("Courier", "courier-pop")
    }

    fn settings(&self) -> &'static str {
        "Debian's defaults but for the connection limits, passwords as unsalted MD5"
    }

    fn durability(&self) -> &'static str {
        "removals are not synced"
    }

    fn address(&self, door: Door) -> Option<SocketAddr> {
        let port = match door {
            Door::Plain => PORT,
            Door::Tls => PORT_TLS,
            Door::Lmtp => return None,
        };
        Some(([127, 0, 0, 1], port).into())
    }

    fn seed(&self, group: Group) -> Result<(), Fault> {
        let mail = self.folder().join("mail");
        fs::create_dir_all(&mail)?;
        copy_group(group, &maildirs(&self.work, group)?, &mail)
    }

    fn in_every_row(&self) -> bool {
        false
    }

    fn command(&self) -> Result<Command, Fault> {
        let programs = self.work.unpacked("courier-pop")?;
        let folder = self.folder();
        fs::create_dir_all(folder.join("etc"))?;
        fs::create_dir_all(folder.join("run/authdaemon"))?;
        self.write_users()?;
        fs::copy(
            self.work.certificate_with_key()?,
            folder.join("etc/pop3d.pem"),
        )?;
        let authdaemon = "authmodulelist=\"authuserdb\"\nauthmodulelistorig=\"authuserdb\"\n\
                          daemons=5\nauthdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\n\
                          DEFAULTOPTIONS=\"\"\nLOGGEROPTS=\"\"\n";
        fs::write(folder.join("etc/authdaemonrc"), authdaemon)?;
        let launch = format!(
            r#"set -e
chown -R courier:courier {folder}/run {folder}/etc
chmod 600 {folder}/etc/pop3d.pem
[ -e /etc/courier/dhparams.pem ] && cp /etc/courier/dhparams.pem {folder}/etc/
mount --bind {folder}/etc /etc/courier
mkdir -p /run/courier
mount --bind {folder}/run /run/courier
makeuserdb
/usr/sbin/authdaemond start
limits="-maxprocs=12000 -maxperip=12000 -maxperc=12000 -nodnslookup -noidentlookup"
lib={lib}
export prefix=/usr POP3AUTH= POP3_PROXY=0 POP3_STARTTLS=YES POP3_TLS_REQUIRED=0
export COURIERTLS=/usr/bin/couriertls TLS_CERTFILE=/etc/courier/pop3d.pem
export TLS_DHPARAMS=/etc/courier/dhparams.pem TLS_VERIFYPEER=NONE PATH=/usr/bin:/bin
export TLS_TRUSTCERTS=/etc/ssl/certs/ca-certificates.crt
cd /usr
/usr/sbin/courierlogger -pid=/run/courier/pop3d.pid -start -name=pop3d \
    /usr/sbin/couriertcpd -address=127.0.0.1 $limits {PORT} $lib/courierpop3login $lib/courierpop3d .
export POP3_TLS=1 POP3_STARTTLS=NO
/usr/sbin/courierlogger -pid=/run/courier/pop3d-ssl.pid -start -name=pop3d-ssl \
    /usr/sbin/couriertcpd -address=127.0.0.1 $limits {PORT_TLS} \
    /usr/bin/couriertls -server -tcpd -user=courier $lib/courierpop3login $lib/courierpop3d .
exec sleep infinity
"#,
            folder = folder.display(),
            lib = programs.join("usr/lib/courier/courier").display(),
        );
        let path = folder.join("launch");
        fs::write(&path, launch)?;
        let mut command = Command::new("sh");
        command.arg(path);
        Ok(command)
    }
}
