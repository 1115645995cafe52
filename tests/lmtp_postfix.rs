//! Debian's Postfix delivers over LMTP, also while the server is killed and started again.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "real_clients/child.rs"]
mod child;
mod daemon_program;
mod mta;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use child::program;
use daemon_program::Signal;
use mta::{messages, place};
use nix::unistd::{Pid, User, chown};
use tempfile::TempDir;

/// A line of the log that does not come by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

const MASTER: &str = "\
127.0.0.1:PORT inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
";

/// A Postfix of the test's own: mail for tcp.example and unix.example goes on over LMTP.
struct Postfix {
    folder: TempDir,
    port: u16,
    child: Child,
    log: Receiver<String>,
    /// What was read of its log.
    read: Vec<String>,
}

impl Postfix {
    fn start(tcp: &str, unix: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().display();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        for name in ["conf", "queue", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let postfix = User::from_name("postfix").unwrap();
        let postfix = postfix.expect("install the Debian package postfix (`make test` does)");
        chown(&folder.path().join("data"), Some(postfix.uid), None).unwrap();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {home}/queue\ndata_directory = \
             {home}/data\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = /dev/stdout\nmyhostname \
             = mta.example\nmydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\nrelay_domains = tcp.example, unix.example\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\ntransport_maps = inline:{{ \
             {{tcp.example=lmtp:inet:{tcp}}}, {{unix.example=lmtp:unix:{}}} }}\n\
             minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n\
             alias_maps =\nalias_database =\nfast_flush_domains =\n\
             lmtp_destination_recipient_limit = 50\n\
             transport_retry_time = 1s\n",
            unix.display()
        );
        fs::write(folder.path().join("conf/main.cf"), main).unwrap();
        let master = MASTER.replace("PORT", &port.to_string());
        fs::write(folder.path().join("conf/master.cf"), master).unwrap();
        drop(taken);
        let mut command = program("postfix", "postfix", folder.path());
        command
            .arg("-c")
            .arg(folder.path().join("conf"))
            .arg("start-fg");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (lines, log) = channel();
        // It has to be read on, or Postfix would wait with its next line.
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| lines.send(line))
        });
        let mut postfix = Self {
            folder,
            port,
            child,
            log,
            read: Vec::new(),
        };
        postfix.wait_for("daemon started", 1);
        postfix
    }

    /// Reads its log until so many lines have this in them.
    #[track_caller]
    fn wait_for(&mut self, what: &str, lines: usize) {
        while self.count(what) < lines {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => self.read.push(line),
                Err(_) => panic!("{what}: {}\n{}", self.count(what), self.read.join("\n")),
            }
        }
    }

    fn count(&self, what: &str) -> usize {
        self.read.iter().filter(|line| line.contains(what)).count()
    }

    /// Hands it a message over SMTP.
    fn submit(&self, recipients: &[&str], subject: &str) {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let mut client = BufReader::new(tcp);
        let mut reply = |command: String, code: &str| {
            client.get_mut().write_all(command.as_bytes()).unwrap();
            let mut line = String::new();
            client.read_line(&mut line).unwrap();
            assert!(line.starts_with(code), "{command}: {line}");
        };
        reply(String::new(), "220");
        reply("HELO client.example\r\n".into(), "250");
        reply("MAIL FROM:<sender@client.example>\r\n".into(), "250");
        for recipient in recipients {
            reply(format!("RCPT TO:<{recipient}>\r\n"), "250");
        }
        reply("DATA\r\n".into(), "354");
        reply(format!("Subject: {subject}\r\n\r\nbody\r\n.\r\n"), "250");
        reply("QUIT\r\n".into(), "221");
    }
}

impl Drop for Postfix {
    /// Its master ends, and all that it started with it.
    fn drop(&mut self) {
        let file = self.folder.path().join("queue/pid/master.pid");
        let mut number = String::new();
        let read = fs::File::open(file).and_then(|mut file| file.read_to_string(&mut number));
        if let (Ok(_), Ok(number)) = (read, number.trim().parse()) {
            let _ = nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn postfix_delivers_over_tcp_and_over_a_unix_socket() {
    let place = place(&["ann", "ben"], "");
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = place.daemon();
    let tcp = &daemon.lmtp[0];
    let mut postfix = Postfix::start(tcp, &place.path("lmtp"));
    postfix.submit(&["ann@tcp.example", "ben+tag@tcp.example"], "over tcp");
    postfix.submit(&["ann@unix.example", "ben@unix.example"], "over unix");
    postfix.submit(&["zoe@unix.example"], "to nobody");
    postfix.wait_for("status=sent", 4);
    postfix.wait_for("status=bounced", 1);
    assert_eq!(postfix.count("550 5.1.1 no such user here"), 1);
    for user in ["ann", "ben"] {
        let messages = messages(daemon.addresses[0], user);
        assert_eq!(messages.len(), 2, "{messages:?}");
        for message in messages {
            assert!(message.starts_with("Return-Path: <sender@client.example>\r\n"));
            assert!(message.contains("\r\nDelivered-To: "), "{message}");
        }
    }
}

#[test]
fn every_message_arrives_although_the_server_is_killed_again_and_again() {
    const MESSAGES: usize = 40;
    let place = place(&["ann"], "");
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let mut daemon = place.daemon();
    let mut postfix = Postfix::start("127.0.0.1:9", &place.path("lmtp"));
    for number in 0..MESSAGES {
        postfix.submit(&["ann@unix.example"], &format!("number {number}"));
        if number % 10 == 5 {
            // At whatever point its deliveries are.
            drop(daemon);
            daemon = place.daemon();
        }
    }
    postfix.wait_for("status=sent", MESSAGES);
    let messages = messages(daemon.addresses[0], "ann");
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &messages {
        let subject = message.lines().find(|line| line.starts_with("Subject: "));
        *copies.entry(subject.unwrap()).or_default() += 1;
    }
    assert_eq!(copies.len(), MESSAGES, "{copies:?}");
    // What was acknowledged is never sent again. A message whose answer was lost with the
    // server may be there twice (RFC 2033 s5 leaves it to the client's queue).
    let unanswered = postfix.count("while sending end of data");
    assert!(messages.len() <= MESSAGES + unanswered, "{copies:?}");
}
