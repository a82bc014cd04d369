//! The operations on costs and budgets, for the OpenAPI document. The functions are never called: their attributes are the
//! document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{AttemptsQuery, Costs, CostsQuery, PaidAttempts};
use crate::{
    budget::{Budget, OwnBudget, SetBudget},
    openapi::{Refused, Standard},
    problem::Problem,
};

/// The operations on costs and budgets.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "costs", description = "What was paid, what runs, and what may be spent")),
    paths(get_costs, list_paid_attempts, export_costs, get_budget, get_platform_budget, set_platform_budget)
)]
pub struct Docs;

/// Get costs
///
/// What ended attempts cost, by day, provider, model, job, user or tag: in their providers' currencies, and converted at the
/// configured rate. An attempt counts where its end was written. What runs now is beside it.
#[utoipa::path(
    get, path = "/v1/costs", operation_id = "get_costs", tag = "costs",
    params(CostsQuery),
    responses(
        Standard,
        (status = 200, description = "The costs.", body = Costs),
        (status = 403, description = "`admin_required`: `scope=platform` is for administrators.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn get_costs() {}

/// List paid attempts
///
/// Newest first: one for each attempt that has ended.
#[utoipa::path(
    get, path = "/v1/costs/attempts", operation_id = "list_paid_attempts", tag = "costs",
    params(AttemptsQuery),
    responses(
        Standard,
        (status = 200, description = "A page of attempts.", body = PaidAttempts),
        (status = 403, description = "`admin_required`: `scope=platform` is for administrators.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter; `invalid_cursor`.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn list_paid_attempts() {}

/// Export paid attempts as CSV
///
/// RFC 4180 with a header line, newest first. Text that a spreadsheet would take for a formula has an apostrophe in front.
/// `group_by` and `currency` do not matter here.
#[utoipa::path(
    get, path = "/v1/costs.csv", operation_id = "export_costs", tag = "costs",
    params(CostsQuery),
    responses(
        Standard,
        (status = 200, description = "The attempts.", body = String, content_type = "text/csv"),
        (status = 403, description = "`admin_required`: `scope=platform` is for administrators.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter; so it does for a span with too many \
            attempts.", body = Problem, content_type = "application/problem+json"),
    )
)]
fn export_costs() {}

/// Get one's own budget and quotas
#[utoipa::path(
    get, path = "/v1/budget", operation_id = "get_budget", tag = "costs",
    responses(Standard, (status = 200, description = "This month's budget and how it stands.", body = OwnBudget))
)]
fn get_budget() {}

/// Get the platform's budget
#[utoipa::path(
    get, path = "/v1/admin/budget", operation_id = "get_platform_budget", tag = "costs",
    responses(
        Standard,
        (status = 200, description = "This month's budget and how it stands.", body = Budget),
        (status = 403, description = "`admin_required`.", body = Problem, content_type = "application/problem+json"),
    )
)]
fn get_platform_budget() {}

/// Set the platform's budget
///
/// Used up, nothing new starts and nothing is admitted until the month turns or the budget is raised; what runs goes on. Raised,
/// the jobs that wait go on at once.
#[utoipa::path(
    put, path = "/v1/admin/budget", operation_id = "set_platform_budget", tag = "costs",
    request_body(content = SetBudget),
    responses(
        Refused,
        Standard,
        (status = 200, description = "The budget as it is now.", body = Budget),
        (status = 403, description = "`admin_required`.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn set_platform_budget() {}
