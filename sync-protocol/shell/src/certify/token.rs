//! The token that lets a gate enrol: what a person carries from the hub to the gate.

use std::fmt;
use std::str::FromStr;

use crate::identity::{Fingerprint, hexadecimal};

/// What every token begins with.
const PREFIX: &str = "enrol1";

/// `enrol1.FINGERPRINT.SECRET@HOST:PORT`: whom to believe, the secret that is taken once, and where the hub is.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolToken {
    /// Of the authority's certificate.
    pub authority: Fingerprint,
    /// Taken once.
    pub secret: [u8; 32],
    /// The hub's port for links, `host:port`.
    pub hub: String,
}

/// Not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no enrolment token: one looks like {PREFIX}.<64 digits>.<64 digits>@hub.example:7501, all in one line; copy it \
     whole from `hub enroll-token`"
)]
pub struct TokenFormError;

impl EnrolToken {
    /// What the hub keeps instead of the secret.
    #[must_use]
    pub fn hash(secret: &[u8; 32]) -> [u8; 32] {
        blake3::derive_key("gate sync 2026 enrolment token", secret)
    }
}

impl fmt::Display for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = Fingerprint(self.secret);
        write!(f, "{PREFIX}.{}.{secret}@{}", self.authority, self.hub)
    }
}

impl fmt::Debug for EnrolToken {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}.…@{}", self.authority, self.hub)
    }
}

impl FromStr for EnrolToken {
    type Err = TokenFormError;

    fn from_str(text: &str) -> Result<EnrolToken, TokenFormError> {
        let read = || {
            let (named, hub) = text.trim().split_once('@')?;
            let mut parts = named.split('.');
            let (prefix, authority, secret) = (parts.next()?, parts.next()?, parts.next()?);
            let is_whole = prefix == PREFIX && parts.next().is_none();
            let (host, port) = hub.rsplit_once(':')?;
            let is_address = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0);
            let has_space = hub.contains(char::is_whitespace);
            (is_whole && is_address && !has_space).then_some(EnrolToken {
                authority: Fingerprint(hexadecimal(authority)?),
                secret: hexadecimal(secret)?,
                hub: hub.to_owned(),
            })
        };
        read().ok_or(TokenFormError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written_and_nothing_else_is() {
        let token = EnrolToken {
            authority: Fingerprint([0xa5; 32]),
            secret: [7; 32],
            hub: "hub.example:7501".to_owned(),
        };
        let text = token.to_string();
        assert_eq!(text.parse(), Ok(token.clone()));
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("0707"), "the secret is shown");
        let no_port = text.replace(":7501", "");
        let bad_port = text.replace("7501", "75011");
        let other = text.replace("enrol1", "enrol2");
        let upper = text.replace("a5a5", "A5A5");
        let more = text.replace('@', ".00@");
        for wrong in [
            "",
            "enrol1",
            &text[1..],
            &no_port,
            &bad_port,
            &other,
            &upper,
            &more,
        ] {
            assert_eq!(wrong.parse::<EnrolToken>(), Err(TokenFormError), "{wrong}");
        }
    }
}
