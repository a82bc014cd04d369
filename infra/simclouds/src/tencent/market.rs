//! What the zones have left and what it costs. Times do not matter here: a price holds until it is moved.

use super::catalogue::{self, KINDS};
use std::collections::BTreeMap;

/// A spot pod costs a fifth.
const SPOT_PERCENT: i64 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shelf {
    /// Machines there, rented ones too.
    pub(crate) count: u32,
    pub(crate) rented: u32,
    /// Millionths of a yuan a second.
    pub(crate) on_demand: i64,
    pub(crate) spot: i64,
}

impl Shelf {
    pub(crate) fn free(&self) -> u32 {
        self.count.saturating_sub(self.rented)
    }

    pub(crate) fn rate(&self, spot: bool) -> i64 {
        if spot { self.spot } else { self.on_demand }
    }
}

pub(crate) type Place = (&'static str, &'static str);

/// By instance type and zone.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) shelves: BTreeMap<Place, Shelf>,
}

impl Default for Market {
    fn default() -> Self {
        let mut shelves = BTreeMap::new();
        for kind in &KINDS {
            for zone in kind.zones {
                let spot = kind.rate * SPOT_PERCENT / 100;
                let shelf = Shelf { count: kind.stock, rented: 0, on_demand: kind.rate, spot };
                shelves.insert((kind.id, *zone), shelf);
            }
        }
        Self { shelves }
    }
}

impl Market {
    pub(crate) fn shelf(&self, kind: &str, zone: &str) -> Option<&Shelf> {
        self.shelves.iter().find(|((k, z), _)| *k == kind && *z == zone).map(|(_, shelf)| shelf)
    }

    pub(crate) fn shelf_mut(&mut self, place: Place) -> &mut Shelf {
        self.shelves.entry(place).or_insert_with(|| {
            let rate = catalogue::find(place.0).map_or(0, |kind| kind.rate);
            Shelf { on_demand: rate, spot: rate * SPOT_PERCENT / 100, ..Shelf::default() }
        })
    }

    /// Takes a machine of the first acceptable type that a zone has; in each type the zone with the most left.
    pub(crate) fn take(&mut self, kinds: &[&'static str], zones: &[&'static str]) -> Option<Place> {
        for kind in kinds {
            let open = self
                .shelves
                .iter()
                .filter(|((k, zone), shelf)| k == kind && zones.contains(zone) && shelf.free() > 0);
            if let Some((place, _)) = open.max_by_key(|(_, shelf)| shelf.free()) {
                let place = *place;
                self.shelf_mut(place).rented += 1;
                return Some(place);
            }
        }
        None
    }

    pub(crate) fn give_back(&mut self, place: Place) {
        let shelf = self.shelf_mut(place);
        shelf.rented = shelf.rented.saturating_sub(1);
    }
}
