//! The process: whom it runs as, what it has of rights, and that mail comes in and goes out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::daemon_program::{Daemon, SETTINGS, Signal};
use crate::{BECOME, measure, measures, place, uid};

/// /proc/PID/status of every thread.
fn threads(daemon: &Daemon) -> Vec<BTreeMap<String, String>> {
    let folder = PathBuf::from(format!("/proc/{}/task", daemon.pid()));
    let status = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("status")).unwrap();
        let line = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (
                name.to_owned(),
                value.split_whitespace().collect::<Vec<_>>().join(" "),
            )
        };
        text.lines().map(line).collect()
    };
    let threads = fs::read_dir(folder).unwrap();
    threads.map(|thread| status(thread.unwrap())).collect()
}

/// All files below a folder, itself included.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    if folder.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            found.extend(all(&entry.unwrap().path()));
        }
    }
    found
}

#[test]
fn root_becomes_the_user_and_no_thread_keeps_a_right() {
    let place = place(BECOME);
    place.add_user("ann");
    let daemon = place.daemon();
    let id = uid().to_string();
    let four = [id.as_str(); 4].join(" ");
    let threads = threads(&daemon);
    assert!(threads.len() > 2, "{threads:?}");
    for thread in &threads {
        assert_eq!(thread["Uid"], four);
        assert!(
            !thread["Gid"].split(' ').any(|gid| gid == "0"),
            "{}",
            thread["Gid"]
        );
        assert_eq!(thread["Groups"], "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread[set], "0000000000000000", "{set}");
        }
        assert_eq!(thread["NoNewPrivs"], "1");
        // A filter, of which there are two.
        assert_eq!(
            (&*thread["Seccomp"], &*thread["Seccomp_filters"]),
            ("2", "2")
        );
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let cores: Vec<_> = cores.unwrap().split_whitespace().skip(4).collect();
    assert_eq!(cores, ["0", "0", "bytes"]);
    // The memory of a process that cannot be dumped is root's alone.
    let memory = fs::metadata(format!("/proc/{}/mem", daemon.pid())).unwrap();
    assert_eq!(memory.uid(), 0);
    for name in [
        "user",
        "core_dumps",
        "no_new_privileges",
        "landlock",
        "seccomp",
    ] {
        assert_eq!(measure(&daemon, name).0, "on", "{:?}", measures(&daemon));
    }
}

#[test]
fn mail_comes_in_and_goes_out_and_settings_are_taken_up_afterwards() {
    let place = place(BECOME);
    place.add_user("ann");
    let daemon = place.daemon();
    let delivered = place.run(&["mail", "deliver", "ann"], "Subject: x\n\nbody\n");
    delivered.octets();
    let mut session = daemon.connect();
    assert!(session.log_on("ann", "secret"));
    assert!(session.ask("STAT").starts_with("+OK 1 "));
    assert!(session.ask("RETR 1").starts_with("+OK"));
    while session.line() != "." {}
    assert!(session.ask("DELE 1").starts_with("+OK"));
    assert!(session.ask("QUIT").starts_with("+OK"));
    place.configure(&format!(
        "{}{BECOME}",
        SETTINGS.replace("[protocol]", "[protocol]\nbanner = \"changed\"")
    ));
    daemon.signal(Signal::SIGHUP);
    assert_eq!(daemon.log_of("configuration reloaded")["needs_restart"], "");
    for path in all(&place.path("store")) {
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!(facts.uid(), uid(), "{}", path.display());
    }
    // What is looked at after an unclean end is looked at by a program, before the filter.
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let again = place.daemon();
    assert!(again.connect().log_on("ann", "secret"));
    again.signal(Signal::SIGTERM);
    again.log_of("stopped");
    assert_eq!(again.wait().code(), Some(0));
    assert!(!place.path("store/control").exists());
}

#[test]
fn root_goes_on_as_root_only_if_the_settings_say_so() {
    let place = place("[privileges]\nlandlock = \"off\"\n");
    let (status, line) = place.run(&["serve"], "").failure();
    assert_eq!(status, 78);
    assert!(line.contains("privileges.user is not set"), "{line}");
    place.configure(&format!(
        "{SETTINGS}[privileges]\nuser = \"root\"\nlandlock = \"off\"\n"
    ));
    let daemon = place.daemon();
    assert_eq!(threads(&daemon)[0]["Uid"], "0 0 0 0");
    assert_eq!(measure(&daemon, "user").0, "off");
    assert_eq!(measure(&daemon, "landlock").0, "off");
    assert_eq!(measure(&daemon, "seccomp").0, "on");
}

#[test]
fn a_store_that_is_somebody_elses_is_left_alone_and_the_remedy_is_said() {
    let place = place("[privileges]\nuser = \"root\"\n");
    place.add_user("ann");
    place.configure(&format!("{SETTINGS}{BECOME}"));
    let (status, line) = place.run(&["serve"], "").failure();
    let store = place.path("store");
    assert_eq!(status, 77);
    assert!(
        line.ends_with(&format!("chown -R nobody {}", store.display())),
        "{line}"
    );
    assert_eq!(fs::metadata(store).unwrap().uid(), 0);
}

#[test]
fn a_user_whom_the_system_does_not_know_is_an_error_that_names_the_key() {
    for (key, value) in [
        ("user", "\"no-such-user\""),
        ("group", "\"no-such-group\""),
        ("supplementary_groups", "[\"no-such-group\"]"),
    ] {
        let user = if key == "user" {
            ""
        } else {
            "user = \"nobody\"\n"
        };
        let place = place(&format!("[privileges]\n{user}{key} = {value}\n"));
        let (status, line) = place.run(&["serve"], "").failure();
        assert_eq!(status, 78, "{line}");
        assert!(
            line.starts_with(&format!("privileges.{key} = \"no-such-")),
            "{line}"
        );
    }
}

#[test]
fn groups_are_those_of_the_settings() {
    let more = "group = \"mail\"\nsupplementary_groups = [\"news\", \"man\"]\n";
    let place = place(&format!("{BECOME}{more}"));
    let daemon = place.daemon();
    let gid = |name: &str| nix::unistd::Group::from_name(name).unwrap().unwrap().gid;
    let thread = &threads(&daemon)[0];
    assert_eq!(
        thread["Gid"],
        [gid("mail").to_string().as_str(); 4].join(" ")
    );
    let mut further = [gid("news").as_raw(), gid("man").as_raw()];
    further.sort_unstable();
    assert_eq!(thread["Groups"], format!("{} {}", further[0], further[1]));
}

#[test]
fn a_helper_may_start_and_the_log_says_what_that_costs() {
    let ntlm = "[auth.ntlm]\nhelper = \"/bin/cat\"\n";
    let settings = SETTINGS.replace("[auth]", "[auth]\nmechanisms = [\"NTLM\"]");
    let place = place("");
    place.configure(&format!("{settings}{ntlm}{BECOME}"));
    let daemon = place.daemon();
    let (is, why) = measure(&daemon, "landlock");
    assert_eq!(is, "not possible");
    assert!(why.contains("a helper needs files"), "{why}");
    let (is, what) = measure(&daemon, "seccomp");
    assert_eq!(is, "on");
    assert!(what.contains("helpers may be started"), "{what}");
    assert_eq!(threads(&daemon)[0]["NoNewPrivs"], "1");
}

#[test]
fn check_config_says_what_will_be_given_up() {
    let place = place(BECOME);
    let text = place.run(&["check-config"], "").text();
    for line in [
        "privileges:",
        "  landlock: on, if the kernel can",
        "  seccomp: on, if the kernel can",
        "  core_dumps: off",
    ] {
        assert!(text.lines().any(|has| has == line), "{text}");
    }
    assert!(text.contains("  user: nobody, uid "), "{text}");
}
