//! Ed25519 as [`Signer`], and the check of a signature for a [`Trust`](crate::changeset::Trust).

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::changeset::{PublicKey, Signature, Signer};

/// A node's secret key.
pub struct Ed25519Signer(SigningKey);

impl Ed25519Signer {
    /// The key made from 32 secret bytes, drawn by the caller.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Ed25519Signer {
        Ed25519Signer(SigningKey::from_bytes(secret))
    }
}

impl Signer for Ed25519Signer {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8; 32]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

/// Whether `signature` over `message` was made with `key`. Strict: refuses weak keys and malleable signatures, so
/// that every node judges alike.
#[must_use]
pub fn verifies(key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0))
        .is_ok()
}
