//! Every limit of this room, with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The most octets of an authorization or authentication identity in a SASL message: what
/// RFC 4616 s2 asks of a server, and what a stored name can have.
pub const IDENTITY_OCTETS_MAX: usize = 255;

/// The most octets of a password. RFC 4616 s2 asks for 255; a command line carries at most 1024
/// octets (MS-STANXPOP3 E0007), so that a longer password could never be used with PASS.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// The most memory that a stored password hash may ask for, in KiB: 256 MiB, a dozen times the
/// default. More would let one stored string exhaust the machine.
pub const HASH_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most passes that a stored password hash may ask for.
pub const HASH_PASSES_MAX: u32 = 32;

/// The most lanes that a stored password hash may ask for.
pub const HASH_LANES_MAX: u32 = 16;

/// The most KiB of memory times passes that a stored password hash may ask for: about a second
/// of one core, beyond which a log-on blocks those that wait behind it for too long.
pub const HASH_WORK_KIB_MAX: u64 = 1024 * 1024;

/// The most rounds of SHA-crypt that a stored hash may ask for: about a second of one core. The
/// default of crypt(5) is 5,000.
pub const SHA_CRYPT_ROUNDS_MAX: u32 = 1_000_000;

/// The most that a stored bcrypt hash may ask for, as a power of two: about a second of one core.
/// 10 and 12 are usual.
pub const BCRYPT_COST_MAX: u32 = 14;

/// The most octets of a stored hash: several times those of any known scheme.
pub const IMPORTED_HASH_OCTETS_MAX: usize = 512;

/// The least memory that a new hash is made with, in KiB: below it (OWASP's smallest figure)
/// guessing is too cheap.
pub const HASH_MEMORY_KIB_MIN: u32 = 7 * 1024;

/// The most users in the cache of proven passwords. An entry takes about 200 octets, so this
/// is about 20 MiB.
pub const CACHE_USERS_MAX: usize = 100_000;

/// How long a proven password is remembered by default: long enough for clients that poll
/// every quarter of an hour, short enough that memory does not hold yesterday's log-ons.
pub const CACHE_AGE_MAX: Duration = Duration::from_secs(3600);

/// Failures in a row after which a foreign password source is left alone for a while. One can be
/// chance, three are not.
pub const SOURCE_FAILURES_MAX: u32 = 3;

/// How long a log-on waits for its turn at a foreign source. A source that answers in
/// milliseconds clears a burst in this time; one that hangs holds nobody up for longer.
pub const SOURCE_SLOT_WAIT_MAX: Duration = Duration::from_millis(250);

/// How long a password that a foreign source proved is remembered by default: the source does not
/// tell when it changes, so this is how late the change is noticed.
pub const FOREIGN_CACHE_AGE_MAX: Duration = Duration::from_secs(300);

/// The iterations of PBKDF2 that SCRAM's keys may be made with. RFC 7677 s4 wants 4096 at least;
/// it is the client who pays for them at each log-on, and a telephone should not need seconds.
pub const SCRAM_ITERATIONS: RangeInclusive<u32> = 4096..=1_000_000;

/// The octets of a new salt of SCRAM.
pub const SCRAM_SALT_OCTETS: usize = 16;

/// The most octets of a salt that was made elsewhere.
pub const SCRAM_SALT_OCTETS_MAX: usize = 64;

/// The most octets of a client's nonce: usual ones have 24 to 44.
pub const SCRAM_NONCE_OCTETS_MAX: usize = 256;

/// The fewest addresses, networks, users or pairs that a throttle remembers of each: fewer would
/// be pushed out by chance.
pub const THROTTLE_RECORDS_MIN: usize = 64;

/// The most that it remembers of each. A record takes about 250 octets, with the longest name
/// about 500, so that the four tables stay below 2 GiB.
pub const THROTTLE_RECORDS_MAX: usize = 1_000_000;

/// Wrong passwords of a user or a pair that are recognised when they come again: a household's
/// devices with old passwords, and no help to whoever guesses.
pub const THROTTLE_GUESSES_KEPT: usize = 8;

/// Users whose good log-ons make an address more patient: each adds once what one address may
/// fail. Behind a large NAT more would hide an attacker.
pub const THROTTLE_FRIENDS_MAX: u8 = 7;

/// How long an address counts as familiar to a user after a good log-on: a holiday.
pub const THROTTLE_FAMILIAR: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most octets of an NTLM NEGOTIATE message: 40 and two names of at most 255 characters.
/// It is kept until the answer comes, for the MIC.
pub const NTLM_NEGOTIATE_OCTETS_MAX: usize = 2048;

/// The most octets of an NTLM AUTHENTICATE message: three names of 510, and a response with our
/// own AV pairs and what the client adds to them, which is some hundred.
pub const NTLM_AUTHENTICATE_OCTETS_MAX: usize = 16 * 1024;

/// The most octets of a bearer token: what fits, with all else, into a continuation line of
/// 64 KiB in base64.
pub const TOKEN_OCTETS_MAX: usize = 47 * 1024;

/// How long at least between two fetches of an authorization server's keys: so often tokens with
/// made-up keys can make the server ask.
pub const KEY_FETCH_INTERVAL_MIN: Duration = Duration::from_secs(60);

/// How long keys are good that are too old and cannot be fetched again: an outage of a day locks
/// nobody out, and a key that was withdrawn does not live for ever.
pub const KEYS_STALE_MAX: Duration = Duration::from_secs(86_400);

/// Connections to LDAP servers that are kept of each kind: as many as there are checks at once as
/// a rule. More are made and not kept.
pub const LDAP_CONNECTIONS_KEPT_MAX: usize = 16;

/// How often a file of passwords is looked at for changes: seldom enough to cost nothing, often
/// enough that nobody waits for it.
pub const PASSWD_LOOK_EVERY: Duration = Duration::from_secs(1);

/// The most octets of a file of passwords: half a million users, all of whom are held in memory.
pub const PASSWD_FILE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// The most octets of one of its lines: the longest name and hash, and room for what else
/// passwd(5) has.
pub const PASSWD_LINE_OCTETS_MAX: usize = 4096;

/// How many of its lines that cannot be used are named one by one.
pub const PASSWD_BAD_LINES_NAMED_MAX: u64 = 20;

/// Pieces of memory that hashes leave to the next ones, each as large as the largest hash that was
/// computed in it: as many as are computed at once by default (`limits.password_checks`).
pub const HASH_MEMORIES_KEPT_MAX: usize = 4;
