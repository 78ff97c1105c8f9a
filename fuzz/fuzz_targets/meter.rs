//! What an answer used. An input is whether it is a stream, how large the pieces are in which it arrives, and its bytes. What is
//! checked: no panic, and that how it is cut changes nothing.
#![no_main]

use cck::broker::meter::Meter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (is_stream, piece, bytes) = input;
    let mut whole = Meter::new(is_stream);
    whole.feed(bytes);
    let mut cut = Meter::new(is_stream);
    bytes.chunks(usize::from(piece) + 1).for_each(|piece| cut.feed(piece));
    assert_eq!(whole.finish(), cut.finish());
});
