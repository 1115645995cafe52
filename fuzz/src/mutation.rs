//! Mutations from a seed, for a short run without a fuzzer: the same seed, the same octets.

/// Changes inputs at random.
pub struct Mutator(u64);

/// What is put in besides what is there: what lines, frames and fields are made of.
const TOKENS: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b".",
    b"\r\n.\r\n",
    b" ",
    b"\t",
    b"\0",
    b"=",
    b"\xff",
    b",",
    b"\x01",
    b"From ",
    b"4294967297",
    b"{",
    b"\"",
    b"AUTH PLAIN",
];

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `end`, which is 1 at least.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// `input` with one to four changes; `other` lends pieces of itself.
    pub fn mutated(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut octets = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut octets, other);
        }
        octets
    }

    fn change(&mut self, octets: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(octets.len() + 1);
        let end = octets.len().min(at + 1 + self.below(16));
        match self.below(8) {
            0 | 1 if at < octets.len() => octets[at] ^= 1 << self.below(8),
            2 if at < octets.len() => octets[at] = self.number() as u8,
            3 => drop(octets.drain(at..end)),
            4 => {
                let piece = octets[at..end].to_vec();
                insert(octets, at, &piece);
            }
            5 if !other.is_empty() => {
                let from = self.below(other.len());
                let to = other.len().min(from + 1 + self.below(64));
                insert(octets, at, &other[from..to]);
            }
            6 => octets.truncate(at),
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                insert(octets, at, token);
            }
        }
    }
}

fn insert(octets: &mut Vec<u8>, at: usize, piece: &[u8]) {
    octets.splice(at..at, piece.iter().copied());
}
