//! What can be rented, over HTTP: models, offers, their ranking for a job, and whether the providers answer.

mod market;

use std::{cmp::Reverse, sync::Arc};

use app::market::MEASURED_DAYS;
use axum::{
    Json, Router,
    extract::{FromRef, RawQuery, State},
    routing::{get, post},
};
use contract::offers::{
    Gpu, GpuPage, ImagePage, Offer, OfferPage, OffersQuery, ProviderPage, QueueState, RankOffers, Ranking,
    SchedulingMetrics,
};
use domain::placement::{Conditions, rank};
use lambda::{Body, Caller, Platform, Problem};

use crate::market::Markets;

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    let state = Catalogue { markets: Arc::new(Markets::new(platform.clone())), platform };
    Router::new()
        .route("/v1/gpus", get(gpus))
        .route("/v1/offers", get(offers))
        .route("/v1/offers:rank", post(rank_offers))
        .route("/v1/providers", get(providers))
        .route("/v1/images", get(images))
        .route("/v1/scheduling/metrics", get(scheduling_metrics))
        .with_state(state)
}

#[derive(Clone)]
struct Catalogue {
    platform: Platform,
    markets: Arc<Markets>,
}

impl FromRef<Catalogue> for Platform {
    fn from_ref(catalogue: &Catalogue) -> Self {
        catalogue.platform.clone()
    }
}

impl FromRef<Catalogue> for Arc<Markets> {
    fn from_ref(catalogue: &Catalogue) -> Self {
        Arc::clone(&catalogue.markets)
    }
}

async fn gpus(State(markets): State<Arc<Markets>>, _: Caller) -> Result<Json<GpuPage>, Problem> {
    let now = markets.now().await?;
    Ok(Json(GpuPage { items: Gpu::group(&now.view.offers()), providers: now.providers() }))
}

async fn offers(
    State(markets): State<Arc<Markets>>,
    _: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<OfferPage>, Problem> {
    let query = OffersQuery::read(&query.unwrap_or_default())?;
    let now = markets.now().await?;
    let mut offers = now.view.offers();
    offers.retain(|offer| query.matches(offer));
    offers.sort_by_key(|offer| {
        (
            offer.price_per_hour.currency,
            offer.price_per_hour.micros,
            Reverse(offer.stock),
            offer.provider.clone(),
        )
    });
    let more = offers.len() > query.limit;
    offers.truncate(query.limit);
    let items = offers.into_iter().map(|offer| Offer::new(offer, now.as_of)).collect();
    Ok(Json(OfferPage { items, more, providers: now.providers() }))
}

async fn rank_offers(
    State(markets): State<Arc<Markets>>,
    _: Caller,
    Body(body): Body<RankOffers>,
) -> Result<Json<Ranking>, Problem> {
    let (spec, hours) = body.read()?;
    let market = markets.market().await?;
    let now = markets.now().await?;
    let statistics = market.statistics().await;
    let conditions = Conditions { statistics, rates: market.rates, hours, ..Conditions::default() };
    let ranking = rank(&spec, now.view.offers(), &conditions);
    Ok(Json(Ranking::new(ranking, now.providers(), now.as_of)))
}

async fn providers(State(markets): State<Arc<Markets>>, _: Caller) -> Result<Json<ProviderPage>, Problem> {
    Ok(Json(ProviderPage { items: markets.now().await?.providers() }))
}

async fn images(_: Caller) -> Json<ImagePage> {
    Json(ImagePage::suggestions())
}

async fn scheduling_metrics(
    State(platform): State<Platform>,
    State(markets): State<Arc<Markets>>,
    _: Caller,
) -> Result<Json<SchedulingMetrics>, Problem> {
    let market = markets.market().await?;
    let statistics = market.statistics().await;
    let queue = market.measurements.queue().await?;
    let as_of = platform.clock().now();
    Ok(Json(SchedulingMetrics {
        as_of,
        days: MEASURED_DAYS,
        places: SchedulingMetrics::places(&statistics),
        queue: QueueState {
            waiting: queue.waiting,
            searching: queue.searching,
            provisioning: queue.provisioning,
            running: queue.running,
            median_wait_seconds: QueueState::median_wait(queue.since, as_of),
        },
    }))
}
