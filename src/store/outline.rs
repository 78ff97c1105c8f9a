//! A large file in outline. An edit of small members needs neither the text of the long ones nor the memory for it: that
//! goes from file to file.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::thread;

use crate::disk;
use crate::document::Document;
use crate::json::{Scan, Spans, without_bom};

#[cfg(test)]
mod tests;

/// A value longer than this is cut short.
const LONG: usize = 64 << 10;

/// So much is kept of it. How a file is laid out shows in its first 4096 bytes.
const KEPT: usize = 8 << 10;

/// How much is read at a time: what stays in a processor's cache until it is looked at.
const BLOCK: usize = 128 << 10;

/// A JSON object without the ends of its long values.
pub(crate) struct Outline {
    file: File,
    source: String,
    /// The length of its byte order mark.
    bom: usize,
    spans: Spans,
    /// Where values end that are cut short, in the text after the byte order mark.
    ends: Vec<usize>,
    /// How many bytes of the file are missing up to each of these.
    missing: Vec<usize>,
}

pub(crate) enum Piece<'a> {
    Bytes(&'a [u8]),
    Range(&'a File, Range<usize>),
}

impl Piece<'_> {
    pub(crate) fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Piece::Bytes(bytes) => Some(bytes),
            Piece::Range(..) => None,
        }
    }
}

impl Outline {
    /// Reads a file. `None` if it cannot be read or is not a JSON object in UTF-8: reading it whole shows what it is.
    pub(crate) fn read(file: &File) -> Option<Outline> {
        Outline::cut(file, LONG, KEPT)
    }

    fn cut(file: &File, long: usize, kept: usize) -> Option<Outline> {
        let (mut spans, bom, size) = split(file)?;
        let (mut source, mut ends, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut gone) = (0, 0);
        for (name, value) in &mut spans {
            let end = bom + value.end;
            let is_long = value.len() > long;
            *name = name.start - gone..name.end - gone;
            value.start -= gone;
            if is_long {
                let start = source.len();
                append(file, from..bom + gone + value.start + kept, &mut source)?;
                if let Err(error) = std::str::from_utf8(&source[start..]) {
                    // Not in the middle of a character.
                    source.truncate(start + error.valid_up_to());
                }
                gone = end - source.len();
                ends.push(source.len() - bom);
                missing.push(gone);
                from = end;
            }
            value.end -= gone;
        }
        append(file, from..size, &mut source)?;
        let source = String::from_utf8(source).ok()?;
        let is_object = source[bom..].trim_ascii_start().starts_with('{');
        let file = file.try_clone().ok()?;
        is_object.then_some(Outline { file, source, bom, spans, ends, missing })
    }

    /// The document, which knows what it lacks.
    pub(crate) fn document(&self) -> Document<'_> {
        let text = &self.source[self.bom..];
        Document::outlined(self.source.as_bytes(), text, &self.spans, &self.ends)
    }

    /// These pieces of the edited document, those out of the source as what they stand for in the file.
    pub(crate) fn pieces<'p>(&'p self, pieces: &'p [Cow<'_, [u8]>]) -> Vec<Piece<'p>> {
        // Nothing ends or begins inside a value that is cut short, except for its own end, which is that in the file.
        let in_file = |at: usize| {
            let cuts = self.ends.partition_point(|end| self.bom + end <= at);
            at + cuts.checked_sub(1).map_or(0, |last| self.missing[last])
        };
        let piece = |piece: &'p Cow<'_, [u8]>| match piece {
            Cow::Owned(bytes) => Piece::Bytes(bytes),
            Cow::Borrowed(bytes) => {
                let start = bytes.as_ptr() as usize - self.source.as_ptr() as usize;
                Piece::Range(&self.file, in_file(start)..in_file(start + bytes.len()))
            }
        };
        pieces.iter().map(piece).collect()
    }
}

/// Checks the file, and returns where its members stand after the byte order mark, how long that is, and how long the file.
fn split(file: &File) -> Option<(Spans, usize, usize)> {
    thread::scope(|scope| {
        // It takes as long as all the rest, and reading a second time takes nothing against it.
        let other = thread::Builder::new().spawn_scoped(scope, || is_utf8(file, BLOCK));
        let mut split = Scan::new(Spans::new());
        let mut buffer = vec![0; BLOCK];
        let (mut bom, mut size) = (0, 0);
        loop {
            let length = disk::fill(file, &mut buffer, size).ok()?;
            let block = &buffer[..length];
            let rest = if size == 0 { without_bom(block) } else { block };
            bom += length - rest.len();
            split.feed(rest).ok()?;
            size += length;
            if length < BLOCK {
                break;
            }
        }
        other.map_or_else(|_| is_utf8(file, BLOCK), |other| other.join().ok().flatten())?;
        Some((split.finish().ok()?, bom, size))
    })
}

fn is_utf8(file: &File, block: usize) -> Option<()> {
    let mut buffer = vec![0; block];
    // The bytes of a character whose end is in the next block.
    let (mut begun, mut at) = (0, 0);
    loop {
        let length = begun + disk::fill(file, &mut buffer[begun..], at).ok()?;
        at += length - begun;
        let valid = match std::str::from_utf8(&buffer[..length]) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return None,
        };
        begun = length - valid;
        if length < block {
            return (begun == 0).then_some(());
        }
        buffer.copy_within(valid..length, 0);
    }
}

/// Appends what stands in this range of the file; `None` where it is shorter by now.
fn append(file: &File, range: Range<usize>, to: &mut Vec<u8>) -> Option<()> {
    let start = to.len();
    to.resize(start + range.len(), 0);
    let read = disk::fill(file, &mut to[start..], range.start).ok()?;
    (read == range.len()).then_some(())
}
