//! seccomp: system calls that a mail server has no use for fail.
//!
//! They are refused, not answered with death: whoever is attacked must not lose the sessions of
//! everybody else, and a library that tries one of them goes on without it. What is refused is
//! listed, and all the rest allowed: the C library, OpenSSL and Kerberos use what they like from
//! one version to the next.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter_all_threads,
};

/// Running programs.
const PROGRAMS: [i64; 2] = [libc::SYS_execve, libc::SYS_execveat];

/// Other processes' memory, descriptors and registers.
const TRACING: [i64; 6] = [
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
];

/// Other rights: only who stays root could use them.
const RIGHTS: [i64; 8] = [
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// The kernel's larger surfaces, and the machine itself.
const MACHINE: [i64; 43] = [
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Addresses that a mail server speaks to; netlink is how the C library learns which there are.
const FAMILIES: [libc::c_int; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// A second table of numbers for the same calls, on x86-64 kernels that have it.
const X32: i64 = 0x4000_0000;

/// Calls that have numbers of their own in it: execve, execveat, ptrace, and other memory.
const X32_OWN: [i64; 5] = [520, 545, 521, 539, 540];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filters on every thread of the process.
pub(super) fn refuse(helper_may_start: bool) -> Result<(), String> {
    put_on(helper_may_start, apply_filter_all_threads)
}

/// Puts the filters on this thread and those that it begins.
#[cfg(test)]
pub(super) fn refuse_on_this_thread(helper_may_start: bool) -> Result<(), String> {
    put_on(helper_may_start, seccompiler::apply_filter)
}

/// Calls that fail whatever the settings are and whatever they are given.
#[cfg(test)]
pub(super) fn always_refused() -> impl Iterator<Item = i64> {
    TRACING.into_iter().chain(MACHINE)
}

fn put_on(
    helper_may_start: bool,
    apply: fn(&[seccompiler::sock_filter]) -> seccompiler::Result<()>,
) -> Result<(), String> {
    let filters = filters(helper_may_start).map_err(|error| error.to_string())?;
    let mut filters = filters.iter();
    filters.try_for_each(|filter| apply(filter).map_err(|error| why(&error)))
}

/// The system's word is behind that of the library.
fn why(error: &Error) -> String {
    match error {
        Error::Prctl(source) | Error::Seccomp(source) => {
            format!("this kernel refuses it: {source}")
        }
        _ => error.to_string(),
    }
}

/// Two, as each has one answer.
fn filters(helper_may_start: bool) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let mut absent = Rules::new();
    let mut refused = Rules::new();
    for number in TRACING.into_iter().chain(MACHINE) {
        refused.insert(number, Vec::new());
    }
    refused.insert(libc::SYS_socket, vec![other_families()?]);
    if !helper_may_start {
        for number in PROGRAMS.into_iter().chain(RIGHTS) {
            refused.insert(number, Vec::new());
        }
        refused.insert(libc::SYS_clone, vec![no_thread()?]);
        // Its flags are in memory, where no filter sees them. The C library takes the older call
        // where the kernel has none.
        absent.insert(libc::SYS_clone3, Vec::new());
    }
    #[cfg(target_arch = "x86_64")]
    other_numbers(&mut refused, helper_may_start);
    let mut filters = vec![filter(refused, libc::EPERM)?];
    if !absent.is_empty() {
        filters.push(filter(absent, libc::ENOSYS)?);
    }
    Ok(filters)
}

#[cfg(target_arch = "x86_64")]
fn other_numbers(refused: &mut Rules, helper_may_start: bool) {
    if !helper_may_start {
        // Processes and threads alike: nothing here speaks that table.
        for number in [libc::SYS_clone, libc::SYS_clone3] {
            refused.insert(X32 | number, Vec::new());
        }
    }
    for number in [libc::SYS_fork, libc::SYS_vfork] {
        if !helper_may_start {
            refused.insert(number, Vec::new());
        }
    }
    let plain = refused.iter().filter(|(_, rules)| rules.is_empty());
    let plain: Vec<_> = plain.map(|(number, _)| *number).collect();
    for number in plain.into_iter().chain(X32_OWN) {
        refused.insert(X32 | number, Vec::new());
    }
}

fn filter(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// A socket of none of the families.
fn other_families() -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = FAMILIES.map(|family| {
        let family = u64::from(family.unsigned_abs());
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
    });
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}

/// A new process, not a new thread of this one.
fn no_thread() -> Result<SeccompRule, seccompiler::BackendError> {
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let operator = SeccompCmpOp::MaskedEq(thread);
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, operator, 0)?;
    SeccompRule::new(vec![condition])
}
