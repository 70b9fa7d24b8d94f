//! `[[fare_change]]`: another fare version that comes into force during the run (T-21, T-22, T-22b).

use serde::Deserialize;
use sync_protocol::fare::OrphanPolicy;

use super::document::{self, Table, Wrong};
use super::{DURATION_S_MAX, Within};

/// Most fare changes in one scenario.
pub const FARE_CHANGES_MAX: usize = 8;

/// A fare version after the first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FareChange {
    /// Journeys entered from here on cost its fares, seconds after the start.
    pub at_s: Within<0, DURATION_S_MAX>,
    /// How long before that it is published, seconds; at most `at_s`.
    pub lead_s: Within<0, DURATION_S_MAX>,
    /// Its fares, in thousandths of the network's.
    pub price_per_mille: Within<0, 10_000>,
    /// How long ahead the hub wants a version to be published, seconds. Default 86,400.
    #[serde(default = "lead_time")]
    pub lead_time_s: Within<0, DURATION_S_MAX>,
    /// Whether a person overrides that.
    #[serde(default)]
    pub override_lead_time: bool,
    /// What an unfinished journey costs from here on; left out: as before.
    pub orphan_policy: Option<OrphanPolicy>,
}

const fn lead_time() -> Within<0, DURATION_S_MAX> {
    Within::new(86_400)
}

/// Reads every `[[fare_change]]`.
pub(super) fn read(tables: Vec<Table<'_>>, duration_s: i64) -> Result<Vec<FareChange>, Wrong> {
    if let Some(excess) = tables.get(FARE_CHANGES_MAX) {
        let message = format!(
            "{} fare changes: at most {FARE_CHANGES_MAX} are allowed",
            tables.len()
        );
        return Err(Wrong::at(excess.span().start, message));
    }
    let mut changes: Vec<FareChange> = Vec::new();
    for table in tables {
        let spans = document::Spans::of(&table);
        let change: FareChange = document::read(table).map_err(|wrong| wrong.within("fare_change"))?;
        let before = changes.last();
        if let Err((key, message)) = check(&change, before, duration_s) {
            return Err(Wrong::at(spans.of_key(key), message).within("fare_change"));
        }
        changes.push(change);
    }
    Ok(changes)
}

fn check(
    change: &FareChange,
    before: Option<&FareChange>,
    duration_s: i64,
) -> Result<(), (&'static str, String)> {
    let (at_s, lead_s) = (change.at_s.get(), change.lead_s.get());
    if at_s > duration_s {
        return Err((
            "at_s",
            format!("it comes into force {at_s} s after the start, the traffic ends after {duration_s} s"),
        ));
    }
    if lead_s > at_s {
        return Err((
            "lead_s",
            format!("it would be published before the start: 0 to {at_s} are allowed"),
        ));
    }
    let wanted_s = change.lead_time_s.get();
    if lead_s < wanted_s && !change.override_lead_time {
        let message = format!(
            "the hub would refuse it: publish it {wanted_s} s ahead, or say override_lead_time = true"
        );
        return Err(("lead_s", message));
    }
    if before.is_some_and(|before| before.at_s.get() - before.lead_s.get() > at_s - lead_s) {
        let message =
            "it would be published before the change above it: versions are numbered as they are published";
        return Err(("at_s", message.to_owned()));
    }
    Ok(())
}
