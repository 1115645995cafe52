//! What the log and the operator should know of a certificate that is served.

use std::path::PathBuf;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::x509::{X509, X509Ref, X509VerifyResult};

use super::CertificateFiles;

pub(super) const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// What the log and the operator should know of a certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Where it came from.
    pub files: CertificateFiles,
    /// The DNS names that it is for, lower-case, wildcards included.
    pub names: Vec<String>,
    /// From when it is valid, in seconds since 1970-01-01 UTC.
    pub not_before_secs: i64,
    /// Until when it is valid, likewise.
    pub not_after_secs: i64,
    /// The same for people, for example `Nov 24 08:49:40 2027 GMT`.
    pub not_after: String,
    /// The files with secrets that everybody on this machine may read or change.
    pub open_to_others: Vec<PathBuf>,
    /// Whether each certificate was issued by the one that follows it.
    pub chain_in_order: bool,
}

impl CertificateFacts {
    pub(super) fn new(
        files: &CertificateFiles,
        leaf: &X509Ref,
        chain: &[X509],
        open_to_others: Vec<PathBuf>,
    ) -> Result<Self, ErrorStack> {
        Ok(Self {
            files: files.clone(),
            names: names(leaf),
            not_before_secs: unix_secs(leaf.not_before())?,
            not_after_secs: unix_secs(leaf.not_after())?,
            not_after: leaf.not_after().to_string(),
            open_to_others,
            chain_in_order: in_order(leaf, chain),
        })
    }

    /// What somebody should look after, one line each: secrets that everybody can read, a chain
    /// that clients cannot follow, and a validity that has ended at `now_secs` (since 1970-01-01
    /// UTC), ends within `ahead_secs`, or has not begun.
    pub fn warnings(&self, now_secs: i64, ahead_secs: i64) -> Vec<String> {
        let certificate = self.files.certificate.display();
        let left_secs = self.not_after_secs.saturating_sub(now_secs);
        let mut warnings = Vec::new();
        for secret in &self.open_to_others {
            let secret = secret.display();
            warnings.push(format!(
                "every user of this machine can read or change {secret}"
            ));
        }
        if !self.chain_in_order {
            warnings.push(format!(
                "the chain in {certificate} is out of order: behind each certificate belongs the \
                 one that issued it"
            ));
        }
        if now_secs < self.not_before_secs {
            warnings.push(format!("the certificate in {certificate} is not valid yet"));
        } else if left_secs <= 0 {
            warnings.push(format!(
                "the certificate in {certificate} expired: {}",
                self.not_after
            ));
        } else if left_secs <= ahead_secs {
            let days = left_secs / SECS_PER_DAY;
            warnings.push(format!(
                "the certificate in {certificate} expires in {days} days: {}",
                self.not_after
            ));
        }
        warnings
    }
}

pub(super) fn unix_secs(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(since.days) * SECS_PER_DAY + i64::from(since.secs))
}

fn names(certificate: &X509Ref) -> Vec<String> {
    let alternatives = certificate.subject_alt_names();
    let names: Vec<_> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| name.dnsname().map(str::to_lowercase))
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common_names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    common_names
        .filter_map(|entry| entry.data().to_string().ok())
        .map(|name| name.to_lowercase())
        .collect()
}

fn in_order(leaf: &X509Ref, chain: &[X509]) -> bool {
    let mut subject = leaf;
    chain.iter().all(|issuer| {
        let follows = issuer.issued(subject) == X509VerifyResult::OK;
        subject = issuer;
        follows
    })
}
