//! The machine a gate's process runs on: its disk, its key, its clock. It outlives the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

use edge_node::store::{self, Opening, Retention, Store};
use sync_protocol::changeset::{Run, Signer as _};
use sync_protocol::decide::{Gate, Policy};
use sync_protocol::id::{GateCode, Seq, SiteId};

use super::keeping::Keeping;
use super::model::{ModelDisk, ModelOpening, ModelStore, Shared};
use super::wall_clock::WallClock;
use crate::disk::{Disk, Image, VFS};
use crate::random::Stream;
use crate::trust::{Authority, NodeSigner};

/// What was on a gate's disk at one moment; nothing by default.
#[derive(Default)]
pub struct Backup {
    image: Image,
    model: ModelDisk,
}

/// A gate's machine.
pub struct Machine {
    /// The gate as configured.
    pub gate: Gate,
    /// Its code.
    pub code: GateCode,
    /// Its wall clock.
    pub clock: WallClock,
    /// Up to where its disk holds each site, while no process runs.
    pub held: BTreeMap<SiteId, Seq>,
    /// Its disk is an older copy of itself, and no process has opened it since.
    pub is_restored: bool,
    /// How often its sync engine goes round, milliseconds.
    pub round_ms: i64,
    /// How long it keeps logs.
    pub retention: Retention,
    policy: Policy,
    signer: NodeSigner,
    certificate: Vec<u8>,
    /// What the process draws at its starts.
    stream: Stream,
    disk: Disk,
    /// Its power never goes.
    keeps_power: bool,
    /// In place of the disk where gates have a model store.
    model: Option<(Shared, Rc<RefCell<ModelDisk>>)>,
}

/// The disk of a gate that was just set up: a database with its schema and nothing in it, made once per process.
fn template() -> &'static Image {
    static TEMPLATE: OnceLock<Image> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let disk = Disk::new();
        store::prepare(disk.path(), Some(VFS)).expect("BUG: an empty disk in memory takes a database");
        disk.image()
    })
}

impl Machine {
    /// Installs a machine, whose disk has an empty database, and admits its key.
    pub fn install(
        gate: Gate,
        code: GateCode,
        policy: Policy,
        authority: &mut Authority,
        seed: u64,
        wall_ms: i64,
    ) -> Machine {
        let mut stream = Stream::new(seed, code.as_str());
        let secret = stream.bytes();
        let signer = authority.signer(&secret);
        let key = signer.public_key();
        let certificate = authority.admit(gate.id.node(), Some(gate.terminal), key);
        Machine {
            gate,
            code,
            clock: WallClock::right(wall_ms),
            held: BTreeMap::new(),
            is_restored: false,
            round_ms: sync_protocol::peer::limits::ROUND_MS,
            retention: Retention::default(),
            policy,
            signer,
            certificate,
            stream,
            disk: Disk::from_image(template()),
            keeps_power: false,
            model: None,
        }
    }

    /// Its power never goes, so its disk need not remember what a loss would undo.
    pub fn keep_power(&mut self) {
        self.keeps_power = true;
        self.disk.write_through();
    }

    fn put_disk(&mut self, image: &Image) {
        self.disk = Disk::from_image(image);
        if self.keeps_power {
            self.disk.write_through();
        }
    }

    /// From now on the gate keeps its facts in a model store on this log.
    pub fn use_model(&mut self, log: Shared) {
        self.model = Some((log, Rc::default()));
    }

    /// What is on the disk of a gate like this one that has taken these runs and written nothing itself.
    ///
    /// # Errors
    /// A run does not fit the ones before it.
    pub fn stock(&self, runs: &[Run], authority: &Authority, random: [u8; 16]) -> anyhow::Result<Image> {
        let disk = Disk::from_image(template());
        let mut store = Store::open(disk.path(), self.opening(random))?;
        for run in runs {
            store.ingest(run, authority)?;
        }
        drop(store);
        Ok(disk.image())
    }

    /// The gate is installed with what is on this disk.
    pub fn stock_with(&mut self, image: &Image) {
        self.put_disk(image);
    }

    fn opening(&self, random: [u8; 16]) -> Opening {
        Opening {
            gate: self.gate,
            policy: self.policy,
            signer: Box::new(self.signer()),
            certificate: self.certificate.clone(),
            random,
            ballast_bytes: 0,
            vfs: Some(VFS),
        }
    }

    /// The gate's key.
    #[must_use]
    pub fn signer(&self) -> NodeSigner {
        self.signer.clone()
    }

    /// Proof that the key is the gate's.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Opens the store as a new process does: with a site of its own.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub(crate) fn open(&mut self) -> anyhow::Result<Keeping> {
        if let Some((log, disk)) = &self.model {
            let opening = ModelOpening {
                gate: self.gate,
                policy: self.policy,
                signer: Box::new(self.signer()),
                certificate: self.certificate.clone(),
                random: self.stream.bytes(),
            };
            let store = ModelStore::open(Rc::clone(log), Rc::clone(disk), opening);
            return Ok(Keeping::Model(Box::new(store)));
        }
        let random = self.stream.bytes();
        let opening = self.opening(random);
        Ok(Keeping::Sqlite(Box::new(Store::open(self.disk.path(), opening)?)))
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The power goes and comes back: what was not synced is kept, dropped or torn.
    pub fn lose_power(&mut self) {
        self.disk.power_loss(&mut self.stream);
    }

    /// A copy of what is on the disk.
    #[must_use]
    pub fn backup(&self) -> Backup {
        let model = self.model.as_ref();
        Backup {
            image: self.disk.image(),
            model: model.map_or_else(Default::default, |(_, disk)| disk.borrow().clone()),
        }
    }

    /// Another disk takes the place of this one, with what a copy holds.
    pub fn replace_disk(&mut self, backup: &Backup) {
        self.put_disk(&backup.image);
        if let Some((_, disk)) = &mut self.model {
            *disk = Rc::new(RefCell::new(backup.model.clone()));
        }
    }

    /// The seed of a new process's engine.
    pub fn engine_seed(&mut self) -> u64 {
        self.stream.bits()
    }
}
