//! A certificate that signs itself, for tests and for a first try on one's own machine.

use std::net::IpAddr;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509NameBuilder};
use zeroize::Zeroizing;

/// The names of this machine to itself.
pub const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long such a certificate is valid: it is for trying out, not for keeping.
const VALID_DAYS: u32 = 90;

const SERIAL_BITS: i32 = 127;

/// A certificate and its key, both PEM.
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// Its key, PKCS#8. Wiped when dropped.
    pub key: Zeroizing<String>,
}

/// Makes a new P-256 key and a certificate for these DNS names and IP addresses, the first of
/// which is also the subject.
///
/// # Errors
/// If the TLS library refuses a name.
pub fn self_signed(names: &[&str]) -> Result<SelfSigned, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;

    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, names.first().unwrap_or(&"localhost"))?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(VALID_DAYS)?.as_ref())?;

    let mut alternatives = SubjectAlternativeName::new();
    for name in names {
        match name.parse::<IpAddr>() {
            Ok(_) => alternatives.ip(name),
            Err(_) => alternatives.dns(name),
        };
    }
    let context = builder.x509v3_context(None, None);
    let alternatives = alternatives.build(&context)?;
    let key_identifier = SubjectKeyIdentifier::new().build(&context)?;
    builder.append_extension(alternatives)?;
    builder.append_extension(key_identifier)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    builder.sign(&key, MessageDigest::sha256())?;

    let key_pem = Zeroizing::new(key.private_key_to_pem_pkcs8()?);
    Ok(SelfSigned {
        certificate: String::from_utf8_lossy(&builder.build().to_pem()?).into_owned(),
        key: Zeroizing::new(String::from_utf8_lossy(&key_pem).into_owned()),
    })
}
