//! Finds the server for a command: the daemon that runs, or the store itself.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mailroost_storage::MaildropStore;

use super::output::Output;
use crate::config::{Config, ProtocolLogSettings, TlsSettings};
use crate::control::{Client, TreeNode, serve_connection};
use crate::daemon::open_store;
use crate::exit::{Failure, Status};
use crate::logging::{Form, Logging};
use crate::privileges::Plan;
use crate::server::{Server, blocking};

/// Where the configuration is, if the command line does not say.
const DEFAULT_CONFIG: &str = "/etc/mailroost/mailroost.toml";

/// The file that counts: the one named, or the default one if it is there.
pub(super) fn config_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(DEFAULT_CONFIG)).filter(|file| file.exists()))
}

/// The settings, without a look at what only the daemon needs (certificates).
pub(super) fn settings(named: Option<PathBuf>) -> Result<Config, Failure> {
    match config_file(named) {
        Some(file) => Ok(Config::read(&file)?),
        None => Ok(Config::default()),
    }
}

/// Carries out `work` in a conversation with the daemon, if one runs; else with the same code
/// in this process, on a server without listeners that is there for this one command.
pub(super) fn with_server<T: Send + 'static>(
    mut config: Config,
    work: impl FnOnce(Client) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let socket = config.server.control_socket();
    if let Some(client) = Client::connect(&socket)? {
        return work(client);
    }
    // A broken certificate is no reason not to add a user, nor is a site or a source of passwords
    // that cannot be reached, a mechanism that cannot be offered or a protocol log that cannot be
    // kept: there are no sessions.
    config.listener.clear();
    config.lmtp.listener.clear();
    config.auth.source.clear();
    config.tls = TlsSettings::default();
    config.site.clear();
    config.auth.mechanisms.clear();
    config.protocol_log = ProtocolLogSettings::default();
    // Of what is left: no folder is made that only the daemon needs.
    let plan = plan(&config)?;
    plan.prepare()?;
    plan.assume_user()?;
    // Nor is a text that cannot be read; whoever is warned reads another one.
    if let Err(error) = crate::upkeep::text(&config.quota) {
        super::output::complain(&error.to_string());
        config.quota.warning_file = None;
    }
    let logging = Logging::to_stderr(Form::Human { colour: false }, slog::Level::Warning);
    let log = logging.logger().clone();
    actix::System::new().block_on(async move {
        let store = open_store(&config, &log)
            .await
            .map_err(|failure| locked(failure, &socket))?;
        let server = Server::builder()
            .config(config)
            .store(store.clone())
            .workers(0)
            .log(log)
            .start()
            .await?;
        let pair = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            Ok((tokio::net::UnixStream::from_std(ours)?, theirs))
        });
        let (ours, theirs) = pair.map_err(|error| Failure::io("a socket pair", &error))?;
        let served = actix_rt::spawn(serve_connection(ours, server.clone()));
        let done = actix_rt::task::spawn_blocking(move || work(Client::new(theirs))).await;
        // The client has hung up; whatever broke the conversation, it has said so.
        let _ = served.await;
        server.stop().await;
        blocking(move || store.close()).await?;
        done.map_err(|_| Failure::new(Status::Software, "the command panicked"))?
    })
}

/// Whom the daemon of these settings would become: a command that root runs becomes them too, or
/// the daemon could not open what it leaves behind.
pub(super) fn plan(config: &Config) -> Result<Plan, Failure> {
    // No file is read behind it.
    Ok(Plan::of(config, Path::new(DEFAULT_CONFIG))?)
}

/// Whoever has the store does not listen where a daemon would.
fn locked(failure: Failure, socket: &Path) -> Failure {
    if failure.status != Status::TempFail {
        return failure;
    }
    let message = format!(
        "{}, and nobody answers on {}",
        failure.message,
        socket.display()
    );
    Failure { message, ..failure }
}

/// A conversation with the daemon, for what nobody else knows.
pub(super) fn daemon(file: Option<PathBuf>) -> Result<Client, Failure> {
    let socket = settings(file)?.server.control_socket();
    Client::connect(&socket)?.ok_or_else(|| {
        let message = format!("no daemon answers on {}", socket.display());
        Failure::new(Status::Unavailable, message)
    })
}

/// Prints the supervision tree of the daemon.
pub(super) fn status(file: Option<PathBuf>) -> Result<(), Failure> {
    let mut client = daemon(file)?;
    let mut out = Output::new();
    print_node(&mut out, &client.census()?, 0)?;
    out.finish()
}

fn print_node(out: &mut Output, node: &TreeNode, depth: usize) -> Result<(), Failure> {
    let TreeNode {
        name,
        restarts,
        population,
        children,
    } = node;
    let mut line = format!("{:indent$}{name}", "", indent = 2 * depth);
    if *population > 0 {
        line += &format!(", {population} alive");
    }
    if *restarts > 0 {
        line += &format!(", {restarts} restarts");
    }
    out.line(&line)?;
    children
        .iter()
        .try_for_each(|child| print_node(out, child, depth + 1))
}
