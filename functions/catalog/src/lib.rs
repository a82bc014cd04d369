//! What can be rented, over HTTP: models, offers, their ranking for a job, and whether the providers answer.

mod market;

use std::{cmp::Reverse, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRef, RawQuery, State},
    routing::{get, post},
};
use contract::offers::{Gpu, GpuPage, OfferPage, OffersQuery, ProviderPage, RankOffers, Ranking};
use domain::placement::rank;
use lambda::{Body, Caller, Platform, Problem};

use crate::market::{Market, Markets};

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    let state = Catalogue { markets: Arc::new(Markets::new(platform.clone())), platform };
    Router::new()
        .route("/v1/gpus", get(gpus))
        .route("/v1/offers", get(offers))
        .route("/v1/offers:rank", post(rank_offers))
        .route("/v1/providers", get(providers))
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
    let Market { offers, providers } = markets.now().await?;
    Ok(Json(GpuPage { items: Gpu::group(&offers), providers }))
}

async fn offers(
    State(markets): State<Arc<Markets>>,
    _: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<OfferPage>, Problem> {
    let query = OffersQuery::read(&query.unwrap_or_default())?;
    let Market { mut offers, providers } = markets.now().await?;
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
    Ok(Json(OfferPage { items: offers.into_iter().map(Into::into).collect(), more, providers }))
}

async fn rank_offers(
    State(markets): State<Arc<Markets>>,
    _: Caller,
    Body(body): Body<RankOffers>,
) -> Result<Json<Ranking>, Problem> {
    let spec = body.read()?;
    let Market { offers, providers } = markets.now().await?;
    Ok(Json(Ranking::new(rank(&spec, offers), providers)))
}

async fn providers(State(markets): State<Arc<Markets>>, _: Caller) -> Result<Json<ProviderPage>, Problem> {
    Ok(Json(ProviderPage { items: markets.now().await?.providers }))
}
