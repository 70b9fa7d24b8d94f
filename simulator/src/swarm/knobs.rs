//! Everything a drawn scenario says before its faults.

use std::fmt::Write as _;

use crate::random::Stream;

/// Times of day at which drawn scenarios start, and the share of the busiest hour's trips that begin then,
/// thousandths: rushes, noon, and the turn of the day.
const STARTS: [(&str, i64); 6] = [
    ("06:55", 1_000),
    ("07:30", 1_000),
    ("12:00", 400),
    ("16:58", 1_000),
    ("18:00", 800),
    ("23:56", 40),
];
/// What passengers do that is out of the ordinary, and the largest share drawn, thousandths.
const HABITS: [(&str, i64); 10] = [
    ("missing_exit_per_mille", 200),
    ("missing_entry_per_mille", 200),
    ("repeated_tap_per_mille", 300),
    ("pass_back_per_mille", 200),
    ("second_exit_per_mille", 200),
    ("wrong_way_per_mille", 150),
    ("same_station_per_mille", 200),
    ("clone_per_mille", 150),
    ("unknown_card_per_mille", 100),
    ("poor_card_per_mille", 600),
];
/// What the hub's staff and channels do, and how often an hour at most.
const DUTIES: [(&str, i64); 7] = [
    ("top_ups_per_hour", 600),
    ("blocks_per_hour", 200),
    ("unblocks_per_hour", 200),
    ("refunds_per_hour", 100),
    ("adjustments_per_hour", 200),
    ("write_offs_per_hour", 100),
    ("closes_per_hour", 300),
];
/// Trips of hours make a run of hours: seldom.
const LONG_PER_MILLE: u32 = 15;

/// The text of a scenario without faults.
pub(super) fn draw(seed: u64, stream: &mut Stream) -> String {
    let duration_s = stream.between(5, 15) * 60;
    let (starts_at, share_per_mille) = STARTS[stream.below(STARTS.len() as u64) as usize];
    let trips = stream.between(15, 120);
    let at_peak = (trips * 3_600 / duration_s * 1_000 / share_per_mille).max(1);
    let mut text = format!(
        "# Drawn from seed {seed}.\n\ntitle = \"Swarm seed {seed}\"\nnetwork = \"sample\"\nstarts_at = \"{starts_at}\"\n\
         duration_s = {duration_s}\nconverge_within_s = 180\n"
    );
    let is_long = stream.chance(LONG_PER_MILLE);
    traffic(&mut text, at_peak, trips, is_long, stream);
    policy(&mut text, stream);
    engine(&mut text, is_long, seed, stream);
    fare_changes(&mut text, duration_s, stream);
    text
}

fn traffic(text: &mut String, at_peak: i64, trips: i64, is_long: bool, stream: &mut Stream) {
    // Few cards meet many rules: each is used again and again.
    let cards = stream.between(3, trips.max(4));
    // Rides of about one length meet a clock that is wrong by as much (point 3 of the fold).
    let (ride_min_s, width_s) = if stream.chance(400) {
        (stream.between(10, 40), stream.between(0, 10))
    } else {
        (stream.between(20, 200), stream.between(10, 300))
    };
    let ride_max_s = ride_min_s + width_s;
    let _ = write!(
        text,
        "\n[traffic]\ncards = {cards}\ntrips_per_hour_at_peak = {at_peak}\n\
         ride_min_s = {ride_min_s}\nride_max_s = {ride_max_s}\n"
    );
    let mut say = |key: &str, number: i64| {
        if number > 0 {
            let _ = writeln!(text, "{key} = {number}");
        }
    };
    for (habit, most) in HABITS {
        say(habit, sometimes(stream, 450, most));
    }
    if is_long {
        say("long_trip_per_mille", stream.between(20, 200));
        say("overday_trip_per_mille", sometimes(stream, 300, 100));
    }
    for (duty, most) in DUTIES {
        say(duty, sometimes(stream, 600, most));
    }
    say("repeated_top_up_per_mille", sometimes(stream, 400, 500));
}

fn policy(text: &mut String, stream: &mut Stream) {
    let orphan = ["release", "charge_max", "charge_min"][stream.below(3) as usize];
    let _ = write!(text, "\n[policy]\norphan_policy = \"{orphan}\"\n");
    let mut say = |key: &str, low: i64, high: i64| {
        if stream.chance(250) {
            let _ = writeln!(text, "{key} = {}", stream.between(low, high));
        }
    };
    say("spend_max_fares", 0, 5);
    say("allowance_fares", 0, 3);
    say("offline_entries_max", 0, 4);
    say("fresh_s", 15, 120);
    if stream.chance(150) {
        // Gates that stop deciding within the run.
        let allowance_s = stream.between(120, 300);
        let autonomy_s = allowance_s + stream.between(0, 300);
        let beyond = ["closed", "free_flow"][stream.below(2) as usize];
        let _ = write!(
            text,
            "allowance_until_s = {allowance_s}\nautonomy_s = {autonomy_s}\nbeyond_autonomy = \"{beyond}\"\n"
        );
    }
}

/// Logs that are cut within the run. A stream of its own, so that it shifts no other drawing.
fn retention(seed: u64) -> String {
    let mut stream = Stream::new(seed, "swarm retention");
    if !stream.chance(400) {
        return String::new();
    }
    let (logs_s, settled_s) = (stream.between(5, 300), stream.between(1, 120));
    format!("keep_logs_s = {logs_s}\nkeep_settled_s = {settled_s}\n")
}

fn engine(text: &mut String, is_long: bool, seed: u64, stream: &mut Stream) {
    let mut keys = String::new();
    if stream.chance(if is_long { 1_000 } else { 150 }) {
        keys.push_str("store = \"model\"\n");
    }
    if stream.chance(700) {
        keys.push_str("signatures = \"keyed_hash\"\n");
    }
    if is_long {
        keys.push_str("gate_beat_s = 60\nhub_beat_s = 60\nround_ms = 10000\n");
    } else if stream.chance(200) {
        let settle_ms = stream.between(1, 2_000);
        let _ = writeln!(keys, "settle_every_ms = {settle_ms}");
    }
    keys.push_str(&retention(seed));
    // Of its own stream, so that what a seed draws besides stays as it was.
    let mut apart = Stream::new(seed, "ingest");
    if apart.chance(100) {
        let ingest_ms = apart.between(1, 3_000);
        let _ = writeln!(keys, "ingest_ms = {ingest_ms}");
    }
    if !keys.is_empty() {
        let _ = write!(text, "\n[engine]\n{keys}");
    }
}

/// Fares that rise or fall during the run; half of them with no time for gates to hear of it.
fn fare_changes(text: &mut String, duration_s: i64, stream: &mut Stream) {
    let mut from_s = 0;
    for _ in 0..3 {
        if from_s >= duration_s || !stream.chance(450) {
            return;
        }
        let at_s = stream.between(from_s, duration_s);
        let lead_s = if stream.chance(700) {
            0
        } else {
            stream.between(0, at_s - from_s)
        };
        let price = if stream.chance(600) {
            stream.between(1_500, 3_000)
        } else {
            stream.between(200, 1_500)
        };
        let _ = write!(
            text,
            "\n[[fare_change]]\nat_s = {at_s}\nlead_s = {lead_s}\nprice_per_mille = {price}\n\
             override_lead_time = true\n"
        );
        from_s = at_s + 1;
    }
}

/// A number up to the most in so many of a thousand scenarios; else 0.
fn sometimes(stream: &mut Stream, per_mille: u32, most: i64) -> i64 {
    if stream.chance(per_mille) {
        stream.between(1, most)
    } else {
        0
    }
}
