//! What is accepted as a certificate and its key, and what is said of the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use openssl::asn1::Asn1Time;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use tempfile::TempDir;

use super::facts::{SECS_PER_DAY, unix_secs};
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
        CertificateFiles::pem(self.path("c.pem"), self.path("k.pem"))
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
    assert!(facts.open_to_others.is_empty());
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
    assert!(
        pem::key(&path, &pkcs1, None)
            .unwrap()
            .public_eq(&PKey::from_rsa(rsa).unwrap())
    );
}

#[test]
fn an_encrypted_key_is_opened_with_the_password_and_refused_without_asking() {
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
        assert!(
            error.ends_with("k.pem is encrypted, and no password file is set"),
            "{error}"
        );
        folder.write("p", b"secret\r\nnot this");
        let mut files = folder.files();
        files.password = Some(folder.path("p"));
        assert!(files.load().is_ok());
        folder.write("p", b"Secret");
        let error = files.load().err().unwrap().to_string();
        let start = format!(
            "the password in {} does not open ",
            folder.path("p").display()
        );
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_password_file_without_a_password_is_refused() {
    let folder = Folder::new();
    let mut files = folder.files();
    files.password = Some(folder.path("p"));
    let longest = "p".repeat(file::PASSWORD_OCTETS_MAX);
    folder.write("p", longest.as_bytes());
    assert!(files.load().is_ok(), "a password that is not needed");
    let too_long = format!("{longest}p");
    for unusable in [&b""[..], b"\nsecret", b"a\0b", b"\xff", too_long.as_bytes()] {
        folder.write("p", unusable);
        let error = files.load().err().unwrap().to_string();
        let end = "p does not begin with a line of 1 to 1023 octets of UTF-8 without NUL";
        assert!(error.ends_with(end), "{error}");
    }
}

#[test]
fn certificate_and_key_can_be_in_one_file_with_other_things_around_them() {
    let folder = Folder::new();
    let read = |name| fs::read(folder.path(name)).unwrap();
    let parameters = b"-----BEGIN EC PARAMETERS-----\r\nBggqhkjOPQMBBw==\r\n\
        -----END EC PARAMETERS-----\r\n";
    let both = [
        &b"Bag Attributes\n"[..],
        parameters,
        &read("k.pem"),
        b"\n",
        &read("c.pem"),
    ];
    folder.write("both.pem", &both.concat());
    let files = CertificateFiles {
        certificate: folder.path("both.pem"),
        key: None,
        password: None,
    };
    assert_eq!(files.load().unwrap().facts.names, ["a.test", "*.b.test"]);
    let alone = CertificateFiles {
        certificate: folder.path("c.pem"),
        ..files
    };
    let error = alone.load().err().unwrap().to_string();
    assert!(
        error.contains("c.pem holds no private key in PEM form"),
        "{error}"
    );
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
    folder.write("c.pem", &vec![b'\n'; file::FILE_OCTETS_MAX + 1]);
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
    // It has issued nothing here, which is worth a word.
    let warnings = loaded.facts.warnings(loaded.facts.not_before_secs, 0);
    assert!(
        warnings[0].contains("c.pem is out of order"),
        "{warnings:?}"
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
