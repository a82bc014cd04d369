//! The API by its URLs.

mod accounts;
mod jobs;
mod offers;
mod runs;
pub(crate) mod schedules;
mod workflows;
