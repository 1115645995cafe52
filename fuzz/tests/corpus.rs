//! Every target over its corpus, and over mutations of it from a fixed seed: what a fuzzer
//! found once is not found again, and a target that no longer fits its product is seen at once.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mailroost_fuzz::mutation::Mutator;
use mailroost_fuzz::{TARGETS, Target};

/// How many mutations of each target are tried, if time allows.
const MUTATIONS: usize = 4_000;
/// How long they are tried; a debug build on a busy machine tries fewer.
const TIME_MAX: Duration = Duration::from_secs(4);

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let entries = std::fs::read_dir(folder.join(target.name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let octets = std::fs::read(&path).unwrap();
        (path, octets)
    };
    paths.into_iter().map(read).collect()
}

/// Runs a target; what breaks it is written where it can be replayed.
fn run(target: &Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let kept = std::env::temp_dir().join(format!("mailroost-fuzz-{}", target.name));
        std::fs::write(&kept, input).unwrap();
        panic!(
            "{}: {what} breaks it; it is in {}",
            target.name,
            kept.display()
        );
    }
}

#[test]
fn no_input_that_was_kept_breaks_its_target() {
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for (path, input) in corpus {
            run(target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn no_mutation_breaks_a_target() {
    for (target, seed) in TARGETS.iter().zip(1..) {
        let corpus = corpus(target);
        let mut mutator = Mutator::new(seed);
        let begin = Instant::now();
        for number in 0..MUTATIONS {
            if begin.elapsed() > TIME_MAX {
                break;
            }
            let [input, other] = [(); 2].map(|()| &corpus[mutator.below(corpus.len())].1);
            let input = mutator.mutated(input, other);
            run(target, &input, &format!("mutation {number} of seed {seed}"));
        }
    }
}

#[test]
fn a_corpus_is_small() {
    const OCTETS_MAX: usize = 200 * 1024;
    for target in TARGETS {
        let octets: usize = corpus(target).iter().map(|(_, input)| input.len()).sum();
        assert!(octets <= OCTETS_MAX, "{}: {octets} octets", target.name);
    }
}

#[test]
fn each_target_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let program = folder.join(format!("fuzz_targets/{}.rs", target.name));
        let text = std::fs::read_to_string(&program).unwrap();
        let call = format!("mailroost_fuzz::{0}::{0}(data)", target.name);
        assert!(text.contains(&call), "{}", program.display());
        assert!(
            manifest.contains(&format!("name = \"{}\"", target.name)),
            "{}",
            target.name
        );
    }
}
