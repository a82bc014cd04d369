//! The API by its URLs.

mod access;
mod accounts;
mod jobs;
mod offers;
mod runs;
pub(crate) mod schedules;
mod workflows;
