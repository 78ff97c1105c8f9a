//! What Unix adds to the standard library's types, and what is done here in its place.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, FileType, Metadata, OpenOptions};

use super::fs::{OFlags, Stat, native};
use super::process::ME;

/// The bytes of a name.
pub(crate) trait OsStrExt {
    /// As the standard library has them: UTF-8, but for halves of characters.
    fn as_bytes(&self) -> &[u8];
}

impl OsStrExt for OsStr {
    fn as_bytes(&self) -> &[u8] {
        self.as_encoded_bytes()
    }
}

/// A name from its bytes.
pub(crate) trait OsStringExt {
    /// What is no text in them is replaced.
    fn from_vec(bytes: Vec<u8>) -> Self;
}

impl OsStringExt for OsString {
    fn from_vec(bytes: Vec<u8>) -> OsString {
        String::from_utf8_lossy(&bytes).into_owned().into()
    }
}

/// The mode of a directory that is made: it inherits its access list.
pub(crate) trait DirBuilderExt {
    /// Changes nothing.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, _: u32) -> &mut DirBuilder {
        self
    }
}

/// How a file is opened.
pub(crate) trait OpenOptionsExt {
    /// Changes nothing: the file inherits its access list.
    fn mode(&mut self, mode: u32) -> &mut Self;

    /// Opens as these flags of [`OFlags`] say.
    fn custom_flags(&mut self, flags: i32) -> &mut Self;
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, _: u32) -> &mut OpenOptions {
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        std::os::windows::fs::OpenOptionsExt::custom_flags(
            self,
            native(OFlags::from_bits(flags.cast_unsigned())),
        )
    }
}

/// The kinds of files that there are besides.
pub(crate) trait FileTypeExt {
    /// Never.
    fn is_fifo(&self) -> bool;
    /// Never.
    fn is_socket(&self) -> bool;
}

impl FileTypeExt for FileType {
    fn is_fifo(&self) -> bool {
        false
    }

    fn is_socket(&self) -> bool {
        false
    }
}

/// What Unix knows of a file.
pub(crate) trait MetadataExt {
    /// One user's, who is the one that asks.
    fn uid(&self) -> u32;
    /// The user's alone.
    fn mode(&self) -> u32;
    /// Not known without another look: one.
    fn nlink(&self) -> u64;
}

impl MetadataExt for Metadata {
    fn uid(&self) -> u32 {
        ME
    }

    fn mode(&self) -> u32 {
        Stat::of(self).st_mode
    }

    fn nlink(&self) -> u64 {
        1
    }
}
