//! Connections to one server over TCP, with TLS by native-tls.

use mailroost_actors::tls::BoxedIo;
use mailroost_actors::{Dialer, Dialing};
use tokio::net::TcpStream;

/// Connects to one host; its certificate has to bear that host's name.
pub(super) struct TcpDialer {
    host: Box<str>,
    port: u16,
    connector: tokio_native_tls::TlsConnector,
}

impl TcpDialer {
    pub(super) fn new(host: Box<str>, port: u16, connector: native_tls::TlsConnector) -> Self {
        Self {
            host,
            port,
            connector: connector.into(),
        }
    }
}

impl Dialer for TcpDialer {
    fn connect(&self) -> Dialing {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let tcp = TcpStream::connect((&*host, port))
                .await
                .map_err(|error| format!("cannot connect to {host} port {port}: {error}"))?;
            // Commands are written whole; waiting for more of them helps nobody.
            tcp.set_nodelay(true)
                .map_err(|error| format!("the connection broke: {error}"))?;
            let io: BoxedIo = Box::new(tcp);
            Ok(io)
        })
    }

    fn start_tls(&self, io: BoxedIo) -> Dialing {
        let (host, connector) = (self.host.clone(), self.connector.clone());
        Box::pin(async move {
            match connector.connect(&host, io).await {
                Ok(tls) => {
                    let io: BoxedIo = Box::new(tls);
                    Ok(io)
                }
                Err(error) => Err(format!("TLS with {host}: {error}")),
            }
        })
    }
}
