//! Real clients log on with a ticket.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::child::{program, run};
use super::stage::{Setup, Stage};

const BODY: &str = "Subject: one\n\nbody\n";

/// A client that sees the realm, at home in the daemon's folder.
fn client(stage: &Stage, name: &str) -> Command {
    let mut command = program(name, name, &stage.place.path(""));
    command.envs(stage.realm.environment());
    command
}

fn port(stage: &Stage) -> u16 {
    stage.daemon.addresses[0].port()
}

/// Writes the settings of a client, which nobody else may read.
fn settings(stage: &Stage, name: &str, text: &str) -> String {
    let path = stage.place.file(name, text);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

fn curl(stage: &Stage, user: &str, more: &[&str]) -> Command {
    let mut curl = client(stage, "curl");
    curl.args(["--silent", "--show-error", "--max-time", "50", "--insecure"]);
    // Without a realm in the user's name curl does not try it.
    curl.args(["--user", &format!("{user}@TEST.LAN:")]);
    curl.args(["--login-options", "AUTH=GSSAPI"]).args(more);
    curl.arg(format!("pop3://localhost:{}/1", port(stage)));
    curl
}

#[test]
fn curl_in_clear_and_inside_tls() {
    let stage = Stage::new(Setup::default());
    for more in [&[][..], &["--ssl-reqd"]] {
        let arrived = run(curl(&stage, "ann", more)).success();
        assert_eq!(String::from_utf8(arrived).unwrap().replace('\r', ""), BODY);
    }
}

#[test]
fn fetchmail_asks_for_mutual_authentication() {
    let stage = Stage::new(Setup::default());
    let arrived = stage.place.path("arrived");
    let text = format!(
        "set no syslog\nset no bouncemail\nset pidfile \"{home}/pid\"\nset idfile \"{home}/ids\"\n\
         poll localhost protocol pop3 service {port} auth gssapi timeout 30\n\
         user ann keep fetchall no rewrite sslproto \"\" mda \"cat > {arrived}\"\n",
        home = stage.place.path("").display(),
        port = port(&stage),
        arrived = arrived.display(),
    );
    let settings = settings(&stage, "fetchmailrc", &text);
    let mut fetchmail = client(&stage, "fetchmail");
    fetchmail.args(["--nodetach", "--invisible", "--fetchmailrc", &settings]);
    run(fetchmail).success();
    assert_eq!(std::fs::read_to_string(arrived).unwrap(), BODY);
}

#[test]
fn mpop_through_gnu_sasl() {
    let stage = Stage::new(Setup::default());
    let arrived = stage.place.path("arrived");
    let text = format!(
        "account default\nhost localhost\nport {}\nauth gssapi\nuser ann\ntls off\nkeep on\n\
         received_header off\nuidls_file {}\ndelivery mda \"cat > {}\"\n",
        port(&stage),
        stage.place.path("uidls").display(),
        arrived.display(),
    );
    let settings = settings(&stage, "mpoprc", &text);
    let mut mpop = client(&stage, "mpop");
    mpop.args(["--file", &settings]);
    run(mpop).success();
    assert_eq!(std::fs::read_to_string(arrived).unwrap(), BODY);
}

#[test]
fn curl_with_the_ticket_of_somebody_without_a_maildrop_is_refused() {
    let stage = Stage::new(Setup::default());
    stage.realm.log_on("ann/admin");
    // CURLE_LOGIN_DENIED
    assert_eq!(run(curl(&stage, "ann", &[])).status.code(), Some(67));
    let line = stage.daemon.log_of("log-on failed");
    assert_eq!(
        line["why"],
        "not permitted: the principal is not one of a user"
    );
}
