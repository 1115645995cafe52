//! Marks survive tears, damage and compaction.

use super::super::files::DiskFiles;
use super::*;

const RUN_5: LastRun = LastRun {
    number: 5,
    closed: false,
};

fn open(path: &Path) -> (HighWater, Option<String>) {
    let files: Arc<dyn Files> = Arc::new(DiskFiles);
    HighWater::open(&files, path, true).unwrap()
}

fn mark(next: u64) -> Sequence {
    Sequence { next, first_own: 1 }
}

#[test]
fn the_last_record_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high_water");
    let (mut marks, complaint) = open(&path);
    assert!(complaint.is_some(), "it was missing");
    assert_eq!((marks.run(), marks.next_maildrop()), (None, 1));
    marks
        .set(&[(MaildropId(3), mark(65)), (MaildropId(9), mark(65))])
        .unwrap();
    marks
        .set_run(LastRun {
            number: 77,
            closed: true,
        })
        .unwrap();
    marks.set(&[(MaildropId(3), mark(12))]).unwrap();
    drop(marks);
    let (marks, complaint) = open(&path);
    assert_eq!(complaint, None);
    assert_eq!(marks.mark(MaildropId(3)), Some(mark(12)));
    assert_eq!(marks.mark(MaildropId(9)), Some(mark(65)));
    assert_eq!(
        (marks.run(), marks.next_maildrop()),
        (
            Some(LastRun {
                number: 77,
                closed: true
            }),
            10
        )
    );
}

#[test]
fn a_torn_end_is_passed_over_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high_water");
    let (mut marks, _) = open(&path);
    marks.set(&[(MaildropId(1), mark(65))]).unwrap();
    marks.set(&[(MaildropId(1), mark(129))]).unwrap();
    drop(marks);
    let whole = std::fs::read(&path).unwrap();
    for length in RECORD_OCTETS..2 * RECORD_OCTETS {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (mut marks, complaint) = open(&path);
        assert_eq!(
            (marks.mark(MaildropId(1)), complaint),
            (Some(mark(65)), None),
            "{length}"
        );
        marks.set(&[(MaildropId(2), mark(7))]).unwrap();
        drop(marks);
        assert_eq!(open(&path).0.mark(MaildropId(2)), Some(mark(7)), "{length}");
    }
}

#[test]
fn a_damaged_record_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high_water");
    let (mut marks, _) = open(&path);
    marks
        .set(&[
            (MaildropId(1), mark(5)),
            (MaildropId(2), mark(6)),
            (MaildropId(3), mark(7)),
        ])
        .unwrap();
    drop(marks);
    let mut octets = std::fs::read(&path).unwrap();
    octets[RECORD_OCTETS + 9] ^= 1;
    std::fs::write(&path, &octets).unwrap();
    let (marks, complaint) = open(&path);
    assert!(complaint.unwrap().starts_with("1 damaged record"));
    assert_eq!(marks.mark(MaildropId(1)), Some(mark(5)));
    assert_eq!(marks.mark(MaildropId(2)), None);
    assert_eq!(marks.mark(MaildropId(3)), Some(mark(7)));
    drop(marks);
    assert_eq!(open(&path).1, None, "it was written anew");
}

#[test]
fn many_raises_are_written_anew_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high_water");
    let (mut marks, _) = open(&path);
    for next in 1..500 {
        marks.set(&[(MaildropId(1), mark(next))]).unwrap();
    }
    marks.set_run(RUN_5).unwrap();
    drop(marks);
    let (marks, _) = open(&path);
    assert_eq!(
        (marks.mark(MaildropId(1)), marks.run()),
        (Some(mark(499)), Some(RUN_5))
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().len(),
        2 * RECORD_OCTETS as u64
    );
}
