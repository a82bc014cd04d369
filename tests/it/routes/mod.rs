//! The API by its URLs.

mod accounts;
mod jobs;
mod offers;
mod runs;
mod schedules;
mod workflows;
