//! What is still possible, tried in threads of the tests: neither filter nor Landlock leave the
//! thread that puts them on itself.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use tempfile::TempDir;

use super::*;

fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().unwrap();
}

#[track_caller]
fn refused<T>(outcome: io::Result<T>, errno: Errno) {
    let error = outcome.err().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(errno as i32));
}

#[test]
fn nothing_is_executed_and_no_process_begun_behind_the_filter() {
    on_a_thread(|| {
        system_calls::refuse_on_this_thread(false).unwrap();
        refused(Command::new("/bin/true").spawn(), Errno::EPERM);
        // If it were let, it would be the end of this test program.
        refused(
            Err::<(), _>(Command::new("/bin/false").exec()),
            Errno::EPERM,
        );
    });
}

#[test]
fn threads_sockets_and_files_go_on_behind_the_filter() {
    on_a_thread(|| {
        let folder = tempfile::tempdir().unwrap();
        system_calls::refuse_on_this_thread(false).unwrap();
        let thread = thread::spawn(|| 7);
        assert_eq!(thread.join().unwrap(), 7);
        fs::write(folder.path().join("file"), "x").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        UnixStream::pair().unwrap();
    });
}

/// Where a program may be run, one finds out for us what else it may do: calls by number, and
/// what the kernel answers.
#[test]
fn tracing_and_the_larger_surfaces_of_the_kernel_are_refused_to_helpers_too() {
    let calls: Vec<String> = system_calls::always_refused()
        .map(|number| number.to_string())
        .collect();
    let script = format!(
        "import ctypes, os\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         for number in [{}]:\n    \
             ctypes.set_errno(0)\n    \
             answer = libc.syscall(number, -1, -1, -1, -1, -1, -1)\n    \
             assert (answer, ctypes.get_errno()) == (-1, 1), (number, answer)\n\
         import socket\n\
         try:\n    \
             socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n    \
             raise AssertionError('a raw socket')\n\
         except PermissionError:\n    \
             pass\n\
         socket.socket(socket.AF_INET6)\n",
        calls.join(", ")
    );
    assert!(calls.len() > 40);
    on_a_thread(move || {
        system_calls::refuse_on_this_thread(true).unwrap();
        let output = Command::new("python3").arg("-c").arg(script).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    });
}

/// A configuration with a store in a folder of its own.
fn configuration(more: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("listener = []\nprotocol.login_type = \"plain_text_login\"\n{more}");
    let mut config = Config::parse("m.toml", &text).unwrap();
    config.server.store = folder.path().join("store");
    fs::create_dir(&config.server.store).unwrap();
    (folder, config)
}

fn restrict(config: &Config, file: &Path) -> String {
    set_no_new_privs().unwrap();
    let places = Places::of(config, file);
    FileAccess::of(&places, &config.privileges)
        .restrict()
        .unwrap()
}

#[test]
fn files_outside_the_store_and_the_settings_are_out_of_reach() {
    on_a_thread(|| {
        let (folder, config) = configuration("");
        let (etc, elsewhere) = (folder.path().join("etc"), folder.path().join("elsewhere"));
        for place in [&etc, &elsewhere] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("file"), "x").unwrap();
        }
        let said = restrict(&config, &etc.join("m.toml"));
        assert!(
            said.contains(&format!("written: {}", config.server.store.display())),
            "{said}"
        );
        refused(File::open(elsewhere.join("file")), Errno::EACCES);
        refused(File::open("/etc/passwd"), Errno::EACCES);
        refused(fs::read_dir("/"), Errno::EACCES);
        refused(fs::write(elsewhere.join("new"), "x"), Errno::EACCES);
        refused(fs::remove_file(elsewhere.join("file")), Errno::EACCES);
        // What stands beside the settings can be read, and not changed.
        assert_eq!(fs::read(etc.join("file")).unwrap(), b"x");
        refused(fs::write(etc.join("file"), "y"), Errno::EACCES);
    });
}

#[test]
fn the_store_is_written_moved_and_linked_and_nothing_in_it_is_run() {
    on_a_thread(|| {
        let (_folder, config) = configuration("");
        let store = config.server.store.clone();
        restrict(&config, Path::new("/nowhere/m.toml"));
        for name in ["staging", "bodies"] {
            fs::create_dir(store.join(name)).unwrap();
        }
        let (staged, body) = (store.join("staging/1"), store.join("bodies/1"));
        fs::write(&staged, "#!/bin/sh\n").unwrap();
        fs::rename(&staged, &body).unwrap();
        fs::hard_link(&body, store.join("staging/2")).unwrap();
        File::options()
            .write(true)
            .open(&body)
            .unwrap()
            .set_len(9)
            .unwrap();
        fs::set_permissions(&body, fs::Permissions::from_mode(0o700)).unwrap();
        refused(Command::new(&body).spawn(), Errno::EACCES);
        fs::remove_file(store.join("staging/2")).unwrap();
    });
}

#[test]
fn there_are_no_new_listeners_and_no_connections_that_no_setting_asks_for() {
    let site = "[[site]]\nname = \"east\"\naddress = \"pop.example.org\"\n";
    for (more, connects) in [("", false), (site, true)] {
        on_a_thread(move || {
            let (_folder, config) = configuration(more);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            restrict(&config, Path::new("/nowhere/m.toml"));
            refused(TcpListener::bind("127.0.0.1:0"), Errno::EACCES);
            let connected = TcpStream::connect(listener.local_addr().unwrap());
            match connects {
                true => drop(connected.unwrap()),
                false => refused(connected, Errno::EACCES),
            }
            assert_eq!(fs::read("/etc/hosts").is_ok(), connects);
        });
    }
}

#[test]
fn what_is_off_is_not_done_and_what_is_required_is_done_whatever_stands_against_it() {
    let done = || Ok("done".to_owned());
    let outcome = |wanted, why_not| {
        measure::carry_out("landlock", wanted, why_not, done)
            .unwrap()
            .outcome
    };
    assert_eq!(outcome(Restriction::Off, None), Outcome::Off);
    assert_eq!(outcome(Restriction::WhenPossible, None), Outcome::Done);
    assert_eq!(
        outcome(Restriction::WhenPossible, Some("why")),
        Outcome::Prevented
    );
    assert_eq!(outcome(Restriction::Required, Some("why")), Outcome::Done);
    let cannot = || Err("it is too old".to_owned());
    let error = measure::carry_out("landlock", Restriction::Required, None, cannot);
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "privileges.landlock is \"required\": it is too old");
}

#[test]
fn every_path_of_the_settings_is_written_read_or_a_socket() {
    let text = "listener = []\nprotocol.login_type = \"plain_text_login\"\n\
        [server]\nstore = \"/s\"\ncontrol_socket = \"/c/control\"\n\
        [store]\nhigh_water_folder = \"/h\"\n\
        [protocol_log]\nenabled = true\nfolder = \"/p\"\n\
        [[lmtp.listener]]\npath = \"/l/lmtp\"\n\
        [[auth.source]]\nkind = \"passwd_file\"\nfile = \"/f/users\"\n";
    let config = Config::parse("m.toml", text).unwrap();
    let places = Places::of(&config, Path::new("/etc/mailroost/mailroost.toml"));
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(places.kept, paths(&["/s", "/h", "/p"]));
    assert_eq!(places.sockets, paths(&["/l", "/c"]));
    assert!(places.read.contains(&PathBuf::from("/f")), "{places:?}");
    assert!(
        places.read.contains(&PathBuf::from("/etc/mailroost")),
        "{places:?}"
    );
    assert!(!places.connects);
}
