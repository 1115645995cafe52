//! Kernels that have less: the start says what is missing, and goes on unless it was required.

use std::collections::BTreeMap;
use std::thread;

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::daemon_program::SETTINGS;
use crate::{BECOME, measure, place};

const LANDLOCK: [i64; 3] = [
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// Runs `test` on a thread whose kernel seems to answer `errno` to some calls, as what it starts
/// sees it, too.
fn on_a_kernel_without(calls: &[i64], errno: i32, test: impl FnOnce() + Send) {
    let rules: BTreeMap<_, _> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    thread::scope(|scope| {
        let outcome = scope.spawn(move || {
            apply_filter(&filter).unwrap();
            test();
        });
        outcome.join().unwrap();
    });
}

#[test]
fn without_landlock_the_daemon_says_so_and_serves() {
    for (errno, why) in [
        (libc::ENOSYS, "this kernel does not have it"),
        (libc::EOPNOTSUPP, "it is not enabled in this kernel"),
    ] {
        on_a_kernel_without(&LANDLOCK, errno, || {
            let place = place(BECOME);
            place.add_user("ann");
            let daemon = place.daemon();
            let said = measure(&daemon, "landlock");
            assert_eq!(said, ("not possible".to_owned(), why.to_owned()));
            assert_eq!(measure(&daemon, "seccomp").0, "on");
            assert!(daemon.connect().log_on("ann", "secret"));
        });
    }
}

#[test]
fn without_landlock_there_is_no_start_where_it_is_required() {
    on_a_kernel_without(&LANDLOCK, libc::ENOSYS, || {
        let place = place(&format!("{BECOME}landlock = \"required\"\n"));
        let (status, line) = place.run(&["serve"], "").failure();
        assert_eq!(status, 71);
        let why = "privileges.landlock is \"required\": this kernel does not have it";
        assert_eq!(line, why);
    });
}

#[test]
fn without_seccomp_the_daemon_says_so_or_does_not_start() {
    on_a_kernel_without(&[libc::SYS_seccomp], libc::ENOSYS, || {
        let place = place(BECOME);
        place.add_user("ann");
        let daemon = place.daemon();
        let (is, why) = measure(&daemon, "seccomp");
        assert_eq!(is, "not possible");
        assert!(why.starts_with("this kernel refuses it"), "{why}");
        assert!(daemon.connect().log_on("ann", "secret"));
        drop(daemon);
        place.configure(&format!("{SETTINGS}{BECOME}seccomp = \"required\"\n"));
        let run = place.run(&["serve"], "");
        assert_eq!(run.status, Some(71), "{run:?}");
        assert!(
            run.stderr.contains("privileges.seccomp is \"required\""),
            "{run:?}"
        );
    });
}
