//! A gate's store on a device that fails, writes by halves, does not sync, or has rotted: it stays correct or says
//! what is wrong, never acknowledges what it lost, and spreads nothing that is not what was signed.

use std::collections::BTreeMap;

use edge_node::store::{Fault, Store};
use simulator::disk::{Disk, Image, Mishap, Operation};
use simulator::random::Stream;
use sync_protocol::changeset::Run;
use sync_protocol::have::Range;
use sync_protocol::id::{Seq, SiteId};

use crate::store::{Acknowledged, Town, integrity, live, neighbour, tap};

/// Databases that rot.
const ROTTEN: usize = 300;

/// A new database, and what a neighbour has to tell.
fn beginning() -> (Town, Vec<Run>, Image) {
    let mut town = Town::new();
    let neighbour = neighbour(&mut town);
    let disk = Disk::new();
    town.open(&disk, 1).unwrap().close().unwrap();
    let template = disk.image();
    (town, neighbour, template)
}

fn once(operation: Operation, after: u64) -> Mishap {
    Mishap {
        operation,
        after,
        times: Some(1),
    }
}

/// One operation of the device fails, each in turn, while the store is opened or works. It may go on at once.
#[test]
fn a_read_or_write_that_fails_once_costs_nothing_acknowledged() {
    let (mut town, neighbour, template) = beginning();
    let operations = [
        (Operation::Read, 9),
        (Operation::Write, 17),
        (Operation::WholeWrite, 17),
    ];
    for (operation, step) in operations {
        let (mut met, mut told) = (0, 0);
        for after in (0..400).step_by(step) {
            let disk = Disk::from_image(&template);
            disk.set_mishap(Some(once(operation, after)));
            let mut acknowledged = Acknowledged::default();
            if let Ok(mut store) = town.open(&disk, 1) {
                let done = live(&mut store, &town, &neighbour, &mut acknowledged);
                if let Err(error) = done {
                    told += 1;
                    assert!(error.to_string().contains("gate.db: "), "{error}");
                    acknowledged.check(&store);
                    live(&mut store, &town, &neighbour, &mut acknowledged).unwrap();
                }
            }
            met += disk.counters().mishaps;
            disk.set_mishap(None);
            disk.end_process();
            let mut store = town.open(&disk, 1).unwrap();
            assert_eq!(integrity(&store), "ok", "{operation:?} after {after}");
            acknowledged.check(&store);
            live(&mut store, &town, &neighbour, &mut acknowledged).unwrap();
        }
        println!("{operation:?}: {met} failed, {told} told by calls");
        assert!(met > 5 && told > 3, "{operation:?}: {met} failed, {told} told");
    }
}

/// What a sync that fails once leaves behind must not be built upon: neither by this process, nor by the next, which
/// still reads what never reached the disk.
#[test]
fn after_a_failed_sync_nothing_is_recorded_until_the_file_is_opened_anew() {
    let (mut town, neighbour, template) = beginning();
    let mut stream = Stream::new(1, "sync");
    let mut stopped = 0;
    for after in 0..150 {
        let killed = after % 2 == 0;
        let disk = Disk::from_image(&template);
        disk.set_mishap(Some(once(Operation::Sync, after)));
        let mut acknowledged = Acknowledged::default();
        if let Ok(mut store) = town.open(&disk, 1) {
            let done = live(&mut store, &town, &neighbour, &mut acknowledged);
            if disk.counters().mishaps > 0 {
                let error = done.unwrap_err();
                assert!(error.to_string().contains("started again"), "{error}");
                assert!(store.is_unsynced());
                let error = store.taps(&[tap(900)], 0).unwrap_err();
                assert!(matches!(error.fault, Fault::Unsynced(_)), "{error}");
                assert!(store.set_config("step", "late", 0).is_err());
                assert!(store.file().is_err());
                acknowledged.check(&store);
                stopped += 1;
            }
            if killed {
                disk.end_process();
            }
        }
        disk.end_process();
        disk.set_mishap(None);
        // The next start works for a moment or for a day, and then the power goes.
        let mut store = town.open(&disk, 1).unwrap();
        assert_eq!(integrity(&store), "ok", "sync {after}");
        acknowledged.check(&store);
        if after % 4 < 2 {
            for number in 0..3 {
                acknowledged.take(&store.tap(&tap(number), 0).unwrap().run);
            }
        } else {
            live(&mut store, &town, &neighbour, &mut acknowledged).unwrap();
        }
        disk.power_loss(&mut stream);
        drop(store);
        let store = town.open(&disk, 1).unwrap();
        assert_eq!(integrity(&store), "ok", "sync {after} and the power");
        acknowledged.check(&store);
    }
    assert!(stopped > 50, "{stopped}");
}

#[test]
fn a_device_that_syncs_no_more_gets_no_acknowledgement() {
    let (mut town, neighbour, template) = beginning();
    let mut stream = Stream::new(2, "sync");
    for after in (20..100).step_by(8) {
        let disk = Disk::from_image(&template);
        disk.set_mishap(Some(Mishap {
            operation: Operation::Sync,
            after,
            times: None,
        }));
        let mut acknowledged = Acknowledged::default();
        let mut store = town.open(&disk, 1).unwrap();
        live(&mut store, &town, &neighbour, &mut acknowledged).unwrap_err();
        let error = store.taps(&[tap(1)], 0).unwrap_err();
        assert!(error.to_string().contains("check the disk"), "{error}");
        drop(store);
        if let Ok(mut store) = town.open(&disk, 1) {
            assert!(store.taps(&[tap(2)], 0).is_err(), "nothing can be promised there");
        }
        disk.power_loss(&mut stream);
        disk.set_mishap(None);
        let store = town.open(&disk, 1).unwrap();
        assert_eq!(integrity(&store), "ok", "sync {after}");
        acknowledged.check(&store);
    }
}

/// All that a store serves, site by site.
fn served(store: &Store) -> Vec<Run> {
    let sites = store.have().wanted_by(None).map(|(site, _)| site);
    let range = |site| Range {
        site,
        first: Seq(1),
        last: Seq(u64::MAX),
    };
    sites
        .map(range)
        .filter_map(|range| store.serve(range, usize::MAX).ok())
        .flatten()
        .collect()
}

type Truth = BTreeMap<SiteId, Vec<bytes::Bytes>>;

fn bodies(store: &Store) -> Truth {
    served(store)
        .into_iter()
        .map(|run| (run.site, run.bodies))
        .collect()
}

/// What became of rotten databases.
#[derive(Debug, Default)]
struct Outcomes {
    /// Not opened.
    refused: u32,
    /// A peer did not take what it served.
    not_believed: u32,
    /// Nothing showed.
    harmless: u32,
    /// The end of a log was lost, and came back from the peer.
    fetched_again: u32,
}

/// One bit of the database or of its WAL file turns over while the gate is off.
#[test]
fn a_turned_bit_is_found_or_harmless_and_never_spreads() {
    let (mut town, neighbour, template) = beginning();
    let disk = Disk::from_image(&template);
    let mut store = town.open(&disk, 1).unwrap();
    live(&mut store, &town, &neighbour, &mut Acknowledged::default()).unwrap();
    store.file().unwrap();
    store.checkpoint().unwrap();
    for number in 0..10 {
        store.tap(&tap(number), 0).unwrap();
    }
    let truth = bodies(&store);
    let healthy = peer(&mut town, &served(&store));
    assert_eq!(bodies(&healthy), truth);
    disk.end_process();
    let image = disk.image();
    drop(store);

    let mut stream = Stream::new(3, "rot");
    let mut outcomes = Outcomes::default();
    for number in 0..ROTTEN {
        let name = if number % 3 == 0 { "gate.db-wal" } else { "gate.db" };
        let rotten = Disk::from_image(&image.with_flipped_bit(name, stream.below(1 << 40)));
        match town.open(&rotten, 1) {
            Err(error) => {
                let text = error.to_string();
                let advised = [
                    "start anew",
                    "check the disk",
                    "correct the path",
                    "start the newer",
                ];
                assert!(advised.iter().any(|advice| text.contains(advice)), "{text}");
                outcomes.refused += 1;
            }
            Ok(store) => look(&mut town, store, &truth, &healthy, &mut outcomes),
        }
    }
    println!("{outcomes:?}");
    assert!(
        outcomes.refused > 0 && outcomes.harmless > 0 && outcomes.fetched_again > 0,
        "{outcomes:?}"
    );

    // As the refusal says: moved away and started anew, the gate gets from its peer all that it had written.
    let anew = Disk::from_image(&template);
    let mut store = town.open(&anew, 1).unwrap();
    for run in served(&healthy) {
        store.ingest(&run, &town.authority).unwrap();
    }
    assert_eq!(bodies(&store), truth);
    assert_eq!(store.have(), healthy.have());
}

/// Another gate, which took all that it was served; on a disk that is gone when it is closed.
fn peer(town: &mut Town, runs: &[Run]) -> Store {
    let disk = Disk::new();
    let mut store = town.open(&disk, 3).unwrap();
    for run in runs {
        store.ingest(run, &town.authority).unwrap();
    }
    store
}

/// What a rotten store serves to somebody who has nothing, and what it takes back from a healthy one.
fn look(town: &mut Town, mut store: Store, truth: &Truth, healthy: &Store, outcomes: &mut Outcomes) {
    let mut receiver = peer(town, &[]);
    let mut believed = true;
    for run in served(&store) {
        believed &= receiver.ingest(&run, &town.authority).is_ok();
    }
    for (site, bodies) in bodies(&receiver) {
        let true_ones = &truth[&site];
        assert!(
            bodies.len() <= true_ones.len() && bodies == true_ones[..bodies.len()],
            "{site}: something else than what was signed has spread"
        );
    }
    let behind = |store: &Store| {
        let heads = healthy.have().wanted_by(None);
        heads
            .filter(|(site, have)| store.head(*site).seq < have.head.seq)
            .count()
    };
    if behind(&store) > 0 {
        for run in served(healthy) {
            // Those that it has are no news.
            let _nothing_new = store.ingest(&run, &town.authority);
        }
        outcomes.fetched_again += u32::from(believed && behind(&store) == 0);
    }
    outcomes.not_believed += u32::from(!believed);
    outcomes.harmless += u32::from(believed);
}
