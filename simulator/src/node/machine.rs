//! The machine a gate's process runs on: its disk, its key, its clock. It outlives the process.

use std::collections::BTreeMap;

use edge_node::store::{Opening, Store};
use sync_protocol::changeset::Signer as _;
use sync_protocol::decide::{Gate, Policy};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::id::{GateCode, Seq, SiteId};

use super::wall_clock::WallClock;
use crate::disk::{Disk, Image, VFS};
use crate::random::Stream;
use crate::trust::Authority;

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
    policy: Policy,
    secret: [u8; 32],
    certificate: Vec<u8>,
    /// What the process draws at its starts.
    stream: Stream,
    disk: Disk,
}

impl Machine {
    /// Installs a machine with an empty disk, and admits its key.
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
        let key = Ed25519Signer::from_secret(&secret).public_key();
        let certificate = authority.admit(gate.id.node(), Some(gate.terminal), key);
        Machine {
            gate,
            code,
            clock: WallClock::right(wall_ms),
            held: BTreeMap::new(),
            is_restored: false,
            policy,
            secret,
            certificate,
            stream,
            disk: Disk::new(),
        }
    }

    /// The gate's key.
    #[must_use]
    pub fn signer(&self) -> Ed25519Signer {
        Ed25519Signer::from_secret(&self.secret)
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
    pub fn open(&mut self) -> anyhow::Result<Store> {
        let opening = Opening {
            gate: self.gate,
            policy: self.policy,
            signer: Box::new(self.signer()),
            certificate: self.certificate.clone(),
            random: self.stream.bytes(),
            ballast_bytes: 0,
            vfs: Some(VFS),
        };
        Ok(Store::open(self.disk.path(), opening)?)
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

    /// Another disk takes the place of this one.
    pub fn replace_disk(&mut self, image: &Image) {
        self.disk = Disk::from_image(image);
    }

    /// The seed of a new process's engine.
    pub fn engine_seed(&mut self) -> u64 {
        self.stream.bits()
    }
}
