//! What goes over the wire.

pub mod transparency;
