//! The script as it is used: real shells, real HTTP clients, real processes, and a server that records what it hears.

mod api;
mod container;
mod job;
mod log;
mod outage;
mod stop;
mod surroundings;

/// One test for every shell and HTTP client.
macro_rules! in_every_image {
    ($check:ident) => {
        mod $check {
            use crate::container::{Client::*, Shell::*};
            #[test]
            fn dash_curl() {
                super::super::$check(Dash, Curl);
            }
            #[test]
            fn dash_wget() {
                super::super::$check(Dash, Wget);
            }
            #[test]
            fn dash_python3() {
                super::super::$check(Dash, Python3);
            }
            #[test]
            fn dash_busybox_wget() {
                super::super::$check(Dash, Busybox);
            }
            #[test]
            fn bash_curl() {
                super::super::$check(Bash, Curl);
            }
            #[test]
            fn bash_wget() {
                super::super::$check(Bash, Wget);
            }
            #[test]
            fn bash_python3() {
                super::super::$check(Bash, Python3);
            }
            #[test]
            fn busybox_busybox_wget() {
                super::super::$check(Ash, Busybox);
            }
            #[test]
            fn busybox_curl() {
                super::super::$check(Ash, Curl);
            }
            #[test]
            fn busybox_python3() {
                super::super::$check(Ash, Python3);
            }
        }
    };
}

/// One test for every shell.
macro_rules! in_every_shell {
    ($check:ident) => {
        mod $check {
            use crate::container::Shell::*;
            #[test]
            fn dash() {
                super::super::$check(Dash);
            }
            #[test]
            fn bash() {
                super::super::$check(Bash);
            }
            #[test]
            fn busybox() {
                super::super::$check(Ash);
            }
        }
    };
}
pub(crate) use {in_every_image, in_every_shell};
