//! A frame from anybody: it is refused or read, never a panic; what was read is written as the same frame again; and
//! a peer that is sent it twice answers within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sync_protocol::have::Have;
use sync_protocol::id::NodeId;
use sync_protocol::peer::{Config, Input, Limits, Output, Peer};
use sync_protocol::wire::{FRAME_BYTES_MAX, Frame};

const STRANGER: NodeId = NodeId(2);
/// More outputs than two frames may cause: each run, range and beat makes one at most.
const OUTPUTS_MAX: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(bytes) else {
        return;
    };
    let encoded = frame.encode();
    assert!(
        encoded.len() <= bytes.len(),
        "one encoding of each frame, the shortest"
    );
    assert_eq!(Frame::decode(&encoded).as_ref(), Ok(&frame));

    let terminal = "A".parse().expect("a terminal's code");
    let config = Config {
        node: NodeId(1),
        terminal: Some(terminal),
        schema_version: 1,
        schema_hash: [0; 32],
        seed: 1,
        limits: Limits::default(),
    };
    let mut peer = Peer::new(config, Have::default());
    peer.handle(0, Input::Connected { peer: STRANGER });
    let hello = Frame::Hello(sync_protocol::wire::Hello {
        node: STRANGER,
        terminal: Some(terminal),
        schema_version: 1,
        schema_hash: [0; 32],
    });
    for (now_ms, frame) in (1..).zip([hello, frame.clone(), frame]) {
        peer.handle(
            now_ms,
            Input::Frame {
                peer: STRANGER,
                frame,
            },
        );
        drain(&mut peer);
    }
    let now_ms = peer.poll_timeout().unwrap_or(10);
    peer.handle(now_ms, Input::Tick);
    drain(&mut peer);
});

fn drain(peer: &mut Peer) {
    for _ in 0..OUTPUTS_MAX {
        match peer.poll_output() {
            Some(Output::Send { frame, .. }) => assert!(frame.encode().len() <= FRAME_BYTES_MAX),
            Some(_) => {}
            None => return,
        }
    }
    panic!("one frame caused more than {OUTPUTS_MAX} outputs");
}
