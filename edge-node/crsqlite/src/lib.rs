//! cr-sqlite for gates: tables that several nodes edit in place and that merge by themselves (CRRs).
//!
//! A gate keeps its SQLite connection in a [`Replica`], which loads the extension built into this crate. Local
//! writes are plain SQL; [`changes_of_transaction`] reads what they changed before the transaction commits, and
//! the caller puts it into a changeset of that same transaction. [`apply`] merges the row changes of others.
//! What may travel is [`RowChange`](sync_protocol::rows::RowChange); how rows merge is told in [`sync_protocol::rows`].
//!
//! # Promises
//! - Replicas that applied the same changes hold the same rows, in any order and any number of times, even when
//!   the changes are hostile (`tests/replicas/convergence.rs`, `tests/replicas/hostile.rs`). Equal rows have equal [`state_digest`]s.
//! - [`apply`] merges all given changes or none, and never panics.
//! - Whatever was applied or refused, local writes are captured afterwards (`tests/replicas/hostile.rs`).
//! - A local write that peers would refuse is refused here, before it is committed.
//!
//! # Departures from bare cr-sqlite 0.16.3, and why
//! Each was seen in its source and is proved by a test here.
//! - **`db_version` is rewritten** to the local next one. A change with `i64::MAX` makes cr-sqlite capture
//!   nothing afterwards, without an error.
//! - **Versions are bounded** (2^40), and a sentinel's `col_version` must equal its causal length, since
//!   cr-sqlite stores the one as the other.
//! - **Keys are read by our own code first**: cr-sqlite aborts the process on an empty key or a 9-byte integer,
//!   and takes text for UTF-8 unseen.
//! - **Types are checked** against the schema, because SQLite converts what does not fit and replicas would then
//!   tie-break different values. So do keys whose collation is not BINARY.
//! - **A missed deletion is applied before the re-insertion it precedes.** Bare cr-sqlite keeps the values of
//!   the old life with edit count 0 in that case, and replicas that saw the deletion do not have them.
//! - **Primary keys are fixed** ([`as_crr`] adds a trigger): cr-sqlite moves the columns of such a row without
//!   a new `db_version`, so no transaction would capture them. Delete and insert instead.
//! - **The sync bit is cleared after an error.** cr-sqlite leaves it set when SQLite refuses a merged value (a
//!   CHECK constraint), and then captures nothing on that connection.
//! - **Two-argument forms only** of `crsql_as_crr`, `crsql_begin_alter` and `crsql_commit_alter`: the others read
//!   an unterminated string.
//!
//! # Rules for callers
//! - No savepoints around CRR writes: one rolled back can make cr-sqlite reuse a `db_version`.
//! - No commit or rollback hook of your own: cr-sqlite's would be replaced.
//! - No constraint over several columns of a CRR: columns arrive one by one. STRICT tables are best.
//! - Add a column everywhere before it is written anywhere; older replicas refuse it.

mod apply;
mod capture;
mod error;
mod library;
mod replica;
mod schema;
mod site;
mod state;
mod table;

pub use apply::{Applied, apply};
pub use capture::changes_of_transaction;
pub use error::{Error, Result};
pub use replica::Replica;
pub use schema::schema;
pub use site::{set_site_id, site_id};
pub use state::{for_each_row_change, state_digest};
pub use table::{as_crr, begin_alter, commit_alter};

/// The 16 bytes that name the writer of a change.
pub type SiteId = [u8; 16];
