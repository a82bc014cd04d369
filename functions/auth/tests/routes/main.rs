//! The routes of accounts as API Gateway calls them, on a real table.

mod access;
mod admin;
mod keys;
mod lost_answers;
mod me;
mod secrets;
mod session;
mod support;
mod throttle;
