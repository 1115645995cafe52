//! The section `[auth.ntlm]`.

use std::ffi::OsString;
use std::path::PathBuf;

use mailroost_auth::ntlm::{HelperCommand, NtlmSettings, TargetNameError, TargetNames, V1};
use serde::{Deserialize, Serialize};

use super::check::Conflict;
use super::section::section;
use super::value::{Domain, Ranged, Seconds, Setting, choice};
use super::{AuthSettings, Config, ExtendedProtectionPolicy, MechanismName};

section! {
    /// NTLM, for clients of Windows; "NTLM" in auth.mechanisms switches it on. It needs key_file
    /// or helper. curl prefers it to PLAIN wherever it is offered, so that with it users without
    /// an NT hash cannot log on with curl.
    pub struct NtlmSection {
        /// The key that NT hashes are sealed with; made when it is not there. It should not be
        /// where the store is, nor on the same backup: who has both can log on as everybody who
        /// has an NT hash (`mailroost user passwd --nt-hash`).
        key_file: Option<PathBuf> = None,
        /// Samba's ntlm_auth, which asks a domain, in place of the NT hashes kept here: a program
        /// by its whole path, and its arguments, divided by blanks.
        helper: Option<CommandLine> = None,
        /// Processes of the helper at most, and so log-ons at once.
        helper_processes: Ranged<1, 256> = Ranged::fixed(8),
        /// How long the helper may take for one answer. Then it is killed, and the client told
        /// to come back.
        helper_timeout: Seconds<1, 60> = Seconds::fixed(10),
        /// The NetBIOS name of this server, which everybody gets to see before a log-on.
        netbios_name: NetBiosName = NetBiosName::pop3(),
        /// The NetBIOS name of its domain, likewise. Not set: netbios_name.
        netbios_domain: Option<NetBiosName> = None,
        /// The name of this server in the DNS, likewise. Not set: not told.
        dns_name: Option<Domain> = None,
        /// The domain of this server in the DNS, likewise. Not set: not told.
        dns_domain: Option<Domain> = None,
        /// Dangerous: which NTLMv1 is accepted beside NTLMv2. Who listens to such a log-on can
        /// compute the NT hash, and log on with it, in hours. "none"; "extended_session_security"
        /// (NTLM2 session response); "plain", too, for programs that know nothing newer, as
        /// Debian's fetchmail and mpop: who has them log on to a false server needs no hours, as
        /// there are tables.
        allow_v1_dangerous: AllowedV1 = AllowedV1::None,
    }
}

choice! {
    /// Which NTLMv1 is accepted.
    pub enum AllowedV1 {
        /// None.
        None = "none",
        /// With extended session security.
        ExtendedSessionSecurity = "extended_session_security",
        /// Without it, too.
        Plain = "plain",
    }
}

impl From<AllowedV1> for V1 {
    fn from(allowed: AllowedV1) -> Self {
        match allowed {
            AllowedV1::None => Self::Refused,
            AllowedV1::ExtendedSessionSecurity => Self::Extended,
            AllowedV1::Plain => Self::Plain,
        }
    }
}

/// It is printed as a section of its own.
impl Setting for NtlmSection {
    fn accepted() -> String {
        "a section [auth.ntlm]".into()
    }

    fn toml(&self) -> Option<String> {
        None
    }
}

impl NtlmSection {
    /// The helper, if there is one.
    pub fn helper_command(&self) -> Option<HelperCommand> {
        let (program, arguments) = self.helper.as_ref()?.words();
        Some(HelperCommand {
            program: program.into(),
            arguments: arguments.map(OsString::from).collect(),
            processes_max: self.helper_processes.size(),
            patience: self.helper_timeout.duration(),
        })
    }

    /// What the server calls itself.
    ///
    /// # Errors
    /// For a name in the DNS that is not ASCII.
    pub fn names(&self) -> Result<TargetNames, TargetNameError> {
        let mut names = TargetNames::new(&self.netbios_name.0)?;
        if let Some(domain) = &self.netbios_domain {
            names = names.in_netbios_domain(&domain.0)?;
        }
        if let Some(name) = &self.dns_name {
            names = names.with_dns_name(name.as_str())?;
        }
        if let Some(domain) = &self.dns_domain {
            names = names.in_dns_domain(domain.as_str())?;
        }
        Ok(names)
    }
}

impl AuthSettings {
    /// What the mechanism needs of the settings.
    ///
    /// # Errors
    /// As [`NtlmSection::names`].
    pub fn ntlm_settings(&self) -> Result<NtlmSettings, TargetNameError> {
        Ok(NtlmSettings {
            names: self.ntlm.names()?,
            extended_protection: self.extended_protection.into(),
            v1: self.ntlm.allow_v1_dangerous.into(),
        })
    }
}

/// A NetBIOS name, upper-case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetBiosName(String);

impl NetBiosName {
    /// What tells nobody anything.
    fn pop3() -> Self {
        Self("POP3".into())
    }
}

impl Setting for NetBiosName {
    fn accepted() -> String {
        "a NetBIOS name of 1 to 15 octets such as \"POP3\"".into()
    }
}

impl TryFrom<String> for NetBiosName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match TargetNames::new(&text) {
            Ok(_) => Ok(Self(text.to_ascii_uppercase())),
            Err(_) => Err("not a NetBIOS name"),
        }
    }
}

impl From<NetBiosName> for String {
    fn from(name: NetBiosName) -> Self {
        name.0
    }
}

/// A program and its arguments. No shell reads it, so that nothing is quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandLine(String);

impl CommandLine {
    /// The program and its arguments.
    fn words(&self) -> (&str, impl Iterator<Item = &str>) {
        let mut words = self.0.split_whitespace();
        (words.next().unwrap_or_default(), words)
    }
}

impl Setting for CommandLine {
    fn accepted() -> String {
        "a command such as \"/usr/bin/ntlm_auth --helper-protocol=squid-2.5-ntlmssp\"".into()
    }
}

impl TryFrom<String> for CommandLine {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.starts_with('/') && !text.contains(char::is_control) {
            true => Ok(Self(text)),
            false => Err("not the whole path of a program"),
        }
    }
}

impl From<CommandLine> for String {
    fn from(command: CommandLine) -> Self {
        command.0
    }
}

/// NTLM is only offered where somebody could log on with it.
pub(super) fn check(config: &Config) -> Result<(), Conflict> {
    let ntlm = &config.auth.ntlm;
    let conflict = |section, key, why: String| {
        Err(Conflict {
            section,
            index: 0,
            key,
            why,
        })
    };
    if let Err(error) = ntlm.names() {
        let key = match &ntlm.dns_name {
            Some(name) if !name.as_str().is_ascii() => "dns_name",
            Some(_) | None => "dns_domain",
        };
        return conflict("auth.ntlm", key, error.to_string());
    }
    if !config.auth.mechanisms.contains(&MechanismName::Ntlm) {
        return Ok(());
    }
    let encrypted = config.tls.certificate.is_some()
        || config
            .listener
            .iter()
            .any(|listener| listener.certificate.is_some());
    let required = config.auth.extended_protection == ExtendedProtectionPolicy::Require;
    if required && !encrypted {
        let why = "nobody could log on with NTLM, as there is no certificate for TLS";
        return conflict("auth", "extended_protection", why.into());
    }
    match (&ntlm.key_file, &ntlm.helper) {
        (Some(key_file), None) if key_file.exists() => match crate::sealing_key::read(key_file) {
            Ok(_) => Ok(()),
            Err(error) => conflict("auth.ntlm", "key_file", error.to_string()),
        },
        (Some(_), None) | (_, Some(_)) => Ok(()),
        (None, None) => {
            let why = "NTLM is in auth.mechanisms, and there is neither this nor a helper";
            conflict("auth.ntlm", "key_file", why.into())
        }
    }
}
