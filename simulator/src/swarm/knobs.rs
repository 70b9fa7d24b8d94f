//! Everything a drawn scenario says before its faults.

use std::fmt::Write as _;

use crate::random::Stream;

/// Times of day at which drawn scenarios start: rushes, noon, and the turn of the day.
const STARTS: [(&str, i64); 6] = [
    ("06:55", 1_000),
    ("07:30", 1_000),
    ("12:00", 400),
    ("16:58", 1_000),
    ("18:00", 800),
    ("23:56", 40),
];

/// The text of a scenario without faults.
pub(super) fn draw(seed: u64, stream: &mut Stream) -> String {
    let duration_s = stream.between(5, 15) * 60;
    let (starts_at, share_per_mille) = *stream.pick(&STARTS).expect("BUG: there are times to start");
    let trips = stream.between(15, 120);
    let at_peak = (trips * 3_600 / duration_s * 1_000 / share_per_mille).max(1);
    let mut text = format!(
        "# Drawn from seed {seed}.\n\ntitle = \"Swarm seed {seed}\"\nnetwork = \"sample\"\nstarts_at = \"{starts_at}\"\n\
         duration_s = {duration_s}\nconverge_within_s = 120\n\n"
    );
    traffic(&mut text, at_peak, trips, stream);
    text
}

fn traffic(text: &mut String, at_peak: i64, trips: i64, stream: &mut Stream) {
    // Few cards meet many rules: each is used again and again.
    let cards = stream.between(3, trips.max(4));
    let missing = seldom(stream, 200);
    let repeated = seldom(stream, 300);
    let poor = seldom(stream, 500);
    let top_ups = stream.between(0, 600);
    let blocks = if stream.chance(500) {
        stream.between(0, 200)
    } else {
        0
    };
    let orphan = ["release", "charge_max", "charge_min"][stream.below(3) as usize];
    let _ = write!(
        text,
        "[traffic]\ncards = {cards}\ntrips_per_hour_at_peak = {at_peak}\nmissing_exit_per_mille = {missing}\n\
         repeated_tap_per_mille = {repeated}\npoor_card_per_mille = {poor}\ntop_ups_per_hour = {top_ups}\n\
         blocks_per_hour = {blocks}\norphan_policy = \"{orphan}\"\n"
    );
}

/// A share in thousandths: none in a third of the scenarios, else anything up to the most.
fn seldom(stream: &mut Stream, most: i64) -> i64 {
    if stream.chance(667) {
        stream.between(1, most)
    } else {
        0
    }
}
