//! A deterministic simulation: the whole tree in one thread on a paused clock. From a seed follow
//! the scheduling, the network, the store's faults, the clients and the panics; what must always
//! hold is checked as it happens; and the same seed plays the same run.
//!
//! | module | holds |
//! | --- | --- |
//! | `run` | a run from a seed: the lives of the tree on one store, and the judgement |
//! | `plan`, `dice` | what the seed decides |
//! | `world` | what outlives a life: time, weather, books, what was found wrong |
//! | `script`, `operator`, `settle` | what happens in a life, and at its end |
//! | `party` | the clients: POP3, LMTP, those who guess |
//! | `wire` | the network |
//! | `store` | the store with its troubles, which keeps the books |
//! | `books` | the oracle: what was sent, what was done, what was told to whom |
//! | `trace`, `log` | all events as one number, and the last of them; the tree's log beside them |

mod books;
mod dice;
mod log;
mod operator;
mod party;
mod plan;
mod run;
mod script;
mod settle;
mod store;
mod trace;
mod warning;
mod wire;
mod world;

pub use run::{Outcome, run, watch_panics};
