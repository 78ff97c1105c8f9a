//! The flags of the calls for files.

/// A set of flags.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident: $($flag:ident = $bits:literal),*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(u32);

        #[allow(missing_docs, reason = "as on Unix")]
        impl $name {
            $(pub const $flag: $name = $name($bits);)*

            pub(crate) const fn empty() -> $name {
                $name(0)
            }

            pub(crate) const fn bits(self) -> u32 {
                self.0
            }

            pub(crate) const fn from_bits(bits: u32) -> $name {
                $name(bits)
            }

            pub(crate) const fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = $name;

            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }
    };
}

flags!(
    /// How a file is opened. Only NOFOLLOW and DIRECTORY change how the system is asked.
    OFlags: RDONLY = 0, WRONLY = 1, RDWR = 2, CREATE = 4, EXCL = 8, NOFOLLOW = 16, DIRECTORY = 32, NONBLOCK = 64,
    NOCTTY = 128, CLOEXEC = 256
);
flags!(
    /// What a call with a directory and a name is about.
    AtFlags: SYMLINK_NOFOLLOW = 1, REMOVEDIR = 2
);
flags!(
    /// Permissions, which nobody is asked for here.
    Mode: RUSR = 0o400, WUSR = 0o200, RWXU = 0o700
);
flags!(
    /// How a file is renamed.
    RenameFlags: NOREPLACE = 1
);
flags!(
    /// How an attribute is set.
    XattrFlags: NONE = 0
);

impl Mode {
    /// The permissions in a mode.
    pub(crate) const fn from_raw_mode(mode: u32) -> Mode {
        Mode(mode & 0o777)
    }
}

impl std::ops::BitAnd for Mode {
    type Output = Mode;

    fn bitand(self, other: Mode) -> Mode {
        Mode(self.0 & other.0)
    }
}
