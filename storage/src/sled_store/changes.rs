//! What a commit changes in the segments of a maildrop.

use super::index::{Change, Index, TreeName, segment_key};
use super::record::{SEGMENT_BITS, encode_deleted, encode_segment, segment_of};
use crate::{DeletedRecord, MaildropId, MessageId, MessageRecord, StoreError};

/// The segments that get longer.
pub(super) fn changes_of_delivery(
    id: MaildropId,
    live: &[MessageRecord],
    added: &[MessageRecord],
) -> Vec<Change> {
    let Some(first) = added.first() else {
        return Vec::new();
    };
    let begin = MessageId(segment_of(first.id) << SEGMENT_BITS);
    let from = live.partition_point(|record| record.id < begin);
    let touched: Vec<&MessageRecord> = live[from..].iter().chain(added).collect();
    let segments = touched.chunk_by(|one, two| segment_of(one.id) == segment_of(two.id));
    let put = |records: &[&MessageRecord]| {
        let key = segment_key(id, segment_of(records[0].id));
        Change::put(
            TreeName::Segments,
            key,
            encode_segment(records.iter().copied()),
        )
    };
    segments.map(put).collect()
}

/// The segments in which the `touched` messages were removed or became others; `live` is as it is
/// after that. Both are in order.
pub(super) fn changes_of_segments(
    id: MaildropId,
    live: &[MessageRecord],
    touched: &[MessageId],
) -> Vec<Change> {
    let segments = touched.chunk_by(|one, two| segment_of(*one) == segment_of(*two));
    let change = |ids: &[MessageId]| {
        let segment = segment_of(ids[0]);
        let from = live.partition_point(|record| segment_of(record.id) < segment);
        let rest = &live[from..];
        let rest = &rest[..rest.partition_point(|record| segment_of(record.id) == segment)];
        let key = segment_key(id, segment);
        match rest {
            [] => Change::drop(TreeName::Segments, key),
            rest => Change::put(TreeName::Segments, key, encode_segment(rest.iter())),
        }
    };
    segments.map(change).collect()
}

/// The segments of deleted messages that get longer, shorter or go. Both lists are in order, and
/// one of them is empty.
pub(super) fn changes_of_deleted(
    index: &Index,
    id: MaildropId,
    added: &[DeletedRecord],
    gone: &[MessageId],
) -> Result<Vec<Change>, StoreError> {
    let mut segments: Vec<u64> = added.iter().map(|record| segment_of(record.id)).collect();
    segments.extend(gone.iter().map(|message| segment_of(*message)));
    segments.dedup();
    let change = |segment: u64| {
        let mut records = index.deleted_in(id, segment)?;
        records.retain(|record| gone.binary_search(&record.id).is_err());
        let new = &added[added.partition_point(|it| segment_of(it.id) < segment)..];
        let new = &new[..new.partition_point(|it| segment_of(it.id) == segment)];
        records.extend_from_slice(new);
        records.sort_unstable_by_key(|record| record.id);
        let key = segment_key(id, segment);
        Ok(match &records[..] {
            [] => Change::drop(TreeName::Deleted, key),
            rest => Change::put(TreeName::Deleted, key, encode_deleted(rest.iter())),
        })
    };
    segments.into_iter().map(change).collect()
}

/// All segments of a maildrop.
pub(super) fn segments(id: MaildropId, messages: &[MessageRecord]) -> Vec<Change> {
    let segments = messages.chunk_by(|one, two| segment_of(one.id) == segment_of(two.id));
    let put = |records: &[MessageRecord]| {
        let key = segment_key(id, segment_of(records[0].id));
        Change::put(TreeName::Segments, key, encode_segment(records.iter()))
    };
    segments.map(put).collect()
}

/// All segments of deleted messages of a maildrop.
pub(super) fn deleted_segments(id: MaildropId, deleted: &[DeletedRecord]) -> Vec<Change> {
    let segments = deleted.chunk_by(|one, two| segment_of(one.id) == segment_of(two.id));
    let put = |records: &[DeletedRecord]| {
        let key = segment_key(id, segment_of(records[0].id));
        Change::put(TreeName::Deleted, key, encode_deleted(records.iter()))
    };
    segments.map(put).collect()
}
