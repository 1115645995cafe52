//! An actix-web application and a POP3 server in one `actix::System`.
//!
//! ```text
//! cargo run --example embed_in_actix_web
//! curl --data-binary 'Subject: hello
//!
//! from the web' http://127.0.0.1:8080/mail/ann
//! curl --user ann:secret pop3://127.0.0.1:1110/1
//! ```
//!
//! The web handler holds the server's handle; `deliver` sends the message to the actor that owns
//! the maildrop, and answers when it is durable. With `--once` the program does both requests
//! itself, on ports that the system chooses, and ends.

use std::error::Error;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use mailroost::protocol::{LoginType, Policy};
use mailroost::storage::MemoryStore;
use mailroost::{Security, Server, ServerError, ServerHandle};
use mailroost_testkit::client::Client;

fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    actix_web::rt::System::new().block_on(async {
        if once {
            once_only().await
        } else {
            serve().await
        }
    })
}

/// The POP3 server, in memory, with one user.
async fn pop3(port: u16) -> Result<ServerHandle, Box<dyn Error>> {
    // This is for loopback only; a real one has a certificate and wants TLS.
    let policy = Policy {
        login_type: LoginType::PlainTextLogin,
        ..Policy::default()
    };
    let server = Server::builder()
        .store(Arc::new(MemoryStore::new()))
        .policy(policy)
        .listen(SocketAddr::from(([127, 0, 0, 1], port)), Security::Stls)
        .start()
        .await?;
    server.add_user("ann", "secret").await?;
    Ok(server)
}

/// `POST /mail/{user}`: the body is the message.
async fn deliver(
    user: web::Path<String>,
    message: web::Bytes,
    pop3: web::Data<ServerHandle>,
) -> HttpResponse {
    match pop3.deliver(&user, Cursor::new(message)).await {
        Ok(id) => HttpResponse::Created().body(format!("message {id}\n")),
        Err(error @ ServerError::NoSuchUser(_)) => {
            HttpResponse::NotFound().body(format!("{error}\n"))
        }
        Err(error) => {
            HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE).body(format!("{error}\n"))
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let pop3 = pop3(1110).await?;
    let data = web::Data::new(pop3.clone());
    let app = move || {
        App::new()
            .app_data(data.clone())
            .route("/mail/{user}", web::post().to(deliver))
    };
    // actix-web takes the signals; the POP3 server installs nothing global.
    HttpServer::new(app)
        .bind(("127.0.0.1", 8080))?
        .run()
        .await?;
    pop3.drain().await;
    Ok(())
}

/// Delivers over HTTP, fetches over POP3, and stops both.
pub async fn once_only() -> Result<(), Box<dyn Error>> {
    let pop3 = pop3(0).await?;
    let data = web::Data::new(pop3.clone());
    let app = move || {
        App::new()
            .app_data(data.clone())
            .route("/mail/{user}", web::post().to(deliver))
    };
    let http = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))?;
    let web_address = http.addrs()[0];
    let http = http.run();
    let web_handle = http.handle();
    let web_task = actix_web::rt::spawn(http);

    let message = "Subject: hello\r\n\r\nfrom the web\r\n";
    let answer = post(web_address, "/mail/ann", message).await?;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let answer = post(web_address, "/mail/nobody", message).await?;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    let mut client = Client::connect(pop3.addresses()[0]).await?;
    client.line().await?;
    for command in ["USER ann", "PASS secret", "RETR 1"] {
        let answer = client.ask(command).await?;
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
    }
    assert_eq!(client.lines().await?, message.as_bytes());
    assert!(client.ask("QUIT").await?.starts_with("+OK"));

    web_handle.stop(true).await;
    web_task.await??;
    pop3.drain().await;
    Ok(())
}

/// A request by hand; the whole answer.
async fn post(address: SocketAddr, path: &str, body: &str) -> std::io::Result<String> {
    let mut client = Client::connect(address).await?;
    let octets = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {octets}\r\n\r\n{body}");
    client.send(request.as_bytes()).await?;
    Ok(String::from_utf8_lossy(&client.rest().await?).into_owned())
}
