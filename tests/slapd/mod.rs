//! Debian's slapd in a folder of its own, on ports of the system's choice.

// Each test file uses its part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::tls::authority::{Authority, Kind};

/// An LDAP server with a few people; killed by its process id when dropped.
pub struct Slapd {
    folder: TempDir,
    child: Child,
    tls_port: u16,
    port: u16,
}

/// Everybody's password is `secret`; dora is disabled.
const PEOPLE: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=service,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: service
userPassword: service secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Smith
mail: ann.smith
employeeNumber: 1000000
l: north
userPassword: secret

dn: uid=ben,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ben
cn: Ben
sn: Jones
userPassword: secret

dn: uid=dora,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: dora
cn: Dora
sn: Brown
employeeType: disabled
userPassword: secret
";

impl Slapd {
    /// Starts it and waits until it answers.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// One that has no certificate and refuses StartTLS.
    pub fn without_tls() -> Self {
        Self::start_with("#")
    }

    /// What is put in front of the lines about TLS may make comments of them.
    fn start_with(tls: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let authority = Authority::new();
        let issued = authority.issue(&["127.0.0.1", "localhost"], Kind::P256);
        let pem = |octets: Result<Vec<u8>, openssl::error::ErrorStack>| octets.unwrap();
        let chain = [issued.leaf.to_pem(), authority.intermediate.to_pem()]
            .map(pem)
            .concat();
        std::fs::write(path.join("chain.pem"), chain).unwrap();
        std::fs::write(path.join("root.pem"), pem(authority.root.to_pem())).unwrap();
        let key = pem(issued.key.private_key_to_pem_pkcs8());
        std::fs::write(path.join("key.pem"), key).unwrap();
        std::fs::write(path.join("people.ldif"), PEOPLE).unwrap();
        std::fs::create_dir(path.join("db")).unwrap();
        std::fs::write(path.join("slapd.conf"), configuration(path, tls)).unwrap();
        let added = Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(path.join("slapd.conf"))
            .arg("-l")
            .arg(path.join("people.ldif"))
            .output()
            .expect("slapadd runs; Debian has it in the package slapd");
        assert!(added.status.success(), "{added:?}");
        let [port, tls_port] = [(); 2].map(|()| free_port());
        let urls = match tls {
            "" => format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"),
            _ => format!("ldap://127.0.0.1:{port}"),
        };
        // Any debug level keeps it in the foreground.
        let child = Command::new("/usr/sbin/slapd")
            .args(["-h", &urls, "-d", "0", "-f"])
            .arg(path.join("slapd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut slapd = Self {
            folder,
            child,
            tls_port,
            port,
        };
        while TcpStream::connect(("127.0.0.1", slapd.port)).is_err() {
            let ended = slapd.child.try_wait().unwrap();
            assert!(ended.is_none(), "slapd ended: {ended:?}");
            std::thread::yield_now();
        }
        slapd
    }

    /// TLS from the beginning.
    pub fn ldaps(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// StartTLS, or no TLS.
    pub fn ldap(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// Who vouches for it.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn configuration(folder: &Path, tls: &str) -> String {
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\n\
         moduleload back_mdb\n{tls}TLSCertificateFile {folder}/chain.pem\n\
         {tls}TLSCertificateKeyFile {folder}/key.pem\n{tls}TLSCACertificateFile {folder}/root.pem\n\
         {tls}TLSVerifyClient never\ndatabase mdb\nmaxsize 10485760\nsuffix dc=example,dc=org\n\
         directory {folder}/db\naccess to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=cn=service,dc=example,dc=org read by self read by * none\n"
    )
}
