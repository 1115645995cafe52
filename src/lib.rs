//! A POP3 server with the semantics of Microsoft Exchange's POP3 service, built as a
//! supervision tree on actix.
//!
//! The daemon `mailroost` is one user of this library; an actix program that wants a POP3
//! server inside is another. Such a program makes a [`Server`] from values and gets a
//! [`ServerHandle`]:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use mailroost::storage::MemoryStore;
//! use mailroost::{Config, Security, Server};
//!
//! let config = Config::parse("", "protocol.login_type = \"plain_text_login\"\nlistener = []")?;
//! let server = Server::builder()
//!     .config(config)
//!     .store(Arc::new(MemoryStore::new()))
//!     .listen("127.0.0.1:0".parse()?, Security::Stls)
//!     .start()
//!     .await?;
//! server.add_user("ann", "secret").await?;
//! server.deliver("ann", &b"Subject: hello\r\n\r\nworld\r\n"[..]).await?;
//! println!("pop3://{}", server.addresses()[0]);
//! server.drain().await;
//! # Ok(())
//! # }
//! ```
//!
//! It runs in the caller's `actix::System` and installs nothing global: no signal handler, no
//! logger, no allocator.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | what can be set, read from TOML |
//! | [`server`] | the builder and the handle |
//! | [`logging`] | lines for people or programs, from a thread of their own |
//! | [`protocol_log`] | a line for each command, in the layout of Exchange's POP log |
//! | [`sealing_key`] | the file of the key of sealed NT hashes |
//! | [`site`] | the way to the servers of other sites |
//! | [`gssapi`] | whether and why not GSSAPI can be offered |
//! | [`tls`] | certificates, and TLS by either provider |
//! | [`privileges`] | what the daemon gives up before it serves |
//! | [`upkeep`] | quota and retention, from the settings |
//! | [`control`] | administration of a server, running or not |
//! | [`daemon`], [`cli`] | the program: signals, command line, exit statuses |
//! | [`storage`], [`auth`], [`protocol`], [`actors`] | the rooms that this one composes |

mod calendar;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod exit;
pub mod gssapi;
pub mod logging;
mod mechanisms;
mod oauth;
mod password_sources;
pub mod privileges;
pub mod protocol_log;
pub mod sealing_key;
pub mod server;
pub mod site;
pub mod tls;
mod unix_socket;
pub mod upkeep;

pub use mailroost_actors as actors;
pub use mailroost_auth as auth;
pub use mailroost_protocol as protocol;
pub use mailroost_storage as storage;

pub use config::{Config, ConfigError, Security};
pub use oauth::OAuthSetupError;
pub use server::{Server, ServerBuilder, ServerError, ServerHandle, StartError};
