//! The values at a few paths of a text, whatever its size.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Visitor, bare};

/// The values at these paths, as the texts of them; of duplicate members, the last.
pub(crate) struct Pick<'p> {
    paths: &'p [Vec<&'p str>],
    /// In the order of the paths.
    pub found: Vec<Option<Zeroizing<String>>>,
    /// The object at hand is the value at so many names of this path.
    trail: (usize, usize),
    /// The path whose value is on its way.
    at: usize,
}

impl<'p> Pick<'p> {
    /// Each path names members from the top-level object down; none leads through another's end.
    pub(crate) fn new(paths: &'p [Vec<&'p str>]) -> Self {
        Pick { paths, found: vec![None; paths.len()], trail: (0, 0), at: 0 }
    }
}

impl Visitor for Pick<'_> {
    fn depth(&self) -> usize {
        self.paths.iter().map(Vec::len).max().unwrap_or_default()
    }

    fn name(&mut self, depth: usize, name: &[u8], _: Range<usize>) -> bool {
        let (path, length) = self.trail;
        if depth != length + 1 {
            return false;
        }
        let text = bare(name);
        let trail = &self.paths[path][..length];
        let mut is_wanted = false;
        for (at, path) in self.paths.iter().enumerate() {
            if path.starts_with(trail) && path.get(length).is_some_and(|name| *name == text) {
                // A duplicate takes the place of what was there, all that was inside included.
                self.found[at] = None;
                if path.len() == depth {
                    self.at = at;
                    is_wanted = true;
                } else {
                    self.trail = (at, depth);
                }
            }
        }
        is_wanted
    }

    fn value(&mut self, depth: usize, _: Range<usize>, text: &[u8]) {
        if !text.is_empty() {
            self.found[self.at] = Some(Zeroizing::new(String::from_utf8_lossy(text).into_owned()));
        } else if self.trail.1 == depth {
            self.trail.1 -= 1;
        }
    }
}
