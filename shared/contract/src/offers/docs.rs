//! The operations on offers, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{
    GpuPage, ImagePage, OfferPage, OffersQuery, ProviderPage, RankOffers, Ranking, SchedulingMetrics,
};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on offers.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "offers", description = "What can be rented now, at which price, and how it ranks for a job")),
    paths(list_gpus, list_offers, rank_offers, list_providers, list_images, scheduling_metrics)
)]
pub struct Docs;

/// List the GPU models that can be rented
#[utoipa::path(
    get, path = "/v1/gpus", operation_id = "list_gpus", tag = "offers",
    responses((status = 200, description = "The models, with their lowest prices.", body = GpuPage), Standard)
)]
fn list_gpus() {}

/// List offers
///
/// As they were seen last, at once, each with its age. Old ones are refreshed behind the answer.
#[utoipa::path(
    get, path = "/v1/offers", operation_id = "list_offers", tag = "offers",
    params(OffersQuery),
    responses(
        (status = 200, description = "The offers, the cheapest first.", body = OfferPage),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_offers() {}

/// Rank the offers for a job
///
/// As its launch would: the suitable offers in the order in which they would be tried, and for every other the reason.
#[utoipa::path(
    post, path = "/v1/offers:rank", operation_id = "rank_offers", tag = "offers",
    request_body(content = RankOffers),
    responses(
        (status = 200, description = "The ranking.", body = Ranking),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn rank_offers() {}

/// List the providers, and whether their catalogues can be read
#[utoipa::path(
    get, path = "/v1/providers", operation_id = "list_providers", tag = "offers",
    responses((status = 200, description = "The providers with credentials.", body = ProviderPage), Standard)
)]
fn list_providers() {}

/// List images to begin with
///
/// Suggestions: a job takes any image.
#[utoipa::path(
    get, path = "/v1/images", operation_id = "list_images", tag = "offers",
    responses((status = 200, description = "The suggestions.", body = ImagePage), Standard)
)]
fn list_images() {}

/// Show what the scheduler measured, and what waits
///
/// What placement rests upon: the launches, boots and interruptions of the last days, by provider, region, model and spot.
#[utoipa::path(
    get, path = "/v1/scheduling/metrics", operation_id = "scheduling_metrics", tag = "offers",
    responses((status = 200, description = "The measurements and the queue.", body = SchedulingMetrics), Standard)
)]
fn scheduling_metrics() {}
