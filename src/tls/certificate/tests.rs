//! What is accepted as a certificate and its key, and what is said of the rest.

use std::fs::{self, Permissions};

use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use tempfile::TempDir;

use super::*;
use crate::tls::self_signed;

/// A folder with a fresh certificate and key, readable by their owner alone.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let made = self_signed(&["A.test", "*.b.test", "127.0.0.1"]).unwrap();
        folder.write("c.pem", made.certificate.as_bytes());
        folder.write("k.pem", made.key.as_bytes());
        folder
    }

    fn write(&self, name: &str, octets: &[u8]) {
        fs::write(self.path(name), octets).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self) -> CertificateFiles {
        CertificateFiles {
            certificate: self.path("c.pem"),
            key: self.path("k.pem"),
        }
    }

    fn key(&self) -> PKey<Private> {
        PKey::private_key_from_pem(&fs::read(self.path("k.pem")).unwrap()).unwrap()
    }

    fn error(&self) -> String {
        let loaded = self.files().load();
        loaded.map(|loaded| loaded.facts).unwrap_err().to_string()
    }
}

#[test]
fn names_and_validity_are_read() {
    let folder = Folder::new();
    let facts = folder.files().load().unwrap().facts;
    assert_eq!(facts.names, ["a.test", "*.b.test"]);
    assert_eq!(
        facts.not_after_secs - facts.not_before_secs,
        90 * SECS_PER_DAY
    );
    assert!(facts.not_after.ends_with(" GMT"), "{}", facts.not_after);
    assert!(!facts.key_is_open_to_others);
}

#[test]
fn a_known_date_is_read_right() {
    let time = Asn1Time::from_str("20270102030405Z").unwrap();
    assert_eq!(unix_secs(&time).unwrap(), 1_798_859_045);
    let before_the_epoch = Asn1Time::from_str("19691231235958Z").unwrap();
    assert_eq!(unix_secs(&before_the_epoch).unwrap(), -2);
}

#[test]
fn keys_in_pkcs8_pkcs1_and_sec1_form_are_read() {
    let folder = Folder::new();
    let sec1 = folder.key().ec_key().unwrap().private_key_to_pem().unwrap();
    assert!(sec1.starts_with(b"-----BEGIN EC PRIVATE KEY-----"));
    folder.write("k.pem", &sec1);
    assert!(folder.files().load().is_ok());

    let rsa = Rsa::generate(2048).unwrap();
    let pkcs1 = rsa.private_key_to_pem().unwrap();
    assert!(pkcs1.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let path = folder.path("rsa.pem");
    folder.write("rsa.pem", &pkcs1);
    assert!(
        read_key(&path)
            .unwrap()
            .0
            .public_eq(&PKey::from_rsa(rsa).unwrap())
    );
}

#[test]
fn an_encrypted_key_is_refused_without_asking() {
    let folder = Folder::new();
    let key = folder.key();
    let cipher = Cipher::aes_256_cbc();
    let traditional = key.ec_key().unwrap();
    for pem in [
        key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret")
            .unwrap(),
        traditional
            .private_key_to_pem_passphrase(cipher, b"secret")
            .unwrap(),
    ] {
        folder.write("k.pem", &pem);
        let error = folder.error();
        assert!(error.ends_with("k.pem is encrypted; it has to be stored without a pass phrase"));
    }
}

#[test]
fn each_mistake_is_told_with_its_file() {
    let folder = Folder::new();
    let other = self_signed(&["a.test"]).unwrap();
    let certificate = fs::read(folder.path("c.pem")).unwrap();
    let key = fs::read(folder.path("k.pem")).unwrap();
    let expect = |start: &str, file: &str, rest: &str| {
        let (error, path) = (folder.error(), folder.path(file).display().to_string());
        assert!(
            error.starts_with(&format!("{start}{path}{rest}")),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    };

    folder.write("k.pem", other.key.as_bytes());
    expect(
        "the private key in ",
        "k.pem",
        " does not belong to the first certificate in ",
    );
    folder.write("k.pem", &certificate);
    expect("", "k.pem", " holds no private key in PEM form");
    folder.write("k.pem", b"");
    expect("", "k.pem", " holds no private key in PEM form");
    fs::remove_file(folder.path("k.pem")).unwrap();
    expect("cannot read ", "k.pem", ": No such file or directory");
    folder.write("k.pem", &key);

    for damaged in [
        &b""[..],
        b"garbage",
        &key,
        &certificate[..certificate.len() / 2],
    ] {
        folder.write("c.pem", damaged);
        expect("", "c.pem", " holds no certificate in PEM form");
    }
    folder.write("c.pem", &vec![b'\n'; PEM_OCTETS_MAX + 1]);
    expect("", "c.pem", " is larger than 1048576 octets");
    fs::remove_file(folder.path("c.pem")).unwrap();
    fs::create_dir(folder.path("c.pem")).unwrap();
    expect("cannot read ", "c.pem", ": Is a directory");
}

#[test]
fn the_whole_chain_is_read_in_order() {
    let folder = Folder::new();
    let leaf = fs::read(folder.path("c.pem")).unwrap();
    let issuer = self_signed(&["issuer.test"]).unwrap();
    folder.write("c.pem", &[&leaf, issuer.certificate.as_bytes()].concat());
    let loaded = folder.files().load().unwrap();
    assert_eq!(loaded.leaf.to_pem().unwrap(), leaf);
    assert_eq!(loaded.chain.len(), 1);
    assert_eq!(
        loaded.chain[0].to_pem().unwrap(),
        issuer.certificate.as_bytes()
    );
}

#[test]
fn a_key_that_everybody_can_read_is_warned_about() {
    let folder = Folder::new();
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        fs::set_permissions(folder.path("k.pem"), Permissions::from_mode(mode)).unwrap();
        let facts = folder.files().load().unwrap().facts;
        let warnings = facts.warnings(facts.not_before_secs, 0);
        assert_eq!(!warnings.is_empty(), warned, "{mode:o}: {warnings:?}");
    }
}

#[test]
fn expiry_is_warned_about_ahead() {
    let facts = Folder::new().files().load().unwrap().facts;
    let end = facts.not_after_secs;
    let two_weeks = 14 * SECS_PER_DAY;
    let warning = |now_secs| {
        facts
            .warnings(now_secs, two_weeks)
            .pop()
            .unwrap_or_default()
    };
    assert!(warning(facts.not_before_secs - 1).ends_with("is not valid yet"));
    assert_eq!(warning(facts.not_before_secs), "");
    assert_eq!(warning(end - two_weeks - 1), "");
    assert!(warning(end - two_weeks).contains("expires in 14 days: "));
    assert!(warning(end - 1).contains("expires in 0 days: "));
    assert!(warning(end).contains("expired: "));
}

#[test]
fn the_end_point_binding_is_the_digest_of_the_certificate() {
    let leaf = Folder::new().files().load().unwrap().leaf;
    let digest = leaf.digest(MessageDigest::sha256()).unwrap();
    assert_eq!(server_end_point(&leaf).as_deref(), Some(&*digest));
}
