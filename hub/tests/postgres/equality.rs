//! The same histories, delivered in the same way, through both ledgers.

use hub::decisions::Decision;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use sync_protocol::changeset::{Change, Content, Run, Signature};
use sync_protocol::fact::{CardStatus, Fact};
use sync_protocol::id::Seq;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, SENTINEL, Value, key};

use crate::database::Database;
use crate::network::*;
use crate::pair::Pair;
use crate::random::{History, history};

/// A piece of some site's log, perhaps damaged on the way.
#[derive(Clone, Debug)]
struct Piece {
    site: Index,
    from: Index,
    to: Index,
    damaged: bool,
}

#[derive(Clone, Debug)]
enum Act {
    /// Anything from anybody, in one call: early, late, again.
    Pieces(Vec<Piece>),
    /// What some sites have next, in one call.
    Next(Vec<(Index, usize)>),
    Settle(usize),
    Decide(Vec<Vec<Choice>>),
    /// The process starts again.
    Restart,
    /// Another term begins.
    Term,
    Compare,
}

#[derive(Clone, Debug)]
enum Choice {
    Issue(u32),
    Status(u32),
    TopUp(u32, i64, u8),
    Refund(u32, i64),
    Fares(bool),
    Close(Index),
    SiteClosed(Index),
    Row(i64),
}

/// What is written besides the history: edits of shared tables, and what its writer had no right to.
#[derive(Clone, Debug)]
struct Extra {
    site: Index,
    changes: Vec<RowChange>,
    wrong: bool,
}

fn row_change() -> impl Strategy<Value = RowChange> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        prop::sample::select(vec![-0.75, -0.5, 0.0, 0.25]).prop_map(Value::real),
        prop::sample::select(vec!["online", "error", "", "nul\0", "π"])
            .prop_map(|text| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Blob),
    ];
    let column = prop::sample::select(vec![SENTINEL, "status", "mode"]);
    (1..4_i64, column, value, 1..4_i64, 1..4_i64).prop_map(|(id, column, value, version, life)| {
        let sentinel = column == SENTINEL;
        RowChange {
            table: "gates".to_owned(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: column.to_owned(),
            value: if sentinel { Value::Null } else { value },
            col_version: if sentinel { life } else { version },
            causal_length: if sentinel { life } else { life | 1 },
            seq: 0,
        }
    })
}

fn extra() -> impl Strategy<Value = Extra> {
    let changes = prop::collection::vec(row_change(), 1..4);
    (any::<Index>(), changes, prop::bool::weighted(0.3)).prop_map(|(site, changes, wrong)| Extra {
        site,
        changes,
        wrong,
    })
}

fn piece() -> impl Strategy<Value = Piece> {
    let damaged = prop::bool::weighted(0.1);
    (any::<Index>(), any::<Index>(), any::<Index>(), damaged).prop_map(|(site, from, to, damaged)| Piece {
        site,
        from,
        to,
        damaged,
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        2 => (0..6_u32).prop_map(Choice::Issue),
        1 => (0..6_u32).prop_map(Choice::Status),
        3 => (0..6_u32, 0..40_000_i64, 0..3_u8).prop_map(|(card, amount, reference)| Choice::TopUp(card, amount, reference)),
        1 => (0..6_u32, 0..9_000_i64).prop_map(|(card, amount)| Choice::Refund(card, amount)),
        1 => any::<bool>().prop_map(Choice::Fares),
        2 => any::<Index>().prop_map(Choice::Close),
        1 => any::<Index>().prop_map(Choice::SiteClosed),
        1 => (1..5_i64).prop_map(Choice::Row),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let next = prop::collection::vec((any::<Index>(), 1..6_usize), 1..6);
    let requests = prop::collection::vec(prop::collection::vec(choice(), 1..4), 1..4);
    prop_oneof![
        3 => prop::collection::vec(piece(), 1..5).prop_map(Act::Pieces),
        8 => next.prop_map(Act::Next),
        6 => (1..20_usize).prop_map(Act::Settle),
        2 => requests.prop_map(Act::Decide),
        1 => Just(Act::Restart),
        1 => Just(Act::Term),
        1 => Just(Act::Compare),
    ]
}

/// The sites of a history with the extras written where they fall.
fn written(history: &History, extras: &[Extra]) -> Vec<Site> {
    let mut sites = history.sites();
    for extra in extras {
        let site = extra.site.index(sites.len());
        let mut changes: Vec<Change> = extra
            .changes
            .iter()
            .map(|change| Change::new(&Content::Row(change.clone())))
            .collect();
        if extra.wrong {
            // No site may say this: a settled state is neither a gate's nor a decision.
            let covered = Fact::SettledUpTo { covered: Vec::new() };
            changes.push(Change::new(&Content::Fact(covered)));
        }
        sites[site].write(0, changes);
    }
    sites
}

fn run_of(sites: &[Site], piece: &Piece) -> Run {
    let site = piece.site.get(sites);
    let (from, to) = (
        piece.from.index(site.bodies.len()),
        piece.to.index(site.bodies.len()),
    );
    let mut run = site.run(from.min(to) as u64 + 1, from.max(to) as u64 + 1);
    if piece.damaged {
        run.signature = Signature([0; 64]);
    }
    run
}

fn decision(choice: &Choice, sites: &[Site], pair: &Pair) -> Decision {
    let reason = String::from("because");
    match choice {
        Choice::Issue(number) => Decision::Issue { card: card(*number) },
        Choice::Status(number) => Decision::Status {
            card: card(*number),
            status: CardStatus::Suspended,
        },
        Choice::TopUp(number, amount, reference) => Decision::TopUp {
            card: card(*number),
            amount: Money::rupiah(*amount),
            reference: format!("decided-{reference}"),
        },
        Choice::Refund(number, amount) => Decision::Refund {
            card: card(*number),
            amount: Money::rupiah(*amount),
            reason,
        },
        Choice::Fares(early) => {
            let from = if *early { 9_000 } else { 0 };
            let version = pair.memory.fare_book().newest() + 1;
            Decision::Fares(fares(
                version,
                minutes(from),
                sync_protocol::fare::OrphanPolicy::ChargeMax,
            ))
        }
        Choice::Close(which) => {
            let facts: Vec<_> = sites.iter().flat_map(|site| &site.facts).collect();
            let (fact, _) = which.get(&facts);
            let card = fact.fact.card().unwrap_or(card(0));
            Decision::Close {
                card,
                tap: fact.key.id,
            }
        }
        Choice::SiteClosed(which) => {
            let site = which.get(sites).id();
            let last = pair.memory.have().head(site).seq;
            Decision::SiteClosed { site, last }
        }
        Choice::Row(id) => Decision::Row(RowChange {
            table: "gates".to_owned(),
            key: key::pack(&[Value::Integer(*id)]).unwrap(),
            column: "status".to_owned(),
            value: Value::Text("maintenance".into()),
            col_version: 3,
            causal_length: 1,
            seq: 0,
        }),
    }
}

async fn carry_out(database: &Database, pair: &mut Pair, sites: &[Site], sent: &mut [usize], act: &Act) {
    match act {
        Act::Pieces(pieces) => {
            let runs: Vec<Run> = pieces.iter().map(|piece| run_of(sites, piece)).collect();
            pair.ingest(&runs).await;
            let have = pair.memory.have();
            for (sent, site) in sent.iter_mut().zip(sites) {
                *sent = have.head(site.id()).seq.0 as usize;
            }
        }
        Act::Next(next) => {
            let mut runs = Vec::new();
            for (which, count) in next {
                let place = which.index(sites.len());
                let last = (sent[place] + count).min(sites[place].bodies.len());
                if last > sent[place] {
                    runs.push(sites[place].run(sent[place] as u64 + 1, last as u64));
                    sent[place] = last;
                }
            }
            pair.ingest(&runs).await;
        }
        Act::Settle(most) => pair.settle(*most).await,
        Act::Decide(requests) => {
            let decided = requests.iter().map(|choices| {
                let choices = choices.iter();
                choices.map(|choice| decision(choice, sites, pair)).collect()
            });
            let decided = decided.collect();
            pair.decide(decided).await;
        }
        Act::Restart => {
            pair.postgres.pool().close().await;
            pair.postgres = database.ledger().await;
            // As in a database from before the digest was kept: it is worked out anew, to the same.
            let deleted = sqlx::query("DELETE FROM settled_digest").execute(pair.postgres.pool());
            deleted.await.unwrap();
        }
        Act::Term => pair.open_term().await,
        Act::Compare => pair.compare().await,
    }
}

async fn deliver(database: &Database, sites: &[Site], acts: &[Act]) {
    let ledger = database.ledger().await;
    database.clear(ledger.pool()).await;
    let mut pair = Pair::new(ledger).await;
    let mut sent = vec![0; sites.len()];
    for act in acts {
        carry_out(database, &mut pair, sites, &mut sent, act).await;
    }
    let rest: Vec<Run> = sites.iter().map(Site::log).collect();
    pair.ingest(&rest).await;
    pair.settle_all().await;
    pair.compare().await;
    for site in sites {
        let head = pair.postgres.site_have(site.id()).await.unwrap().unwrap().head;
        assert_eq!(head.seq, Seq(site.bodies.len() as u64));
    }
    pair.postgres.pool().close().await;
}

/// Any history in any batches: early, late, twice, damaged; with restarts, new terms and decisions between.
#[test]
fn both_ledgers_say_the_same_of_any_history() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new("equal"));
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 256,
        ..Config::default()
    });
    let cases = (
        history(4, 60, 30),
        prop::collection::vec(extra(), 0..8),
        prop::collection::vec(act(), 0..40),
    );
    runner
        .run(&cases, |(history, extras, acts)| {
            let sites = written(&history, &extras);
            runtime.block_on(deliver(&database, &sites, &acts));
            Ok(())
        })
        .unwrap();
    runtime.block_on(database.remove());
}
