//! PKCS#12 files: old and new ones, with and without a password, whole and broken.

use std::process::Command;

use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12Builder;
use openssl::stack::Stack;
use tempfile::TempDir;

use crate::tls::CertificateFiles;
use crate::tls::tests::authority::{Authority, Issued, Kind};

use super::*;

/// A certificate by an intermediate, in an archive together with root and intermediate.
struct Place {
    folder: TempDir,
    authority: Authority,
    issued: Issued,
    files: CertificateFiles,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let issued = authority.issue(&["pop.test"], Kind::P256);
        let files = CertificateFiles {
            certificate: folder.path().join("pop.p12"),
            key: None,
            password: Some(folder.path().join("password")),
        };
        let place = Self {
            folder,
            authority,
            issued,
            files,
        };
        place.password("secret");
        place
    }

    fn password(&self, password: &str) {
        std::fs::write(self.files.password.as_ref().unwrap(), password).unwrap();
    }

    fn builder(&self) -> Pkcs12Builder {
        let mut builder = Pkcs12::builder();
        let mut others = Stack::new().unwrap();
        for other in [&self.authority.root, &self.authority.intermediate] {
            others.push(other.clone()).unwrap();
        }
        builder
            .pkey(&self.issued.key)
            .cert(&self.issued.leaf)
            .ca(others);
        builder
    }

    fn write(&self, builder: &Pkcs12Builder, password: &str) {
        let archive = builder.build2(password).unwrap().to_der().unwrap();
        std::fs::write(&self.files.certificate, archive).unwrap();
    }

    fn error(&self, files: &CertificateFiles) -> String {
        let error = files.load().err().unwrap().to_string();
        error.replace(&self.folder.path().display().to_string(), "FOLDER")
    }
}

#[test]
fn a_new_and_a_triple_des_archive_give_certificate_key_and_intermediate() {
    let place = Place::new();
    let mut old = place.builder();
    old.key_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC)
        .cert_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC);
    for builder in [place.builder(), old] {
        place.write(&builder, "secret");
        let loaded = place.files.load().unwrap();
        let der = |certificate: &X509| certificate.to_der().unwrap();
        assert_eq!(der(&loaded.leaf), der(&place.issued.leaf));
        let chain: Vec<_> = loaded.chain.iter().map(der).collect();
        assert_eq!(chain, [der(&place.authority.intermediate)]);
        assert!(loaded.facts.chain_in_order);
        assert!(loaded.key.public_eq(&place.issued.key));
    }
}

#[test]
fn without_a_password_only_an_archive_without_one_opens() {
    let place = Place::new();
    let files = CertificateFiles {
        password: None,
        ..place.files.clone()
    };
    place.write(&place.builder(), "");
    assert!(files.load().is_ok());
    place.write(&place.builder(), "secret");
    assert_eq!(
        place.error(&files),
        "the private key in FOLDER/pop.p12 is encrypted, and no password file is set"
    );
    place.password("Secret");
    assert_eq!(
        place.error(&place.files),
        "the password in FOLDER/password does not open FOLDER/pop.p12"
    );
}

#[test]
fn an_archive_that_is_encrypted_with_rc2_is_refused_with_the_way_out() {
    let place = Place::new();
    let pem = place.folder.path().join("pop.pem");
    let both = [
        place.issued.leaf.to_pem().unwrap(),
        place.issued.key.private_key_to_pem_pkcs8().unwrap(),
    ];
    std::fs::write(&pem, both.concat()).unwrap();
    let exported = Command::new("openssl")
        .args([
            "pkcs12",
            "-export",
            "-legacy",
            "-passout",
            "pass:secret",
            "-in",
        ])
        .arg(&pem)
        .arg("-out")
        .arg(&place.files.certificate)
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    assert_eq!(
        place.error(&place.files),
        "the PKCS#12 file FOLDER/pop.p12 is encrypted with an algorithm that the TLS library no \
         longer has; it has to be exported again, with AES"
    );
}

#[test]
fn what_is_missing_or_too_much_or_broken_is_told() {
    let place = Place::new();
    let mut alone = Pkcs12::builder();
    alone.cert(&place.issued.leaf);
    place.write(&alone, "secret");
    assert_eq!(
        place.error(&place.files),
        "the PKCS#12 file FOLDER/pop.p12 does not hold a certificate together with its private key"
    );

    place.write(&place.builder(), "secret");
    let (_, key) = place
        .authority
        .write(place.folder.path(), "pop", &place.issued);
    let mut files = place.files.clone();
    files.key = Some(key);
    assert_eq!(
        place.error(&files),
        "the PKCS#12 file FOLDER/pop.p12 brings its own private key; FOLDER/pop-key.pem cannot be \
         its key"
    );
    files.key = Some(files.certificate.clone());
    assert!(files.load().is_ok());

    let archive = std::fs::read(&place.files.certificate).unwrap();
    let certificate = place.issued.leaf.to_der().unwrap();
    for broken in [&archive[..archive.len() / 2], &certificate] {
        std::fs::write(&place.files.certificate, broken).unwrap();
        let error = place.error(&place.files);
        let start = "FOLDER/pop.p12 is neither PEM nor PKCS#12";
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn text_before_a_pem_certificate_may_begin_with_a_zero() {
    assert!(is_der(&[0x30, 0x82, 0x0a, 0x01]));
    assert!(!is_der(b"0 s:CN = pop.test\n-----BEGIN CERTIFICATE-----\n"));
    assert!(!is_der(b""));
}
