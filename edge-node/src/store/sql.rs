//! The statements, one file each in `sql/edge/queries`.

macro_rules! statements {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub(super) const $name: &str = include_str!(concat!("../../../sql/edge/queries/", $file, ".sql"));)*

        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

statements! {
    CARD = "card",
    CARDS_AFTER = "cards_after",
    CARDS_ALL = "cards_all",
    CARD_REGISTERED = "card_registered",
    CARD_UPSERT = "card_upsert",
    CLOSED_SET = "closed_set",
    CONFIG_SET = "config_set",
    COUNTS = "counts",
    COVERED_ADVANCE = "covered_advance",
    DENIED = "denied",
    DENIED_COUNT = "denied_count",
    DENY = "deny",
    FACTS_BELOW_FLOORS = "facts_below_floors",
    FACTS_DROP = "facts_drop",
    FACTS_OF_CARD = "facts_of_card",
    FACTS_OF_CARD_COUNT = "facts_of_card_count",
    FACTS_PRUNE = "facts_prune",
    FACT_INSERT = "fact_insert",
    FARE_HASHES = "fare_hashes",
    FARE_VERSIONS = "fare_versions",
    FARE_VERSIONS_AFTER = "fare_versions_after",
    FARE_VERSION_HASH = "fare_version_hash",
    FARE_VERSION_INSERT = "fare_version_insert",
    FORK_DECIDE = "fork_decide",
    FORK_DECISIONS = "fork_decisions",
    GATE_ADDRESS_SET = "gate_address_set",
    GATE_MODE = "gate_mode",
    GATE_MODE_SET = "gate_mode_set",
    GATE_STATUS_SET = "gate_status_set",
    HEARTBEATS = "heartbeats",
    HEARTBEAT_SAVE = "heartbeat_save",
    HELD_MARKS = "held_marks",
    HELD_MARKS_DROP = "held_marks_drop",
    HELD_MARKS_PRUNE = "held_marks_prune",
    HELD_MARK_INSERT = "held_mark_insert",
    JOURNAL_BODY = "journal_body",
    JOURNAL_DROP = "journal_drop",
    JOURNAL_INSERT = "journal_insert",
    JOURNAL_KEEP_BODIES = "journal_keep_bodies",
    JOURNAL_NEWEST = "journal_newest",
    JOURNAL_PRUNE = "journal_prune",
    JOURNAL_RANGE = "journal_range",
    JOURNAL_SIGN = "journal_sign",
    JOURNAL_TAKE = "journal_take",
    JOURNAL_UNFILED = "journal_unfiled",
    JOURNAL_UNSIGN = "journal_unsign",
    QUARANTINE = "quarantine",
    QUARANTINE_DELETE = "quarantine_delete",
    QUARANTINE_DROP = "quarantine_drop",
    QUARANTINE_INSERT = "quarantine_insert",
    QUARANTINE_NEXT = "quarantine_next",
    QUARANTINE_TRIED = "quarantine_tried",
    REVOKED_KEYS = "revoked_keys",
    ROSTER = "roster",
    SITES = "sites",
    SITE_ADVANCE = "site_advance",
    SITE_INSERT = "site_insert",
    SITE_OPENING = "site_opening",
    SITE_OPENING_SET = "site_opening_set",
    SITE_PRUNE = "site_prune",
    SITE_REVERT = "site_revert",
    SNAPSHOT = "snapshot",
    SNAPSHOT_CARD = "snapshot_card",
    SNAPSHOT_CARDS_FIRST = "snapshot_cards_first",
    SNAPSHOT_CARDS_FORGET = "snapshot_cards_forget",
    SNAPSHOT_CARDS_TAKEN = "snapshot_cards_taken",
    SNAPSHOT_CARDS_TAPPED = "snapshot_cards_tapped",
    SNAPSHOT_CARD_PUT = "snapshot_card_put",
    SNAPSHOT_FORGET = "snapshot_forget",
    SNAPSHOT_PART = "snapshot_part",
    SNAPSHOT_PARTS = "snapshot_parts",
    SNAPSHOT_PARTS_FORGET = "snapshot_parts_forget",
    SNAPSHOT_PART_PUT = "snapshot_part_put",
    SNAPSHOT_SAVE = "snapshot_save",
    UNAPPLIED = "unapplied",
    UNAPPLIED_DELETE = "unapplied_delete",
    UNAPPLIED_DROP = "unapplied_drop",
    UNAPPLIED_INSERT = "unapplied_insert",
    WATERMARKS = "watermarks",
    WATERMARKS_AFTER = "watermarks_after",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crsqlite::Replica;
    use rusqlite::Connection;

    use super::*;
    use crate::store::schema;

    #[test]
    fn every_statement_file_is_named_here_and_prepares() {
        let mut replica = Replica::open(Connection::open_in_memory().unwrap()).unwrap();
        schema::migrate(&mut replica).unwrap();
        let named: BTreeSet<String> = ALL.iter().map(|(file, _)| format!("{file}.sql")).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/edge/queries");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(named, files);
        for (file, sql) in ALL {
            if let Err(error) = replica.prepare(sql) {
                panic!("{file}: {error}");
            }
        }
    }
}
