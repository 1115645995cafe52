//! Connections and round trips without a server's work: bare ones, and the dialog of a poll with a
//! server that has all its replies ready.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Fault;
use crate::drive::{Client, Plan, Work, drive};
use crate::mail::Group;
use crate::scenario::Visiting;
use crate::wire::Target;

/// Clients that connect side by side.
const CONNECTING: usize = 2;

/// Connections in a second that are accepted and closed.
pub(super) fn accepts(window: Duration) -> Result<f64, Fault> {
    let address = listen(|_stream| Ok(()))?;
    struct Connecting(SocketAddr);
    impl Client for Connecting {
        fn operate(&mut self, _round: usize) -> Result<Option<Work>, Fault> {
            TcpStream::connect(self.0)?.read_to_end(&mut Vec::new())?;
            Ok(Some(Work::default()))
        }
    }
    let plan = Plan {
        clients: CONNECTING,
        window,
        warm_up: false,
    };
    Ok(drive(plan, |_| Ok(Connecting(address)))?.rate())
}

/// Lines of ten octets that go to and fro on one connection, in a second.
pub(super) fn round_trips(window: Duration) -> Result<f64, Fault> {
    let mut octets = [b'a'; 10];
    let address = listen(|mut stream| {
        let mut octets = [0; 10];
        stream.set_nodelay(true)?;
        while stream.read_exact(&mut octets).is_ok() {
            stream.write_all(&octets)?;
        }
        Ok(())
    })?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let begun = Instant::now();
    let mut trips = 0_u32;
    while begun.elapsed() < window {
        stream.write_all(&octets)?;
        stream.read_exact(&mut octets)?;
        trips += 1;
    }
    Ok(f64::from(trips) / begun.elapsed().as_secs_f64())
}

/// Polls in a second, of a maildrop as the group has it, by a server that copies its replies.
pub(super) fn polls(group: Group, clients: usize, window: Duration) -> Result<f64, Fault> {
    let messages = group.messages();
    let mut listing = b"+OK\r\n".to_vec();
    for number in 1..=messages {
        listing.extend_from_slice(format!("{number} {number}\r\n").as_bytes());
    }
    listing.extend_from_slice(b".\r\n");
    let listing = Arc::new(listing);
    let stat = format!("+OK {messages} {}\r\n", messages * group.octets());
    let address = listen(move |stream| answer(stream, &stat, &listing))?;
    let target = Target { address, tls: None };
    let plan = Plan {
        clients,
        window,
        warm_up: true,
    };
    Ok(drive(plan, |number| {
        Ok(Visiting::new(target.clone(), group, number))
    })?
    .rate())
}

fn answer(mut stream: TcpStream, stat: &str, listing: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"+OK\r\n")?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4) {
            Some(b"STAT") => stream.write_all(stat.as_bytes())?,
            Some(b"UIDL") => stream.write_all(listing)?,
            Some(b"QUIT") => return stream.write_all(b"+OK\r\n"),
            _ => stream.write_all(b"+OK\r\n")?,
        }
    }
}

/// A server with a thread for each connection. It stays until the program ends, and does nothing
/// when nobody connects.
fn listen(
    serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            // Who hangs up ends one thread.
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(address)
}
