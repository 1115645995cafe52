//! The tree's own log among the events, for whoever replays a seed.

use std::fmt::{Arguments, Write};
use std::sync::Arc;

use slog::{Drain, KV, Key, Logger, Never, OwnedKVList, Record, Serializer};

use crate::world::World;

/// A log that is read beside the events if the run is played aloud.
pub(crate) fn log(world: &Arc<World>) -> Logger {
    match world.is_aloud() {
        true => Logger::root(Aloud(Arc::clone(world)), slog::o!()),
        false => Logger::root(slog::Discard, slog::o!()),
    }
}

struct Aloud(Arc<World>);

impl Drain for Aloud {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let mut line = Line(record.msg().to_string());
        // A line that cannot be written whole is still read.
        let _ = record.kv().serialize(record, &mut line);
        let _ = values.serialize(record, &mut line);
        self.0.say(&line.0);
        Ok(())
    }
}

struct Line(String);

impl Serializer for Line {
    fn emit_arguments(&mut self, key: Key, value: &Arguments<'_>) -> slog::Result {
        write!(self.0, ", {key}: {value}")?;
        Ok(())
    }
}
