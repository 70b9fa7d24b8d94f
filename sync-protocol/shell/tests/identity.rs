//! Certificates: what is issued is believed, and nothing else; the files say what is wrong with them.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    SanType,
};
use sync_protocol::changeset::{Signature, Signer, SiteOpen, SiteRole, Trust};
use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::time::{DAY_MS, Stamp};
use sync_protocol::wire::Heartbeat;
use sync_shell::identity::{Authority, CertificateError, Identity, IdentityError, NodeKeys};
use tempfile::TempDir;

/// Some moment in 2026.
const NOW_MS: i64 = 1_780_000_000_000;

fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

fn authority(folder: &Path) -> Authority {
    Authority::init(&folder.join("ca"), &[9; 32], NOW_MS).unwrap()
}

/// Issues keys to gate 3 of terminal A, in `folder/node`.
fn gate_keys(folder: &Path) -> NodeKeys {
    let issued = authority(folder).issue(NodeId(3), Some(terminal("A")), &[3; 32], NOW_MS, NOW_MS + DAY_MS);
    issued.unwrap().write(&folder.join("node")).unwrap();
    NodeKeys::load(&folder.join("node")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn open(keys: &NodeKeys, role: SiteRole) -> SiteOpen {
    SiteOpen {
        node: keys.identity().node,
        role,
        public_key: keys.identity().key,
        random: [5; 16],
        certificate: keys.certificate().to_vec(),
        previous: None,
    }
}

#[test]
fn issued_keys_are_loaded_as_what_they_are() {
    let folder = TempDir::new().unwrap();
    let keys = gate_keys(folder.path());
    let identity = *keys.identity();
    assert_eq!(
        (identity.node, identity.terminal),
        (NodeId(3), Some(terminal("A")))
    );
    assert_eq!(identity.name(), "gate-3.terminal-a.sync.internal");
    assert_eq!(identity.key, keys.signer().public_key());
    assert_eq!(keys.expires_at_ms(), NOW_MS + DAY_MS);
    assert_eq!(Identity::from_certificate(keys.certificate()).unwrap(), identity);
    for private in ["ca/ca.key", "node/node.key"] {
        assert_eq!(mode(&folder.path().join(private)), 0o600, "{private}");
    }
}

#[test]
fn an_authority_is_loaded_again_and_issues_to_the_hub() {
    let folder = TempDir::new().unwrap();
    drop(authority(folder.path()));
    let authority = Authority::load(&folder.path().join("ca")).unwrap();
    let issued = authority
        .issue(NodeId::HUB, None, &[1; 32], NOW_MS, NOW_MS + DAY_MS)
        .unwrap();
    assert_eq!(issued.identity.name(), "hub.sync.internal");
    issued.write(&folder.path().join("hub")).unwrap();
    let keys = NodeKeys::load(&folder.path().join("hub")).unwrap();
    assert!(keys.trust().admits(&open(&keys, SiteRole::Decisions)));
    assert!(keys.trust().admits(&open(&keys, SiteRole::Settled)));
    assert!(!keys.trust().admits(&open(&keys, SiteRole::Gate(terminal("A")))));
}

#[test]
fn a_site_is_admitted_exactly_for_the_node_terminal_and_key_of_its_certificate() {
    let folder = TempDir::new().unwrap();
    let keys = gate_keys(folder.path());
    let trust = keys.trust();
    let good = open(&keys, SiteRole::Gate(terminal("A")));
    // Whether the certificate has expired since is not asked: this one has, long before this test runs or after.
    assert!(trust.admits(&good));
    let mut wrong = vec![
        open(&keys, SiteRole::Gate(terminal("B"))),
        open(&keys, SiteRole::Decisions),
    ];
    wrong.push(SiteOpen {
        node: NodeId(4),
        ..good.clone()
    });
    let mut other_key = good.clone();
    other_key.public_key.0[0] ^= 1;
    wrong.push(other_key);
    wrong.push(SiteOpen {
        certificate: Vec::new(),
        ..good.clone()
    });
    wrong.push(SiteOpen {
        certificate: vec![0x30; 9_000],
        ..good.clone()
    });
    for open in &wrong {
        assert!(!trust.admits(open), "{open:?}");
    }
    for place in 0..good.certificate.len() {
        let mut damaged = good.clone();
        damaged.certificate[place] ^= 0x41;
        assert!(!trust.admits(&damaged), "byte {place}");
    }
    let elsewhere = TempDir::new().unwrap();
    let other = Authority::init(&elsewhere.path().join("ca"), &[8; 32], NOW_MS).unwrap();
    let issued = other
        .issue(NodeId(3), Some(terminal("A")), &[3; 32], NOW_MS, NOW_MS + DAY_MS)
        .unwrap();
    issued.write(&elsewhere.path().join("node")).unwrap();
    let stranger = NodeKeys::load(&elsewhere.path().join("node")).unwrap();
    assert!(
        !trust.admits(&open(&stranger, SiteRole::Gate(terminal("A")))),
        "of another authority"
    );
}

#[test]
fn a_heartbeat_is_genuine_by_its_signature_and_a_known_key() {
    let folder = TempDir::new().unwrap();
    let keys = gate_keys(folder.path());
    let mut beat = Heartbeat {
        node: NodeId(3),
        key: keys.identity().key,
        sites: Vec::new(),
        t: Stamp::at_ms(NOW_MS),
        signature: Signature([0; 64]),
    };
    let trust = keys.trust();
    assert!(!trust.is_genuine(&beat, |_| true));
    beat.signature = keys.signer().sign(&beat.signed_message());
    assert!(trust.is_genuine(&beat, |node| node == NodeId(3)));
    assert!(!trust.is_genuine(&beat, |_| false));
    beat.t = Stamp::at_ms(NOW_MS + 1);
    assert!(!trust.is_genuine(&beat, |_| true));
}

#[test]
fn nothing_is_overwritten_unasked() {
    let folder = TempDir::new().unwrap();
    let authority = authority(folder.path());
    let again = Authority::init(&folder.path().join("ca"), &[7; 32], NOW_MS);
    let told = again.err().unwrap().to_string();
    assert!(
        told.contains("ca.key exists already and is not overwritten"),
        "{told}"
    );

    let node = folder.path().join("node");
    let issue = |secret| {
        authority.issue(
            NodeId(3),
            Some(terminal("A")),
            &[secret; 32],
            NOW_MS,
            NOW_MS + DAY_MS,
        )
    };
    issue(3).unwrap().write(&node).unwrap();
    let before = fs::read(node.join("node.key")).unwrap();
    let told = issue(4).unwrap().write(&node).unwrap_err().to_string();
    assert!(told.contains("node.key exists already"), "{told}");
    assert_eq!(fs::read(node.join("node.key")).unwrap(), before);
    issue(4).unwrap().replace(&node).unwrap();
    assert_ne!(fs::read(node.join("node.key")).unwrap(), before);
    assert_eq!(mode(&node.join("node.key")), 0o600);
    NodeKeys::load(&node).unwrap();
    let mut names: Vec<_> = fs::read_dir(&node)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["ca.crt", "node.crt", "node.key"], "nothing is left over");

    let other = Authority::init(&folder.path().join("other"), &[8; 32], NOW_MS).unwrap();
    let other = other
        .issue(NodeId(3), Some(terminal("A")), &[4; 32], NOW_MS, NOW_MS + DAY_MS)
        .unwrap();
    assert!(matches!(
        other.replace(&node),
        Err(IdentityError::OtherInstallation { .. })
    ));
}

#[test]
fn files_that_do_not_serve_say_which_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    drop(gate_keys(folder.path()));
    let node = folder.path().join("node");
    let told = |change: &dyn Fn(&Path)| {
        let copy = TempDir::new().unwrap();
        for name in ["node.key", "node.crt", "ca.crt"] {
            fs::copy(node.join(name), copy.path().join(name)).unwrap();
        }
        change(copy.path());
        NodeKeys::load(copy.path()).unwrap_err().to_string()
    };
    let open_key = told(&|folder| {
        fs::set_permissions(folder.join("node.key"), fs::Permissions::from_mode(0o640)).unwrap();
    });
    assert!(open_key.contains("(mode 0640): run chmod 600 "), "{open_key}");
    let missing = told(&|folder| fs::remove_file(folder.join("node.crt")).unwrap());
    assert!(
        missing.contains("node.crt is missing: enrol this node with `edge-node enroll`"),
        "{missing}"
    );
    let empty = told(&|folder| fs::write(folder.join("ca.crt"), "").unwrap());
    assert!(
        empty.contains("ca.crt does not hold one certificate in PEM: it holds none"),
        "{empty}"
    );
    let swapped = told(&|folder| {
        fs::copy(folder.join("ca.crt"), folder.join("node.crt")).unwrap();
    });
    assert!(
        swapped.contains("node.crt is refused: it is an authority's, not a node's"),
        "{swapped}"
    );
    let self_trusted = told(&|folder| {
        fs::copy(folder.join("node.crt"), folder.join("ca.crt")).unwrap();
    });
    assert!(
        self_trusted.contains("ca.crt is refused: it is not an authority's"),
        "{self_trusted}"
    );
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .unwrap()
        .serialize_pem();
    let other_kind = told(&|folder| fs::write(folder.join("node.key"), &ecdsa).unwrap());
    assert!(
        other_kind.contains("node.key is not an Ed25519 private key"),
        "{other_kind}"
    );
    let no_key = told(&|folder| fs::write(folder.join("node.key"), "secret").unwrap());
    assert!(
        no_key.contains("node.key does not hold a private key in PEM"),
        "{no_key}"
    );

    let other = TempDir::new().unwrap();
    let authority = Authority::init(&other.path().join("ca"), &[8; 32], NOW_MS).unwrap();
    let issued = authority
        .issue(NodeId(3), Some(terminal("A")), &[4; 32], NOW_MS, NOW_MS + DAY_MS)
        .unwrap();
    issued.write(&other.path().join("node")).unwrap();
    let mismatch = told(&|folder| {
        fs::copy(other.path().join("node/node.key"), folder.join("node.key")).unwrap();
    });
    assert!(mismatch.contains("node.key is not the key of "), "{mismatch}");
    let foreign = told(&|folder| {
        fs::copy(other.path().join("ca/ca.crt"), folder.join("ca.crt")).unwrap();
    });
    assert!(
        foreign.contains("node.crt was not issued by the authority of "),
        "{foreign}"
    );
}

#[test]
fn impossible_certificates_are_not_issued() {
    let folder = TempDir::new().unwrap();
    let authority = authority(folder.path());
    let a = Some(terminal("A"));
    for (node, terminal) in [(NodeId::HUB, a), (NodeId(3), None)] {
        let issued = authority.issue(node, terminal, &[3; 32], NOW_MS, NOW_MS + DAY_MS);
        assert!(matches!(issued, Err(IdentityError::Terminal)));
    }
    for (from_ms, to_ms) in [
        (NOW_MS, NOW_MS),
        (NOW_MS, NOW_MS - 1),
        (-1, NOW_MS),
        (NOW_MS, i64::MAX),
    ] {
        let issued = authority.issue(NodeId(3), a, &[3; 32], from_ms, to_ms);
        assert!(
            matches!(issued, Err(IdentityError::Validity { .. })),
            "{from_ms} {to_ms}"
        );
    }
}

/// A certificate of the authority in `folder/ca`, made by hand.
fn forge(names: &[&str], key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "gate sync authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let mut params = CertificateParams::default();
    params.subject_alt_names = names
        .iter()
        .map(|name| SanType::DnsName((*name).try_into().unwrap()))
        .collect();
    change(&mut params);
    params.signed_by(key, &issuer).unwrap().der().to_vec()
}

#[test]
fn certificates_are_read_strictly() {
    const COMMON: &str = "node.sync.internal";
    const GATE: &str = "gate-3.terminal-a.sync.internal";
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let read = |names: &[&str]| match Identity::from_certificate(&forge(names, &key, |_| {})) {
        Ok(identity) => Ok(identity.node),
        Err(IdentityError::Certificate(reason)) => Err(reason),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(read(&[COMMON, GATE]), Ok(NodeId(3)));
    assert_eq!(read(&[GATE, COMMON]), Ok(NodeId(3)));
    assert_eq!(read(&[COMMON, "hub.sync.internal"]), Ok(NodeId::HUB));
    assert_eq!(read(&[GATE]), Err(CertificateError::CommonName));
    assert_eq!(read(&[COMMON]), Err(CertificateError::NoIdentity));
    assert_eq!(read(&[]), Err(CertificateError::CommonName));
    assert_eq!(
        read(&[COMMON, GATE, GATE]),
        Err(CertificateError::SeveralIdentities(GATE.to_owned()))
    );
    assert_eq!(
        read(&[COMMON, GATE, "hub.sync.internal"]),
        Err(CertificateError::SeveralIdentities(
            "hub.sync.internal".to_owned()
        ))
    );
    for unknown in [
        "example.org",
        "gate-x.terminal-a.sync.internal",
        "*.sync.internal",
        COMMON,
    ] {
        assert_eq!(
            read(&[COMMON, GATE, unknown]),
            Err(CertificateError::UnknownName(unknown.to_owned()))
        );
    }
    let with_address = forge(&[COMMON, GATE], &key, |params| {
        params
            .subject_alt_names
            .push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
    });
    assert!(matches!(
        Identity::from_certificate(&with_address),
        Err(IdentityError::Certificate(CertificateError::UnknownName(_)))
    ));
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    assert!(matches!(
        Identity::from_certificate(&forge(&[COMMON, GATE], &ecdsa, |_| {})),
        Err(IdentityError::Certificate(CertificateError::Algorithm("key")))
    ));
    let sub_authority = forge(&[COMMON, GATE], &key, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    assert!(matches!(
        Identity::from_certificate(&sub_authority),
        Err(IdentityError::Certificate(CertificateError::Role(_)))
    ));
    let mut longer = forge(&[COMMON, GATE], &key, |_| {});
    longer.push(0);
    for malformed in [&[][..], b"garbage", &longer] {
        assert!(matches!(
            Identity::from_certificate(malformed),
            Err(IdentityError::Certificate(CertificateError::Malformed(_)))
        ));
    }
}
