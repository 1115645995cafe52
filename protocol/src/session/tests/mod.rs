//! Dialogs with a session, played against a few messages in memory.

mod authorization;
mod driver;
mod endings;
mod handed_on;
mod limits;
mod listings;
mod model;
mod sasl;
mod security_layer;
mod splits;
mod stls;
mod trail;
mod transaction;
