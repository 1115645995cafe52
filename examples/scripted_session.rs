//! Plays scripts of `C:` and `S:` lines against a server, prints what was said, and says where it
//! differed from what was written.
//!
//! ```text
//! cargo run --example scripted_session -- examples/scripts/*.pop3
//! cargo run --example scripted_session -- --octets examples/scripts/02-reading-mail.pop3
//! cargo run --example scripted_session -- --server 127.0.0.1:1110 my-own.pop3
//! ```
//!
//! Without `--server` each script gets a server of its own with the users and messages of its
//! head. With it, the server has to have them already, and stage directions that only the
//! server's owner can follow end the script. The exit status is 1 if anything differed or could
//! not be played to its end, 2 if the arguments are wrong. The format is described in `mailroost_testkit::transcript`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use mailroost_testkit::certificate::TestCertificate;
use mailroost_testkit::play::{Chunking, Played, tree};
use mailroost_testkit::transcript::Transcript;

const USAGE: &str =
    "usage: scripted_session [--server ADDRESS:PORT] [--whole | --split SEED | --octets] SCRIPT...";

/// What the arguments say.
struct Wanted {
    server: Option<SocketAddr>,
    chunking: Chunking,
    scripts: Vec<String>,
}

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let status = run(&arguments, &mut io::stdout().lock())?;
    Ok(ExitCode::from(status))
}

/// Plays what the arguments name and writes to `out`; the exit status.
pub fn run(arguments: &[String], out: &mut dyn Write) -> io::Result<u8> {
    let Some(wanted) = parse(arguments) else {
        writeln!(out, "{USAGE}")?;
        return Ok(2);
    };
    let certificate = TestCertificate::make()?;
    let mut status = 0;
    for script in &wanted.scripts {
        if !play(script, &wanted, &certificate, out)? {
            status = 1;
        }
    }
    Ok(status)
}

fn parse(arguments: &[String]) -> Option<Wanted> {
    let mut wanted = Wanted {
        server: None,
        chunking: Chunking::Lines,
        scripts: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--server" => wanted.server = Some(arguments.next()?.parse().ok()?),
            "--whole" => wanted.chunking = Chunking::Whole,
            "--split" => wanted.chunking = Chunking::Split(arguments.next()?.parse().ok()?),
            "--octets" => wanted.chunking = Chunking::Octets,
            option if option.starts_with('-') => return None,
            script => wanted.scripts.push(script.to_owned()),
        }
    }
    (!wanted.scripts.is_empty()).then_some(wanted)
}

/// Whether it went as written, to its end.
fn play(
    script: &str,
    wanted: &Wanted,
    certificate: &TestCertificate,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let transcript = match Transcript::load(Path::new(script)) {
        Ok(transcript) => transcript,
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok(false);
        }
    };
    writeln!(out, "{script}: {}", transcript.why)?;
    let (result, dialog) = actix_rt::System::new().block_on(async {
        match wanted.server {
            Some(address) => tree::play_against(address, &transcript, wanted.chunking).await,
            None => tree::perform(&transcript, wanted.chunking, certificate).await,
        }
    });
    match result {
        Ok(Played::Cannot { line }) => {
            writeln!(
                out,
                "{dialog}  line {line} cannot be played against this server"
            )?;
            return Ok(false);
        }
        Ok(Played::Purely | Played::OverTcp | Played::OverPipe) => {
            writeln!(out, "{dialog}  as written")?;
        }
        // It shows the dialog, too.
        Err(failure) => {
            writeln!(out, "{failure}")?;
            return Ok(false);
        }
    }
    Ok(true)
}
