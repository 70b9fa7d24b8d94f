//! Which signatures of a log are kept. A signature proves all of the log before it, so those in between are needed
//! only so that a piece of it fits a frame. Pure, and shared with the simulator's model of this store.

use sync_protocol::id::Seq;

/// Bytes of bodies after which a signature is kept, so that one frame holds what has to be served together.
pub const PIECE_BYTES: usize = 128 << 10;
/// Changesets after which one is kept.
pub const PIECE_CHANGESETS: usize = 4_096;

/// What was appended to a log since the last signature that is kept for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Where a signature stands that the next one may replace.
    signed: Option<Seq>,
    /// Bytes and changesets up to there.
    bytes: usize,
    changesets: usize,
    /// Bytes and changesets after it, which none covers yet.
    open_bytes: usize,
    open_changesets: usize,
}

impl Piece {
    /// Notes a changeset.
    pub const fn push(&mut self, body_bytes: usize) {
        self.open_bytes += body_bytes;
        self.open_changesets += 1;
    }

    /// Notes a signature over the last changeset. Returns where one stands that is not needed any more.
    pub fn sign(&mut self, seq: Seq) -> Option<Seq> {
        let replaced = self.signed.filter(|_| {
            self.bytes + self.open_bytes <= PIECE_BYTES
                && self.changesets + self.open_changesets <= PIECE_CHANGESETS
        });
        if replaced.is_none() {
            (self.bytes, self.changesets) = (0, 0);
        }
        *self = Piece {
            signed: Some(seq),
            bytes: self.bytes + self.open_bytes,
            changesets: self.changesets + self.open_changesets,
            ..Piece::default()
        };
        replaced.filter(|replaced| *replaced < seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_replaces_the_one_before_it_while_the_piece_fits_a_frame() {
        let mut piece = Piece::default();
        piece.push(PIECE_BYTES / 2);
        assert_eq!(piece.sign(Seq(1)), None);
        piece.push(PIECE_BYTES / 4);
        piece.push(PIECE_BYTES / 4);
        assert_eq!(piece.sign(Seq(3)), Some(Seq(1)));
        piece.push(1);
        assert_eq!(piece.sign(Seq(4)), None, "too much for one piece");
        piece.push(1);
        assert_eq!(piece.sign(Seq(5)), Some(Seq(4)));
    }

    #[test]
    fn a_piece_has_a_bounded_number_of_changesets() {
        let mut piece = Piece::default();
        let mut kept = Vec::new();
        for seq in 1..=2 * PIECE_CHANGESETS as u64 + 1 {
            piece.push(1);
            kept.push(seq);
            if let Some(replaced) = piece.sign(Seq(seq)) {
                kept.retain(|kept| *kept != replaced.0);
            }
        }
        assert_eq!(kept, [4_096, 8_192, 8_193]);
    }
}
