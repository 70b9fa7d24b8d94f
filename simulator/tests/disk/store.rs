//! A gate's store, with the extension, on a disk that loses power at every moment.

use std::collections::BTreeMap;

use edge_node::store::{Opening, Store, StoreError};
use simulator::disk::{Disk, Image, VFS};
use simulator::random::Stream;
use simulator::trust::Authority;
use sync_protocol::changeset::{Run, Signer as _};
use sync_protocol::decide::{Gate, GateType, Mode, Policy, Presentation};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::Direction;
use sync_protocol::have::Range;
use sync_protocol::id::{GateId, Seq, SiteId};
use sync_protocol::money::Money;

/// A Monday morning.
const T0: i64 = 1_760_000_000_000;
/// A gate's day has so many changes of its disk, about.
const DAY_CHANGES: u64 = 420;

pub(crate) struct Town {
    pub(crate) authority: Authority,
    starts: u128,
}

impl Town {
    pub(crate) fn new() -> Town {
        Town {
            authority: Authority::new(&mut Stream::new(1, "authority")),
            starts: 0,
        }
    }

    pub(crate) fn open(&mut self, disk: &Disk, number: u32) -> Result<Store, StoreError> {
        self.starts += 1;
        let signer = Ed25519Signer::from_secret(&[u8::try_from(number).unwrap(); 32]);
        let gate = Gate {
            id: GateId(number),
            terminal: "A".parse().unwrap(),
            kind: GateType::Bidirectional,
            mode: Mode::Normal,
            uncertainty_ms: 2_000,
        };
        let opening = Opening {
            gate,
            policy: Policy::recommended(Money::rupiah(12_000)),
            certificate: self
                .authority
                .admit(gate.id.node(), Some(gate.terminal), signer.public_key()),
            signer: Box::new(signer),
            random: self.starts.to_le_bytes(),
            ballast_bytes: 64 << 20,
            vfs: Some(VFS),
        };
        Store::open(disk.path(), opening)
    }
}

pub(crate) fn tap(number: i64) -> Presentation {
    Presentation {
        card: format!("CARD{:04}", number % 7).parse().unwrap(),
        direction: Some(if number % 2 == 0 {
            Direction::Entry
        } else {
            Direction::Exit
        }),
        at_ms: T0 + number * 60_000,
    }
}

/// What a gate was told is durable: the bodies of every site, from the first on.
#[derive(Clone, Default)]
pub(crate) struct Acknowledged(BTreeMap<SiteId, Vec<bytes::Bytes>>);

impl Acknowledged {
    pub(crate) fn take(&mut self, run: &Run) {
        let bodies = self.0.entry(run.site).or_default();
        let known = bodies.len() + 1 - usize::try_from(run.first.0).unwrap();
        bodies.extend(run.bodies.iter().skip(known).cloned());
    }

    /// Whether the store can still serve every one of them.
    pub(crate) fn check(&self, store: &Store) {
        for (site, bodies) in &self.0 {
            let range = Range {
                site: *site,
                first: Seq(1),
                last: store.head(*site).seq,
            };
            let runs = store.serve(range, usize::MAX).unwrap();
            let held: Vec<_> = runs.into_iter().flat_map(|run| run.bodies).collect();
            assert!(
                held.len() >= bodies.len(),
                "{} of {} are left",
                held.len(),
                bodies.len()
            );
            assert_eq!(&held[..bodies.len()], &bodies[..]);
        }
    }
}

/// A day at gate 1: taps, edits, the neighbour's changesets, checkpoints; until it is over or the power goes.
pub(crate) fn live(
    store: &mut Store,
    town: &Town,
    neighbour: &[Run],
    acknowledged: &mut Acknowledged,
) -> anyhow::Result<()> {
    let mut neighbour = neighbour.iter();
    for step in 0..20 {
        let committed = store.tap(&tap(step), 0)?;
        acknowledged.take(&committed.run);
        let group = [tap(step + 1), tap(step + 4)];
        store.taps(&group, 0)?;
        if let Some(run) = store.seal()? {
            acknowledged.take(&run);
        }
        if step % 3 == 0 {
            store.file()?;
        }
        if let Some(run) = store.set_config("step", &step.to_string(), T0 + step)? {
            acknowledged.take(&run);
        }
        if let Some(run) = neighbour.next() {
            if run.last() > store.head(run.site).seq {
                store.ingest(run, &town.authority)?;
            }
            acknowledged.take(run);
        }
        if step % 5 == 4 {
            store.checkpoint()?;
        }
    }
    Ok(())
}

/// What gate 2 has to tell.
pub(crate) fn neighbour(town: &mut Town) -> Vec<Run> {
    let disk = Disk::new();
    let mut store = town.open(&disk, 2).unwrap();
    (0..20)
        .map(|number| match number % 4 {
            3 => store
                .set_config("neighbour", &number.to_string(), T0 + number)
                .unwrap()
                .unwrap(),
            _ => store.tap(&tap(number), 0).unwrap().run,
        })
        .collect()
}

pub(crate) fn integrity(store: &Store) -> String {
    let check = store
        .connection()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0));
    check.unwrap()
}

/// The power goes with every third change of the disk in turn, each time on the same new database.
#[test]
fn the_store_keeps_what_it_acknowledged_whenever_the_power_goes() {
    let mut town = Town::new();
    let neighbour = neighbour(&mut town);
    let template: Image = {
        let disk = Disk::new();
        town.open(&disk, 1).unwrap().close().unwrap();
        disk.image()
    };
    let mut stream = Stream::new(1, "power");
    let (mut losses, mut torn) = (0, 0);
    for moment in (0..DAY_CHANGES).step_by(3) {
        let disk = Disk::from_image(&template);
        let mut acknowledged = Acknowledged::default();
        let mut opened = false;
        disk.power_fails_after(Some(moment));
        if let Ok(mut store) = town.open(&disk, 1) {
            opened = true;
            let done = live(&mut store, &town, &neighbour, &mut acknowledged);
            assert!(done.is_err(), "a day has fewer changes than {moment}");
        }
        assert!(disk.is_powerless() && (opened || moment < 40));
        torn += disk.power_loss(&mut stream).changes.torn;
        losses += 1;
        let mut store = town.open(&disk, 1).unwrap();
        assert_eq!(integrity(&store), "ok", "after change {moment}");
        acknowledged.check(&store);

        // The gate goes on as if nothing had happened: the whole day again, as another site.
        disk.power_fails_after(None);
        live(&mut store, &town, &neighbour, &mut acknowledged).unwrap();
        drop(store);
        acknowledged.check(&town.open(&disk, 1).unwrap());
        assert_eq!(disk.counters().power_losses, 1);
    }
    assert!(
        losses == DAY_CHANGES.div_ceil(3) && torn > losses,
        "{torn} torn in {losses}"
    );
}

#[test]
fn a_full_disk_stops_the_store_and_loses_nothing() {
    let mut town = Town::new();
    let neighbour = neighbour(&mut town);
    let disk = Disk::new();
    let mut store = town.open(&disk, 1).unwrap();
    let mut acknowledged = Acknowledged::default();
    acknowledged.take(&store.tap(&tap(0), 0).unwrap().run);
    disk.set_full(true);
    let error = store.tap(&tap(1), 0).unwrap_err();
    assert!(error.is_disk_full() && store.disk().full, "{error}");
    assert!(store.ingest(&neighbour[0], &town.authority).is_err());
    acknowledged.check(&store);
    disk.set_full(false);
    acknowledged.take(&store.tap(&tap(1), 0).unwrap().run);
    assert_eq!(store.counters().disk_full, 1);
    store.ingest(&neighbour[0], &town.authority).unwrap();
    drop(store);
    let store = town.open(&disk, 1).unwrap();
    assert_eq!(integrity(&store), "ok");
    acknowledged.check(&store);
}
