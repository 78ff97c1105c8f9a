//! Reads a large file with several threads: most of the time goes into the kernel's copying and into touching fresh
//! memory, and both can be shared out.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;

/// From this size on a file is worth more than one thread.
pub const LARGE_BYTES: u64 = 16 << 20;

/// More threads do not make memory faster.
const MAX_THREADS: usize = 4;

/// The first `len` bytes of a file.
///
/// # Errors
/// Where they cannot be read, or the file has another length by now.
pub fn read(file: &File, len: usize) -> io::Result<Vec<u8>> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS);
    // Zeroed by the kernel when a thread first touches it.
    let mut bytes = vec![0; len];
    let part = len.div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts = bytes.chunks_mut(part).zip((0..).step_by(part));
        let reads: Vec<_> = parts
            .map(|(part, at)| scope.spawn(move || file.read_exact_at(part, at as u64)))
            .collect();
        let failed = || io::Error::other("a reading thread failed");
        reads
            .into_iter()
            .try_for_each(|read| read.join().map_err(|_| failed())?)
    })?;
    match file.read_at(&mut [0], len as u64)? {
        0 => Ok(bytes),
        _ => Err(io::Error::other("the file has grown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_part_is_in_its_place_and_another_length_is_noticed() {
        let content: Vec<u8> = (0..100_003u32)
            .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
            .collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        assert!(read(&file, content.len()).unwrap() == content);
        assert!(read(&file, content.len() - 1).is_err(), "it has grown");
        assert!(read(&file, content.len() + 1).is_err(), "it was cut");
        assert!(read(&tempfile::tempfile().unwrap(), 0).unwrap().is_empty());
    }
}
