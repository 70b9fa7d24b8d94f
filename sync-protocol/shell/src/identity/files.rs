//! The files of an identity: private keys in PKCS#8, certificates, both in PEM.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::IdentityError;

/// Mode of a private key's file: its owner alone.
const PRIVATE_MODE: u32 = 0o600;
/// Mode of a certificate's file.
const PUBLIC_MODE: u32 = 0o644;
/// Mode of a folder with a private key in it.
const FOLDER_MODE: u32 = 0o700;
/// Bits of a mode that open a file to others than its owner.
const OPEN_TO_OTHERS: u32 = 0o077;
/// Most bytes read from one of these files.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// What stands before the 32 secret bytes in a PKCS#8 (version 1) Ed25519 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A secret as PKCS#8 DER.
pub(super) fn pkcs8(secret: &[u8; 32]) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from([PKCS8_PREFIX.as_slice(), secret].concat())
}

/// Whether a file that is to be written may replace one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// The secret in a private key's file that nobody else can read.
pub(super) fn read_secret(path: &Path, advice: &'static str) -> Result<[u8; 32], IdentityError> {
    let pem = read(path, advice)?;
    let mode = fs::metadata(path)
        .map_err(|source| unreadable(path, source))?
        .permissions()
        .mode();
    if mode & OPEN_TO_OTHERS != 0 {
        return Err(IdentityError::Permissions {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| IdentityError::Pem {
        path: path.to_owned(),
        expected: "a private key",
        reason: error.to_string(),
    })?;
    let secret = key.secret_pkcs8_der().strip_prefix(&PKCS8_PREFIX);
    let secret = secret.and_then(|secret| secret.try_into().ok());
    secret.ok_or_else(|| IdentityError::KeyKind {
        path: path.to_owned(),
    })
}

/// A certificate's file.
pub(super) struct CertificateFile {
    pub(super) der: Vec<u8>,
    pub(super) pem: String,
}

/// Reads a file with one certificate in it.
pub(super) fn read_certificate(path: &Path, advice: &'static str) -> Result<CertificateFile, IdentityError> {
    let pem = read(path, advice)?;
    let refused = |reason: String| IdentityError::Pem {
        path: path.to_owned(),
        expected: "one certificate",
        reason,
    };
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    let first = certificates
        .next()
        .ok_or_else(|| refused("it holds none".to_owned()))?
        .map_err(|error| refused(error.to_string()))?;
    if certificates.next().is_some() {
        return Err(refused("it holds more than one".to_owned()));
    }
    Ok(CertificateFile {
        der: first.to_vec(),
        pem: String::from_utf8_lossy(&pem).into_owned(),
    })
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(super) fn make_folder(path: &Path) -> Result<(), IdentityError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path);
    made.map_err(|source| unwritable(path, source))
}

/// Refuses if one of these files is there.
pub(super) fn refuse_existing(folder: &Path, names: &[&str]) -> Result<(), IdentityError> {
    let mut paths = names.iter().map(|name| folder.join(name));
    match paths.find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(IdentityError::Exists { path }),
        None => Ok(()),
    }
}

/// Writes a private key's file.
pub(super) fn write_private(path: &Path, pem: &str, existing: Existing) -> Result<(), IdentityError> {
    write(path, pem, PRIVATE_MODE, existing)
}

/// Writes a certificate's file.
pub(super) fn write_public(path: &Path, pem: &str, existing: Existing) -> Result<(), IdentityError> {
    write(path, pem, PUBLIC_MODE, existing)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), IdentityError> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| unwritable(folder, source))
}

/// Writes aside, then moves into place: a crash leaves the old file or the new one.
fn write(path: &Path, text: &str, mode: u32, existing: Existing) -> Result<(), IdentityError> {
    let aside = aside(path);
    let written = write_new(&aside, text, mode).and_then(|()| match existing {
        Existing::Replace => fs::rename(&aside, path),
        // Unlike a rename, a link never replaces what is there.
        Existing::Keep => fs::hard_link(&aside, path).and_then(|()| fs::remove_file(&aside)),
    });
    written.map_err(|source| {
        // What went wrong is told; a leftover beside it is overwritten by the next attempt.
        let _ = fs::remove_file(&aside);
        if source.kind() == io::ErrorKind::AlreadyExists {
            return IdentityError::Exists {
                path: path.to_owned(),
            };
        }
        unwritable(path, source)
    })
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, IdentityError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing {
            path: path.to_owned(),
            advice,
        },
        _ => unreadable(path, source),
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn unreadable(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Read {
        path: path.to_owned(),
        source,
    }
}

fn unwritable(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Write {
        path: path.to_owned(),
        source,
    }
}
