//! A Kerberos realm in a temporary folder: its KDC listens on loopback and is ended by its
//! process id.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

use super::child::program;

/// The realm's name.
pub const REALM: &str = "TEST.LAN";

/// The password of all principals that are people.
pub const PASSWORD: &str = "open sesame";

/// How often another port is tried when somebody else took the one that was free.
const STARTS_MAX: usize = 5;

/// A realm with the principals `ann` and `bob`, who can have tickets.
pub struct Realm {
    folder: TempDir,
    /// With what it says, which has to stay open.
    kdc: Option<(Child, BufReader<ChildStderr>)>,
}

impl Realm {
    pub fn start() -> Self {
        let mut realm = Self {
            folder: tempfile::tempdir().unwrap(),
            kdc: None,
        };
        realm.configure(0);
        realm.tool(
            "kdb5_util",
            "krb5-kdc",
            &["create", "-s", "-P", "master"],
            "",
        );
        for name in ["ann", "bob", "ann/admin"] {
            realm.administer(&format!("addprinc -pw \"{PASSWORD}\" {name}"));
        }
        // Somebody has a ticket for it, and nobody its key.
        realm.administer("addprinc -randkey smtp/localhost");
        for _ in 0..STARTS_MAX {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            realm.configure(port);
            if realm.start_kdc() {
                return realm;
            }
        }
        panic!("krb5kdc does not start");
    }

    /// Keys for services on localhost, new ones each time, into a keytab of this name.
    pub fn keytab(&self, name: &str, services: &[&str]) -> PathBuf {
        let keytab = self.path(name);
        for service in services {
            let known = self.administer(&format!("getprinc {service}/localhost"));
            if !known.contains("Principal: ") {
                self.administer(&format!("addprinc -randkey {service}/localhost"));
            }
            let path = keytab.display();
            self.administer(&format!("ktadd -k {path} {service}/localhost"));
        }
        keytab
    }

    /// A ticket-granting ticket, in place of the one that was there.
    pub fn log_on(&self, principal: &str) {
        let password = format!("{PASSWORD}\n");
        self.tool("kinit", "krb5-user", &[principal], &password);
    }

    /// What a program has to have in its environment to see the realm.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |name| self.path(name).display().to_string();
        [
            ("KRB5_CONFIG", path("krb5.conf")),
            ("KRB5_KDC_PROFILE", path("kdc.conf")),
            ("KRB5CCNAME", format!("FILE:{}", path("tickets"))),
            // The replay cache is the default one; it only lies elsewhere.
            ("KRB5RCACHEDIR", path("")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, port: u16) {
        let krb5 = format!(
            "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n \
             dns_lookup_realm = false\n dns_canonicalize_hostname = false\n rdns = false\n\
             [realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
             [domain_realm]\n localhost = {REALM}\n"
        );
        let folder = self.folder.path().display();
        let kdc = format!(
            "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n {REALM} = {{\n  database_name = {folder}/principals\n  \
             key_stash_file = {folder}/stash\n  max_life = 10h\n }}\n"
        );
        std::fs::write(self.path("krb5.conf"), krb5).unwrap();
        std::fs::write(self.path("kdc.conf"), kdc).unwrap();
    }

    /// Whether it came as far as to serve.
    fn start_kdc(&mut self) -> bool {
        let mut kdc = self.command("krb5kdc", "krb5-kdc");
        let mut kdc = kdc.arg("-n").stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut stderr = BufReader::new(kdc.stderr.take().unwrap());
        let started = stderr.read_line(&mut said).is_ok() && said.contains("starting");
        self.kdc = Some((kdc, stderr));
        if !started {
            self.end_kdc();
        }
        started
    }

    fn end_kdc(&mut self) {
        if let Some((mut kdc, _)) = self.kdc.take() {
            let _ = kdc.kill();
            let _ = kdc.wait();
        }
    }

    fn administer(&self, query: &str) -> String {
        self.tool("kadmin.local", "krb5-admin-server", &["-q", query], "")
    }

    fn command(&self, name: &str, package: &str) -> Command {
        // Debian has those of administrators where others need not look.
        let mut command = program(name, package, self.folder.path());
        command.envs(self.environment());
        command
    }

    fn tool(&self, name: &str, package: &str, arguments: &[&str], stdin: &str) -> String {
        let mut child = self
            .command(name, package)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that asks for nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
        assert!(ended.status.success(), "{name}: {stdout}{stderr}");
        stdout
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.end_kdc();
    }
}
