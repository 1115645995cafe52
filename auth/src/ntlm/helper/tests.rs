//! The helper as a program: a shell script in its place, that does what it should or does not.

use std::time::Duration;

use mailroost_storage::{MaildropId, UserName};

use super::*;
use crate::ntlm::tests::client::Client;
use crate::{CredentialKind, Secret};

/// Challenges with 56 octets, and lets in whoever answers; counts its processes in a file.
const GOOD: &str = "echo >>\"$0\"; while read -r kind rest; do case $kind in \
    YR) echo \"TT $CHALLENGE\";; KK) printf '%s\\n' 'AF CORP\\ann';; esac; done";

struct Anybody;

impl PasswordSource for Anybody {
    fn verify(&self, _: &str, _: &Secret) -> Result<Identity, AuthError> {
        Err(AuthError::UnknownUser)
    }

    fn credential(&self, _: &str, _: CredentialKind) -> Result<Option<Secret>, AuthError> {
        panic!("the helper knows");
    }

    fn admit(&self, name: &str, _: Option<&str>) -> Result<Identity, AuthError> {
        Ok(Identity {
            user: UserName::new(name).unwrap(),
            delegate: None,
            maildrop: MaildropId(7),
            exact_rfc822_size: None,
            site: None,
        })
    }
}

/// A helper that is a script, and the file in which it says that it was started.
struct Bench {
    started: tempfile::NamedTempFile,
    ntlm: NtlmHelper,
}

impl Bench {
    fn new(script: &str) -> Self {
        Self::with(script, 2, Duration::from_secs(20))
    }

    fn with(script: &str, processes_max: usize, patience: Duration) -> Self {
        let started = tempfile::NamedTempFile::new().unwrap();
        let challenge = STANDARD.encode(challenge());
        let script = script.replace("$CHALLENGE", &challenge);
        let command = HelperCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into(), started.path().into()],
            processes_max,
            patience,
        };
        let settings = NtlmSettings {
            names: TargetNames::new("CORP").unwrap(),
            ..NtlmSettings::default()
        };
        let ntlm = NtlmHelper::new(command, settings);
        Self { started, ntlm }
    }

    /// How many processes were started.
    fn started(&self) -> usize {
        std::fs::read(self.started.path()).unwrap().len()
    }

    fn begin(&self) -> Result<(Box<dyn Exchange>, Vec<u8>), AuthError> {
        let mut exchange = self.ntlm.start(&Link::default());
        match exchange.step(&client().negotiate(), &Anybody) {
            Progress::Challenge(challenge) => Ok((exchange, challenge)),
            Progress::Failure(error) => Err(error),
            other @ (Progress::Success(_) | Progress::Refusal { .. }) => panic!("{other:?}"),
        }
    }

    fn log_on(&self) -> Result<String, AuthError> {
        let (exchange, challenge) = self.begin()?;
        end(exchange, &client().authenticate(&challenge))
    }
}

fn end(mut exchange: Box<dyn Exchange>, answer: &[u8]) -> Result<String, AuthError> {
    match exchange.step(answer, &Anybody) {
        Progress::Success(identity) => Ok(identity.user.to_string()),
        Progress::Failure(error) => Err(error),
        other @ (Progress::Challenge(_) | Progress::Refusal { .. }) => panic!("{other:?}"),
    }
}

fn client() -> Client {
    Client::curl("ann", "does not matter")
}

/// One without a name and without pairs.
fn challenge() -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.resize(44, 0);
    message.extend(56_u32.to_le_bytes());
    message.resize(56, 0);
    message.extend([0; 4]);
    message
}

fn is_unavailable<T: std::fmt::Debug>(outcome: &Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::Unavailable(_)))
}

#[test]
fn one_process_serves_one_log_on_after_the_other() {
    let bench = Bench::new(GOOD);
    for _ in 0..5 {
        assert_eq!(bench.log_on(), Ok("ann".to_owned()));
    }
    // A cancelled one gives it back, too.
    drop(bench.begin().unwrap());
    assert_eq!(bench.log_on(), Ok("ann".to_owned()));
    assert_eq!(bench.started(), 1);
}

#[test]
fn what_is_too_weak_does_not_get_to_the_helper() {
    let bench = Bench::new(GOOD);
    let (exchange, _) = bench.begin().unwrap();
    let v1 = client().message(&[1; 24], &[2; 24], &[]);
    assert!(matches!(
        end(exchange, &v1),
        Err(AuthError::NotPermitted(_))
    ));
    let mut exchange = bench.ntlm.start(&Link::default());
    let progress = exchange.step(b"nonsense", &Anybody);
    assert!(matches!(
        progress,
        Progress::Failure(AuthError::Malformed(_))
    ));
}

#[test]
fn one_that_ends_is_started_again() {
    // It serves one log-on and no more.
    let once = GOOD.replace("esac; done", "esac; [ $kind = KK ] && exit; done");
    let bench = Bench::new(&once);
    for _ in 0..3 {
        assert_eq!(bench.log_on(), Ok("ann".to_owned()));
    }
    assert_eq!(bench.started(), 3);
}

#[test]
fn one_that_does_not_answer_or_speaks_nonsense_is_unavailable_and_rests() {
    for script in [
        "echo >>\"$0\"; read -r line; exec sleep 600",
        "echo >>\"$0\"; exit 1",
        "echo >>\"$0\"; while echo -n xxxxxxxx; do :; done",
    ] {
        let bench = Bench::with(script, 2, Duration::from_millis(300));
        for _ in 0..10 {
            assert!(is_unavailable(&bench.log_on()), "{script}");
        }
        assert_eq!(bench.started(), 1, "{script}");
    }
    for answer in ["hello", "TT not-base64!", "AF CORP\\ann", "BH broken"] {
        let script = format!("while read -r line; do printf '%s\\n' '{answer}'; done");
        assert!(is_unavailable(&Bench::new(&script).log_on()), "{answer}");
    }
    let missing = HelperCommand {
        program: "/nowhere/ntlm_auth".into(),
        arguments: Vec::new(),
        processes_max: 1,
        patience: Duration::from_secs(1),
    };
    let missing = NtlmHelper::new(missing, NtlmSettings::default());
    let progress = missing
        .start(&Link::default())
        .step(&client().negotiate(), &Anybody);
    assert!(matches!(
        progress,
        Progress::Failure(AuthError::Unavailable(_))
    ));
}

#[test]
fn a_refusal_is_a_wrong_password_and_a_domain_that_is_away_is_not() {
    let says = |answer: &str| {
        let script = GOOD.replace("AF CORP\\ann", answer);
        Bench::new(&script).log_on()
    };
    assert_eq!(
        says("NA NT_STATUS_LOGON_FAILURE"),
        Err(AuthError::WrongPassword)
    );
    assert!(is_unavailable(&says("NA NT_STATUS_NO_LOGON_SERVERS")));
    assert!(is_unavailable(&says("BH NT_STATUS_UNSUCCESSFUL")));
    assert_eq!(says("AF OTHER\\bob"), Ok("other\\bob".to_owned()));
}

#[test]
fn who_takes_too_long_loses_the_process_to_who_waits() {
    let bench = Bench::with(GOOD, 1, Duration::from_millis(200));
    let (slow, challenge) = bench.begin().unwrap();
    // The slow one's time is not over yet, or it is: then the process is taken from it.
    let quick = std::iter::repeat_with(|| bench.log_on())
        .take(20)
        .find(Result::is_ok);
    assert_eq!(quick, Some(Ok("ann".to_owned())));
    assert_eq!(bench.started(), 1);
    assert!(is_unavailable(&end(
        slow,
        &client().authenticate(&challenge)
    )));
}
