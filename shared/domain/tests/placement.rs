//! Which offer is tried first, and why not another.

use std::sync::Arc;

use domain::{
    Currency, Money,
    job::{Spec, Spot, Strategy},
    placement::{Conditions, Exclusion, Offer, Place, Refusal, Statistics, Stock, Tally, rank, same_model},
    samples::{self, spec},
};
use proptest::prelude::*;

fn offer(price: i64) -> Offer {
    Offer { region: "EU-RO-1".into(), price_per_hour: Money::new(price, Currency::Usd), ..samples::offer() }
}

fn knowing(what: impl IntoIterator<Item = (Offer, Tally)>) -> Conditions {
    let mut statistics = Statistics::default();
    for (offer, tally) in what {
        statistics.add(Place::of(&offer), tally);
    }
    Conditions { statistics: Arc::new(statistics), ..Conditions::default() }
}

fn provider(name: &str, price: i64) -> Offer {
    Offer { provider: name.into(), ..offer(price) }
}

#[test]
fn offers_are_ranked_and_every_other_has_its_reason() {
    let spec = Spec { max_price_per_hour: Some(Money::new(500_000, Currency::Usd)), ..spec() };
    let offers = vec![
        offer(450_000),
        offer(440_000),
        offer(600_000),
        Offer { stock: Stock::None, ..offer(1) },
        Offer { spot: true, ..offer(2) },
        Offer { price_per_hour: Money::new(3_600_000, Currency::Cny), ..offer(1) },
        Offer { gpu_count: 2, ..offer(3) },
    ];
    let ranking = rank(&spec, offers, &Conditions::default());
    let prices: Vec<i64> = ranking.offers.iter().map(|ranked| ranked.offer.price_per_hour.micros).collect();
    assert_eq!(prices, [440_000, 450_000]);
    let why: Vec<&Exclusion> = ranking.excluded.iter().map(|(_, why)| why).collect();
    assert!(
        matches!(
            why[..],
            [
                Exclusion::OverPriceCeiling { .. },
                Exclusion::OutOfStock,
                Exclusion::SpotNotWanted,
                Exclusion::OverPriceCeiling { .. },
                Exclusion::TooFewGpus { offered: 2 }
            ]
        ),
        "{why:?}"
    );
}

#[test]
fn a_preference_goes_before_the_price() {
    let elsewhere = Offer { region: "US-KS-2".into(), ..offer(900_000) };
    let spec = Spec { preferred_regions: vec!["US-KS-2".into()], ..spec() };
    assert_eq!(
        rank(&spec, vec![offer(1), elsewhere.clone()], &Conditions::default()).offers[0].offer,
        elsewhere
    );
}

#[test]
fn people_write_models_in_many_ways() {
    for wanted in ["RTX 4090", "rtx4090", "NVIDIA GeForce RTX 4090", "4090"] {
        assert!(same_model(wanted, "RTX 4090", "NVIDIA GeForce RTX 4090"), "{wanted}");
    }
    for (wanted, model) in
        [("RTX 4090", "RTX 4080"), ("A100 80GB SXM", "A100 80GB PCIe"), ("", "RTX 4090"), ("H100", "H200")]
    {
        assert!(!same_model(wanted, model, model), "{wanted} is not {model}");
    }
    assert!(same_model("A100 80GB", "A100 80GB PCIe", "NVIDIA A100 80GB PCIe"));
}

#[test]
fn a_place_that_refuses_falls_behind_where_availability_counts() {
    let (a, b) = (provider("a", 400_000), provider("b", 600_000));
    let mut refuses = Tally::default();
    for _ in 0..10 {
        refuses += Tally::refused(Refusal::Capacity);
    }
    let conditions = knowing([(a.clone(), refuses)]);
    let first = |strategy| {
        let spec = Spec { strategy, ..spec() };
        rank(&spec, vec![a.clone(), b.clone()], &conditions).offers[0].offer.provider.clone()
    };
    assert_eq!(first(Strategy::Availability), b.provider);
    assert_eq!(first(Strategy::Cost), a.provider);
}

#[test]
fn lost_work_and_a_slow_boot_are_part_of_the_price() {
    let spot = |name: &str, price| Offer { spot: true, ..provider(name, price) };
    let (cheap, steady) = (spot("cheap", 200_000), spot("steady", 220_000));
    let often = Tally { ended: 50, preempted: 50, running_millis: 50 * 3_600_000, ..Tally::default() };
    let never = Tally { ended: 50, running_millis: 200 * 3_600_000, ..Tally::default() };
    let conditions = knowing([(cheap.clone(), often), (steady.clone(), never)]);
    let spec = Spec { spot: Spot::Only, timeout_seconds: 8 * 3_600, ..spec() };
    let ranking = rank(&spec, vec![cheap, steady.clone()], &conditions);
    assert_eq!(ranking.offers[0].offer, steady);
    assert!(ranking.offers[0].expected_cost.micros < ranking.offers[1].expected_cost.micros);
    assert!(ranking.offers[0].parts.reliability > ranking.offers[1].parts.reliability);

    let (slow, quick) = (provider("slow", 400_000), provider("quick", 420_000));
    let boots = |millis| {
        let mut tally = Tally::default();
        (0..20).for_each(|_| tally += Tally::started(millis));
        tally
    };
    let conditions = knowing([(slow.clone(), boots(900_000)), (quick.clone(), boots(30_000))]);
    let ranking =
        rank(&Spec { timeout_seconds: 3_600, ..self::spec() }, vec![slow, quick.clone()], &conditions);
    assert_eq!(ranking.offers[0].offer, quick, "a quarter of an hour of boot is paid for nothing");
}

#[test]
fn prices_of_two_currencies_are_compared_at_the_rate() {
    let dollars = offer(500_000);
    let yuan = Offer { price_per_hour: Money::new(3_500_000, Currency::Cny), ..provider("alibaba", 0) };
    let ranking = rank(&spec(), vec![dollars.clone(), yuan.clone()], &Conditions::default());
    assert_eq!(ranking.offers[0].offer, yuan, "3.50 CNY is less than 0.50 USD at 7.10");
    assert_eq!(ranking.offers[0].expected_cost.currency, Currency::Cny);
    let ceiling = Spec { max_price_per_hour: Some(Money::new(3_520_000, Currency::Cny)), ..spec() };
    let ranking = rank(&ceiling, vec![dollars, yuan], &Conditions::default());
    assert_eq!((ranking.offers.len(), ranking.excluded.len()), (1, 1));
}

#[test]
fn what_took_the_instance_away_is_tried_last_and_not_never() {
    let (taken, dear) = (offer(100_000), provider("other", 900_000));
    let conditions = Conditions { avoid: vec![taken.clone()], ..Conditions::default() };
    let ranking = rank(&spec(), vec![taken.clone(), dear.clone()], &conditions);
    let order: Vec<&Offer> = ranking.offers.iter().map(|ranked| &ranked.offer).collect();
    assert_eq!(order, [&dear, &taken]);
    assert!(ranking.offers[1].avoided && ranking.offers[1].score < 0.0);
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_the_order_of_the_offers(
        prices in prop::collection::vec((1_i64..4, 0_u8..3, any::<bool>(), 0_u8..2), 1..30),
        turn in 0_usize..30,
        strategy in prop::sample::select(vec![Strategy::Cost, Strategy::Performance, Strategy::Availability, Strategy::Balanced]),
    ) {
        let mut offers: Vec<Offer> = prices.iter().map(|(price, name, spot, region)| Offer {
            spot: *spot,
            region: format!("r{region}"),
            ..provider(&format!("p{name}"), *price)
        }).collect();
        let spec = Spec { spot: Spot::Prefer, strategy, ..spec() };
        let one = rank(&spec, offers.clone(), &Conditions::default());
        let middle = turn % offers.len();
        offers.rotate_left(middle);
        let other = rank(&spec, offers, &Conditions::default());
        prop_assert_eq!(&one.offers, &other.offers);
        prop_assert!(one.offers.windows(2).all(|two| two[0].score >= two[1].score));
        prop_assert!(one.offers.iter().all(|ranked| (0.0..=1.0).contains(&ranked.score)));
    }
}
