//! Decimal numbers as they stand in commands and replies. No number is ever wrapped.

/// Why octets are not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberFault {
    /// Something else than the digits 0 to 9, or nothing at all.
    NotDigits,
    /// Digits only, but over 2^64 - 1.
    TooLarge,
}

/// Reads digits, all of `octets`: no sign, no blank, no exponent.
pub(crate) fn parse_decimal(octets: &[u8]) -> Result<u64, NumberFault> {
    if octets.is_empty() || !octets.iter().all(u8::is_ascii_digit) {
        return Err(NumberFault::NotDigits);
    }
    octets
        .iter()
        .try_fold(0u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .ok_or(NumberFault::TooLarge)
}

/// Appends `value` in decimal. Listings of a million lines come through here, so it does
/// without the formatting machinery.
pub(crate) fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    // 2^64 - 1 has 20 digits.
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        // A remainder of ten fits.
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        let table: [(&str, Result<u64, NumberFault>); 14] = [
            ("0", Ok(0)),
            ("00", Ok(0)),
            ("007", Ok(7)),
            ("1", Ok(1)),
            ("4294967297", Ok(4_294_967_297)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("18446744073709551616", Err(NumberFault::TooLarge)),
            ("99999999999999999999999", Err(NumberFault::TooLarge)),
            ("", Err(NumberFault::NotDigits)),
            ("+1", Err(NumberFault::NotDigits)),
            ("-1", Err(NumberFault::NotDigits)),
            ("1e0", Err(NumberFault::NotDigits)),
            ("1\0", Err(NumberFault::NotDigits)),
            ("\u{661}", Err(NumberFault::NotDigits)),
        ];
        for (octets, expected) in table {
            assert_eq!(parse_decimal(octets.as_bytes()), expected, "{octets:?}");
        }
    }

    #[test]
    fn what_is_written_is_what_format_writes() {
        for value in [0, 1, 9, 10, 99, 100, 5 << 30, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
            assert_eq!(parse_decimal(&out), Ok(value));
        }
    }
}
