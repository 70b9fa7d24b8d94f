//! The token that opens a node's HTTP interface: a secret in a file that only the node's user can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of the token's file.
const TOKEN_MODE: u32 = 0o600;
/// Bits of a mode that open a file to others than its owner.
const OPEN_TO_OTHERS: u32 = 0o077;
/// Fewest characters of a token: what cannot be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;
/// Most characters of a token.
const TOKEN_CHARACTERS_MAX: usize = 256;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot write a token to {path}: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("the token {path} is open to others (mode {mode:04o}): run chmod 600 {path}", path = .path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in it is no token.
    #[error(
        "the token in {path} is not one line of {TOKEN_CHARACTERS_MIN} to {TOKEN_CHARACTERS_MAX} visible characters: \
         remove the file to have a new one made",
        path = .path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// A bearer token. Its text is kept for clients of the same user; what a server compares are hashes, in constant time.
#[derive(Clone)]
pub struct Token {
    text: String,
    hash: blake3::Hash,
}

impl Token {
    /// Reads the token in a file. For clients, which never make one.
    ///
    /// # Errors
    /// The file cannot be read, is open to others, or holds no token.
    pub fn load(path: &Path) -> Result<Token, TokenError> {
        let unreadable = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & OPEN_TO_OTHERS != 0 {
            return Err(TokenError::Permissions {
                path: path.to_owned(),
                mode: mode & 0o7777,
            });
        }
        Token::new(text.trim_end()).ok_or_else(|| TokenError::Malformed {
            path: path.to_owned(),
        })
    }

    /// Reads the token in a file, or, when there is no file, makes one of 32 random bytes drawn by the caller.
    ///
    /// # Errors
    /// See [`Token::load`]; or the file cannot be made.
    pub fn load_or_create(path: &Path, random: &[u8; 32]) -> Result<Token, TokenError> {
        match Token::load(path) {
            Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let made = write_new(path, &text);
        made.map_err(|source| TokenError::Write {
            path: path.to_owned(),
            source,
        })?;
        Token::load(path)
    }

    /// A token of this text; `None` unless it is 16 to 256 visible ASCII characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Token> {
        let is_token = (TOKEN_CHARACTERS_MIN..=TOKEN_CHARACTERS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Token {
            text: text.to_owned(),
            hash: blake3::hash(text.as_bytes()),
        })
    }

    /// The text, for a client's `authorization: Bearer …`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this is the token. Takes the same time whatever is wrong with `text`.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        // Comparing hashes is constant-time in blake3.
        blake3::hash(text.as_bytes()) == self.hash
    }
}

impl std::fmt::Debug for Token {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(TOKEN_MODE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
