//! A small certificate authority: a root, an intermediate, and certificates for servers.

// Each user of this takes a part of it.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder, X509NameRef};

const VALID_DAYS: u32 = 90;
const ROOT: &str = "Root of the tests";

/// The kinds of keys that servers have.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Rsa2048,
    P256,
}

/// Who issues certificates.
pub struct Authority {
    pub root: X509,
    pub intermediate: X509,
    key: PKey<Private>,
}

/// A certificate with its key.
pub struct Issued {
    pub leaf: X509,
    pub key: PKey<Private>,
}

impl Authority {
    pub fn new() -> Self {
        let (root_key, key) = (generate(Kind::P256), generate(Kind::P256));
        let mut builder = begin(ROOT, &root_key, VALID_DAYS);
        authority(&mut builder, None);
        let root = sign(builder, &name(ROOT), &root_key);
        let mut builder = begin("Intermediate of the tests", &key, VALID_DAYS);
        authority(&mut builder, Some(0));
        let intermediate = finish(builder, &root, &root_key);
        Self {
            root,
            intermediate,
            key,
        }
    }

    /// A certificate for a server with these names or addresses.
    pub fn issue(&self, names: &[&str], kind: Kind) -> Issued {
        self.issue_for_days(names, kind, VALID_DAYS)
    }

    /// The same, valid from now for so many days.
    pub fn issue_for_days(&self, names: &[&str], kind: Kind, days: u32) -> Issued {
        let key = generate(kind);
        let mut builder = begin(names[0], &key, days);
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            match name.parse::<IpAddr>() {
                Ok(_) => alternatives.ip(name),
                Err(_) => alternatives.dns(name),
            };
        }
        let context = builder.x509v3_context(Some(&self.intermediate), None);
        let alternatives = alternatives.build(&context).unwrap();
        builder.append_extension(alternatives).unwrap();
        let leaf = BasicConstraints::new().critical().build().unwrap();
        builder.append_extension(leaf).unwrap();
        let usage = KeyUsage::new().critical().digital_signature().build();
        builder.append_extension(usage.unwrap()).unwrap();
        let purpose = ExtendedKeyUsage::new().server_auth().build().unwrap();
        builder.append_extension(purpose).unwrap();
        let leaf = finish(builder, &self.intermediate, &self.key);
        Issued { leaf, key }
    }

    /// A certificate for a person with this mail address.
    pub fn issue_to_client(&self, common_name: &str, mail: &str, kind: Kind) -> Issued {
        let key = generate(kind);
        let mut builder = begin(common_name, &key, VALID_DAYS);
        let context = builder.x509v3_context(Some(&self.intermediate), None);
        let alternatives = SubjectAlternativeName::new().email(mail).build(&context);
        builder.append_extension(alternatives.unwrap()).unwrap();
        let purpose = ExtendedKeyUsage::new().client_auth().build().unwrap();
        builder.append_extension(purpose).unwrap();
        let leaf = finish(builder, &self.intermediate, &self.key);
        Issued { leaf, key }
    }

    /// Writes the root for clients that trust it.
    pub fn write_root(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.pem");
        std::fs::write(&path, self.root.to_pem().unwrap()).unwrap();
        path
    }

    /// Writes `NAME.pem` (the certificate, then the intermediate) and `NAME-key.pem`.
    pub fn write(&self, folder: &Path, name: &str, issued: &Issued) -> (PathBuf, PathBuf) {
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}-key.pem"));
        let leaf = issued.leaf.to_pem().unwrap();
        let chain = [leaf, self.intermediate.to_pem().unwrap()].concat();
        std::fs::write(&certificate, chain).unwrap();
        std::fs::write(&key, issued.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }
}

fn generate(kind: Kind) -> PKey<Private> {
    match kind {
        Kind::Rsa2048 => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
        Kind::P256 => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
        }
    }
}

fn begin(common_name: &str, key: &PKeyRef<Private>, days: u32) -> X509Builder {
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name(common_name)).unwrap();
    builder.set_pubkey(key).unwrap();
    let (from, until) = (
        Asn1Time::days_from_now(0).unwrap(),
        Asn1Time::days_from_now(days).unwrap(),
    );
    builder.set_not_before(&from).unwrap();
    builder.set_not_after(&until).unwrap();
    let context = builder.x509v3_context(None, None);
    let identifier = SubjectKeyIdentifier::new().build(&context).unwrap();
    builder.append_extension(identifier).unwrap();
    builder
}

fn name(common_name: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)
        .unwrap();
    name.build()
}

fn authority(builder: &mut X509Builder, path_length: Option<u32>) {
    let mut constraints = BasicConstraints::new();
    constraints.critical().ca();
    if let Some(length) = path_length {
        constraints.pathlen(length);
    }
    builder
        .append_extension(constraints.build().unwrap())
        .unwrap();
    let usage = KeyUsage::new()
        .critical()
        .key_cert_sign()
        .crl_sign()
        .build();
    builder.append_extension(usage.unwrap()).unwrap();
}

/// Signs in the name of the issuer.
fn finish(mut builder: X509Builder, issuer: &X509, key: &PKeyRef<Private>) -> X509 {
    let context = builder.x509v3_context(Some(issuer), None);
    let identifier = AuthorityKeyIdentifier::new().keyid(true).build(&context);
    builder.append_extension(identifier.unwrap()).unwrap();
    sign(builder, issuer.subject_name(), key)
}

fn sign(mut builder: X509Builder, issuer: &X509NameRef, key: &PKeyRef<Private>) -> X509 {
    builder.set_issuer_name(issuer).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}
