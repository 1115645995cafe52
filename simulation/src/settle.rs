//! The end of a run: everybody leaves, everything is counted, and every message is looked at.

use std::net::IpAddr;
use std::time::Duration;

use crate::party::Over;
use crate::party::pop3::{Pop3, user_name};
use crate::script::{Script, population};
use crate::world::Store;

/// Longer than every timeout and every wait of a client.
const EVERYBODY_LEAVES: Duration = Duration::from_secs(12 * 3_600);

/// Waits until all is still, counts, reads everything, and drains.
pub(crate) async fn settle(script: &mut Script) {
    let world = script.world.clone();
    if world.store() == Store::Poisoned {
        // Nothing can be promised but that everything ends.
        world.excuse();
        script.tree.drain(Duration::from_secs(30)).await;
        return nobody_is_left(script).await;
    }
    world.set_store(Store::Well);
    let everybody = async {
        for party in script.parties.drain(..) {
            let _ = party.await;
        }
    };
    if tokio::time::timeout(EVERYBODY_LEAVES, everybody)
        .await
        .is_err()
    {
        world.wrong("a client was kept waiting for ever".to_owned());
    }
    // Those who were forgotten by the network are noticed by their deadlines.
    for _ in 0..EVERYBODY_LEAVES.as_secs() / 60 {
        if connections(script).await == (0, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    if connections(script).await != (0, 0) {
        world.wrong(format!(
            "connections are left: {:?}",
            connections(script).await
        ));
    }
    // Restarts that are under way are over by then, and so are bans.
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    world.note("all is still");
    script.is_calm = true;
    let _ = all_places_are_free(script).await;
    for place in 0..world.plan.maildrops {
        let _ = read_everything(script, place).await;
    }
    world.excuse();
    script.tree.drain(Duration::from_secs(30)).await;
    nobody_is_left(script).await;
}

async fn connections(script: &Script) -> (usize, usize) {
    let census = script.tree.census().await;
    (
        population(&census, "SessionSupervisor"),
        population(&census, "DeliverySupervisor"),
    )
}

/// After the tree has ended: no children, no maildrop in hand.
pub(crate) async fn nobody_is_left(script: &Script) {
    let census = script.tree.census().await;
    for child in &census.children {
        if child.population > 0 {
            script.world.wrong(format!(
                "{} has {} children after the end",
                child.name, child.population
            ));
        }
    }
    for (place, book) in script.world.books().maildrops.iter().enumerate() {
        if book.owners() > 0 {
            script
                .world
                .wrong(format!("maildrop {place} is in hand after the end"));
        }
    }
}

/// As many are let in as the limits say, and no more: no place was lost, none was made up.
async fn all_places_are_free(script: &mut Script) -> Result<(), Over> {
    let limits = script.world.plan.limits();
    let mut there = Vec::new();
    for number in 0..limits.sessions_max {
        let low = u8::try_from(number % 200).expect("it is below 256");
        let mut talker = script
            .dial(IpAddr::from([203, 0, 113, low]), "counted")
            .await;
        let greeting = talker.hear().await?;
        if !greeting.starts_with("+OK") {
            return Err(talker.wrong(&format!("place {number} is not free: {greeting}")));
        }
        there.push(talker);
    }
    let mut talker = script
        .dial(IpAddr::from([203, 0, 113, 250]), "too many")
        .await;
    talker.may_end = true;
    let greeting = talker.hear().await?;
    if greeting.starts_with("+OK") {
        return Err(talker.wrong("one too many was let in"));
    }
    let name = user_name(0);
    let each = if script.world.plan.exclusive {
        1
    } else {
        limits.sessions_per_user_max
    };
    for (number, talker) in there.iter_mut().enumerate().take(each) {
        talker.ask(&format!("USER {name}")).await?;
        let answer = talker.ask(&format!("PASS {name}")).await?;
        if !answer.starts_with("+OK") {
            return Err(talker.wrong(&format!("session {number} of {name}: {answer}")));
        }
    }
    for talker in &mut there {
        talker.may_end = true;
        talker.ask("QUIT").await?;
    }
    Ok(())
}

/// Everything that has to be there, octet for octet.
async fn read_everything(script: &mut Script, place: usize) -> Result<(), Over> {
    let talker = script.dial(IpAddr::from([203, 0, 113, 1]), "reader").await;
    let mut client = Pop3::new(talker, place);
    if !client.log_on().await? {
        return Err(client.talker.wrong("nobody is let in when all is still"));
    }
    for number in 1..=client.view.ids.len() {
        client.retrieve(number, None).await?;
    }
    client.quit().await
}
