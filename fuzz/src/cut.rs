//! An input's first octets, which say how the rest is cut into reads.

/// How many octets say it.
const SIZES: usize = 4;

/// The rest of `data`, and the sizes of reads, over and over.
pub fn cut(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (sizes, rest) = data.split_at(data.len().min(SIZES));
    (reads(sizes, rest), rest)
}

/// `octets` in reads of these sizes, over and over; 0 is all that is left.
pub fn reads<'a>(sizes: &[u8], octets: &'a [u8]) -> Vec<&'a [u8]> {
    let mut left = octets;
    let mut reads = Vec::new();
    for size in sizes.iter().chain(&[0]).cycle() {
        if left.is_empty() {
            break;
        }
        let size = match usize::from(*size) {
            0 => left.len(),
            size => size.min(left.len()),
        };
        let (read, rest) = left.split_at(size);
        reads.push(read);
        left = rest;
    }
    reads
}
