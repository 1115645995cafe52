//! Somebody who guesses: never let in, and banned at last.

use super::pop3::user_name;
use super::{Over, Talker};
use crate::dice::Dice;

/// Guesses until the server closes, or until it is tired.
pub(crate) async fn guess(mut talker: Talker, place: usize, dice: &mut Dice) -> Result<(), Over> {
    // It is closed after some failures, and not let in at all when it is banned.
    talker.may_end = true;
    talker.hear().await?;
    for _ in 0..dice.between(2, 8) {
        talker.ask(&format!("USER {}", user_name(place))).await?;
        let guessed = dice.number();
        let answer = talker.ask(&format!("PASS {guessed}")).await?;
        if !answer.starts_with("-ERR") {
            return Err(talker.wrong("a guess was let in"));
        }
    }
    Ok(())
}

/// Says the right password from an address that is banned for as long as this takes.
pub(crate) async fn knock(mut talker: Talker, place: usize) -> Result<(), Over> {
    talker.may_end = true;
    talker.hear().await?;
    let name = user_name(place);
    talker.ask(&format!("USER {name}")).await?;
    let answer = talker.ask(&format!("PASS {name}")).await?;
    match answer.starts_with("-ERR") {
        true => Ok(()),
        false => Err(talker.wrong("a banned address was let in")),
    }
}
