//! Opens the store as the configuration says.

use std::sync::Arc;

use mailroost_storage::sled_store::Probe;
use mailroost_storage::{SledStore, SledStoreOptions, StoreEvent};

use crate::config::Config;
use crate::exit::Failure;
use crate::server::{ServerError, blocking};

/// The options of the store. What it has to say goes to the log. An index that may be damaged
/// is opened first by a process of its own, which may die: the running program, as
/// `mailroost store probe`.
pub fn store_options(config: &Config, log: &slog::Logger) -> SledStoreOptions {
    let log = log.clone();
    let standard = SledStoreOptions::default();
    let probe = match std::env::current_exe() {
        Ok(program) => Probe::Child {
            program,
            arguments: vec!["store".into(), "probe".into()],
        },
        Err(_) => standard.probe.clone(),
    };
    SledStoreOptions {
        high_water_folder: config.store.high_water_folder.clone(),
        cache_octets: config.store.cache.value() * 1024,
        probe,
        probe_deadline: config.store.probe_timeout.duration(),
        reserve_octets: config.store.reserve.value() * 1024,
        events: Arc::new(move |event: &StoreEvent| {
            if event.is_loud() {
                slog::error!(log, "store"; "event" => %event);
            } else {
                slog::info!(log, "store"; "event" => %event);
            }
        }),
        ..standard
    }
}

/// Opens the store, away from the threads that serve sockets.
///
/// # Errors
/// One line; for a store that is in use, with the process that has it.
pub async fn open_store(config: &Config, log: &slog::Logger) -> Result<Arc<SledStore>, Failure> {
    let (folder, options) = (config.server.store.clone(), store_options(config, log));
    let store = blocking(move || SledStore::open(&folder, options).map_err(ServerError::Store));
    Ok(Arc::new(store.await?))
}
