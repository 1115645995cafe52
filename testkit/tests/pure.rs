//! tmp
use std::path::Path;
use mailroost_testkit::play::{Chunking, pure};
use mailroost_testkit::transcript::Transcript;
#[test]
fn all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts");
    let mut bad = 0;
    for t in Transcript::load_all(&folder).unwrap_or_else(|e| panic!("{e}")) {
        for c in Chunking::all(7) {
            let r = std::panic::catch_unwind(|| pure::play(&t, c));
            match r {
                Ok(Ok(_)) => {}
                Ok(Err(f)) => { bad += 1; println!("{f}"); break; }
                Err(_) => { bad += 1; println!("PANIC {} {c:?}", t.path.display()); break; }
            }
        }
    }
    assert_eq!(bad, 0);
}
