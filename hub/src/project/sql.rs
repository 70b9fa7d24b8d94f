//! The statements, one file each: `sql/projection` for what every projection does, and the folders of the services.

macro_rules! statements {
    ($folder:literal, $all:ident: $($name:ident = $file:literal),* $(,)?) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../../../sql/", $folder, "/", $file, ".sql"));)*

        #[cfg(test)]
        pub(crate) const $all: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

statements! {
    "projection/checkpoint", CHECKPOINTS:
    CHECKPOINT_LOCK = "checkpoint_lock",
    CHECKPOINT_MOVE = "checkpoint_move",
    CHECKPOINT_READ = "checkpoint_read",
}

statements! {
    "projection/source", SOURCE:
    CARDS_ISSUED = "cards_issued",
    CARD_STATES = "card_states",
    FARE_IN_FORCE = "fare_in_force",
    FARE_VERSIONS = "fare_versions",
    HEARTBEATS = "heartbeats",
    OUTBOX_AFTER = "outbox_after",
    OUTBOX_CARDS_AFTER = "outbox_cards_after",
    OUTBOX_CARDS_BETWEEN = "outbox_cards_between",
    OUTBOX_FIRST = "outbox_first",
    OUTBOX_HEAD = "outbox_head",
    OUTBOX_SINCE = "outbox_since",
    SHARED_ROWS = "shared_rows",
}

statements! {
    "user_service_db/queries", USERS:
    PERSON_ERASE = "person_erase",
    PERSON_READ = "person_read",
    PERSON_REGISTER = "person_register",
    USERS_CACHED = "users_cached",
    USERS_CLEAR = "users_clear",
    USERS_ENSURE = "users_ensure",
    USERS_IDS = "users_ids",
    USERS_PROJECT = "users_project",
    USERS_RESET = "users_reset",
    USERS_TERMINAL_IDS = "users_terminal_ids",
}

statements! {
    "terminal_service_db/queries", TERMINALS:
    FARES_IN_FORCE = "fares_in_force",
    FARES_PROJECT = "fares_project",
    GATES_LIVENESS = "gates_liveness",
    GATES_PROJECT = "gates_project",
    GATES_RETIRE = "gates_retire",
    HOLDS_CLEAR = "holds_clear",
    HOLDS_PROJECT = "holds_project",
    HOLDS_READ = "holds_read",
    HOLDS_RESET = "holds_reset",
    HOLDS_TERMINALS = "holds_terminals",
    REJECTED_CLEAR = "rejected_clear",
    REJECTED_PROJECT = "rejected_project",
    TERMINALS_PROJECT = "terminals_project",
    TERMINALS_RETIRE = "terminals_retire",
}
