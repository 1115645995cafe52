//! Debian's Dovecot, on a port and in a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Gid, Uid};

use super::Place;

/// Nobody, in whose name Dovecot reads mail when the test runs as root: it refuses root.
const NOBODY: u32 = 65_534;

/// A Dovecot that serves POP3 inside TLS; ended by its process id when dropped.
pub struct Dovecot {
    child: Child,
    pub address: SocketAddr,
    homes: PathBuf,
}

impl Dovecot {
    /// Starts it with the user `ann` (password `secret`) and these messages, and waits until it
    /// serves.
    pub fn start(place: &Place, messages: &[&str]) -> Self {
        let folder = place.folder();
        // Its processes have users of their own.
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, everybody).unwrap();
        let homes = folder.join("homes");
        let owner = if Uid::effective().is_root() {
            NOBODY
        } else {
            Uid::effective().as_raw()
        };
        fill(&homes, owner, messages);
        std::fs::write(folder.join("users"), "ann:{PLAIN}secret\n").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let address = address.unwrap();
        let settings = folder.join("dovecot.conf");
        std::fs::write(&settings, configuration(place, owner, address)).unwrap();
        let mut child = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(&settings)
            .stderr(Stdio::piped())
            .spawn()
            .expect("dovecot starts; Debian has it in the package dovecot-pop3d");
        let log = BufReader::new(child.stderr.take().unwrap());
        let dovecot = Self {
            child,
            address,
            homes,
        };
        let mut said = String::new();
        let mut lines = log.lines().map_while(Result::ok);
        for line in lines.by_ref() {
            if line.contains("starting up") {
                // It has to be read on, or Dovecot would wait with its next line.
                std::thread::spawn(move || lines.for_each(drop));
                return dovecot;
            }
            said.push_str(&line);
        }
        panic!("dovecot ended before it served: {said}");
    }

    /// The messages that it has now.
    pub fn messages(&self) -> usize {
        let files = |name: &str| {
            let folder = self.homes.join("ann/Maildir").join(name);
            std::fs::read_dir(folder).map_or(0, Iterator::count)
        };
        files("new") + files("cur")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        // Asked, so that it ends its processes itself.
        let _ = kill(process, Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn fill(homes: &Path, owner: u32, messages: &[&str]) {
    let maildir = homes.join("ann/Maildir");
    let folders = ["new", "cur", "tmp"].map(|name| maildir.join(name));
    for folder in &folders {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (index, message) in messages.iter().enumerate() {
        let file = folders[0].join(format!("{}.test", 1_800_000_000 + index));
        std::fs::write(&file, message).unwrap();
        chown(file, Some(owner), Some(owner)).unwrap();
    }
    let above = [homes, &homes.join("ann"), &maildir];
    let folders = folders.iter().map(PathBuf::as_path);
    for folder in above.into_iter().chain(folders) {
        chown(folder, Some(owner), Some(owner)).unwrap();
    }
}

fn configuration(place: &Place, owner: u32, address: SocketAddr) -> String {
    let folder = place.folder().display();
    // As root it changes to the users that its package has made; else all is one user's.
    let users = if Uid::effective().is_root() {
        String::new()
    } else {
        let (user, group) = (Uid::effective(), Gid::effective());
        let user = nix::unistd::User::from_uid(user).unwrap().unwrap().name;
        let group = nix::unistd::Group::from_gid(group).unwrap().unwrap().name;
        format!(
            "default_internal_user = {user}\ndefault_login_user = {user}\n\
             default_internal_group = {group}\nservice anvil {{\n chroot =\n}}\n"
        )
    };
    format!(
        "base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = /dev/stderr\n\
         protocols = pop3\nlisten = {ip}\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n{users}\
         ssl = required\nssl_cert = <{certificate}\nssl_key = <{key}\n\
         passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n\
         userdb {{\n driver = static\n args = uid={owner} gid={owner} home={folder}/homes/%n\n}}\n\
         mail_location = maildir:~/Maildir\n\
         service pop3-login {{\n chroot =\n inet_listener pop3 {{\n  port = 0\n }}\n\
         inet_listener pop3s {{\n  port = {port}\n  ssl = yes\n }}\n}}\n",
        ip = address.ip(),
        port = address.port(),
        certificate = place.certificate(),
        key = place.key(),
    )
}
