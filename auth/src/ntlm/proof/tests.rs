//! The values of MS-NLMP 4.2: user `User`, domain `Domain`, password `Password`.

use super::*;

const NONCE: [u8; 8] = 0x0123_4567_89ab_cdef_u64.to_be_bytes();
const CLIENT_CHALLENGE: [u8; 8] = [0xaa; 8];
const RANDOM_SESSION_KEY: [u8; 16] = [0x55; 16];

fn key(value: u128) -> [u8; 16] {
    value.to_be_bytes()
}

fn hash() -> Key {
    nt_hash("Password")
}

#[test]
fn the_nt_hash_of_4_2_2_1_2() {
    assert_eq!(*hash(), key(0xa4f4_9c40_6510_bdca_b682_4ee7_c30f_d852));
}

#[test]
fn ntlmv2_of_4_2_4() {
    let ntowf = ntowf_v2(&hash(), &utf16("USER"), &utf16("Domain"));
    assert_eq!(*ntowf, key(0x0c86_8a40_3bfd_7a93_a300_1ef2_2ef0_2e3f));
    let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
    temp.extend([0; 8]);
    temp.extend(CLIENT_CHALLENGE);
    temp.extend([0; 4]);
    for (id, name) in [(2, "Domain"), (1, "Server")] {
        temp.extend([id, 0, 12, 0]);
        temp.extend(utf16(name));
    }
    temp.extend([0; 8]);
    let proof = key(0x68cd_0ab8_51e5_1c96_aabc_927b_ebef_6a1c);
    let base_key = check_v2(&ntowf, &NONCE, &temp, &proof).unwrap();
    assert_eq!(*base_key, key(0x8de4_0cca_dbc1_4a82_f15c_b0ad_0de9_5ca3));
    let encrypted = key(0xc5da_d254_4fc9_7990_94ce_1ce9_0bc9_d03e);
    assert_eq!(*exchanged(&base_key, &encrypted), RANDOM_SESSION_KEY);

    for octet in 0..16 {
        let mut other = proof;
        other[octet] ^= 1;
        assert!(check_v2(&ntowf, &NONCE, &temp, &other).is_none());
    }
    assert!(check_v2(&ntowf, &[0; 8], &temp, &proof).is_none());
}

#[test]
fn ntlmv1_with_extended_session_security_of_4_2_3() {
    let mut answer = [0; 24];
    answer[..16].copy_from_slice(&key(0x7537_f803_ae36_7128_ca45_8204_bde7_caf8));
    answer[16..].copy_from_slice(&0x1e97_ed26_8326_7232_u64.to_be_bytes());
    let check = |answer: &[u8; 24]| check_v1_extended(&hash(), &NONCE, &CLIENT_CHALLENGE, answer);
    assert!(check(&answer));
    for octet in 0..24 {
        let mut other = answer;
        other[octet] ^= 1;
        assert!(!check(&other));
    }
}
