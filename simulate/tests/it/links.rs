//! What links did to packets, found again from the files alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use downlake_simulate::{Campaign, Kind};

use crate::xtce::{counters, packets, remainder};
use crate::{Simulated, default_campaign};

const MODULUS: i64 = 1 << 14;

/// The packets of one APID in one file, as a reader can tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    /// Counts that never came between two that did.
    lost: BTreeSet<u16>,
    late: u64,
    resets: u64,
    duplicates: u64,
    damaged: BTreeSet<u16>,
}

/// Counts of one APID, unrolled to positions; an epoch ends where counts
/// begin anew.
#[derive(Debug, Default)]
struct Reader {
    account: Account,
    first: i64,
    head: i64,
    seen: HashMap<i64, Vec<u8>>,
}

impl Reader {
    fn read(packets: &[Vec<u8>]) -> Account {
        let mut reader = Reader::default();
        reader.begin(&packets[0]);
        for at in 1..packets.len() {
            reader.take(&packets[at], &packets[at..]);
        }
        reader.settle();
        let damaged = packets.iter().filter(|packet| remainder(packet) != 0);
        reader.account.damaged = damaged.map(|packet| counters(packet).1).collect();
        reader.account
    }

    fn take(&mut self, packet: &[u8], behind: &[Vec<u8>]) {
        let seq = i64::from(counters(packet).1);
        let half = MODULUS / 2;
        let step = (seq - self.head + half).rem_euclid(MODULUS) - half;
        let position = self.head + step;
        let goes_on =
            |packet: &Vec<u8>| i64::from(counters(packet).1) == (self.head + 1).rem_euclid(MODULUS);
        let is_other = self
            .seen
            .get(&position)
            .is_some_and(|bytes| bytes != packet);
        if is_other || position < self.first && !behind.iter().any(goes_on) {
            self.settle();
            self.account.resets += 1;
            self.begin(packet);
        } else if self.seen.insert(position, packet.to_vec()).is_some() {
            self.account.duplicates += 1;
        } else {
            self.account.late += u64::from(step < 0);
            self.head = self.head.max(position);
        }
    }

    fn begin(&mut self, packet: &[u8]) {
        self.first = i64::from(counters(packet).1);
        self.head = self.first;
        self.seen = HashMap::from([(self.first, packet.to_vec())]);
    }

    fn settle(&mut self) {
        let all = self.first..self.head;
        for position in all.filter(|position| !self.seen.contains_key(position)) {
            let seq = u16::try_from(position.rem_euclid(MODULUS)).unwrap();
            self.account.lost.insert(seq);
        }
    }
}

fn read(path: &std::path::Path) -> BTreeMap<u16, Account> {
    let mut by_apid: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for packet in packets(path) {
        by_apid.entry(counters(&packet).0).or_default().push(packet);
    }
    let account = |(apid, packets): (u16, Vec<Vec<u8>>)| (apid, Reader::read(&packets));
    by_apid.into_iter().map(account).collect()
}

fn told(campaign: &Simulated, source: &str) -> BTreeMap<u16, Account> {
    let mut accounts: BTreeMap<u16, Account> = BTreeMap::new();
    for row in campaign.rows("truth.csv") {
        let number = |at: usize| row[at].parse::<u16>().unwrap();
        if row[0] != source {
            continue;
        }
        let account = accounts.entry(number(2)).or_default();
        let packets: u64 = row[5].parse().unwrap();
        let counts = || (0..number(5)).map(|step| (number(3) + step) % 16_384);
        match row[1].as_str() {
            "lost" => account.lost.extend(counts()),
            "late" => account.late += packets,
            "reset" => account.resets += 1,
            "duplicate" => account.duplicates += packets,
            "damaged" => account.damaged.extend(counts()),
            "overlap" => {}
            other => panic!("fate {other}"),
        }
    }
    accounts.retain(|_, account| *account != Account::default());
    accounts
}

fn check(campaign: &Simulated) {
    let kinds = [Kind::LauncherPackets, Kind::SatellitePackets];
    for path in kinds.iter().flat_map(|kind| campaign.of(*kind)) {
        let name = campaign.name(&path);
        let mut found = read(&path);
        found.retain(|_, account| *account != Account::default());
        assert_eq!(found, told(campaign, &name), "{name}");
    }
}

#[test]
fn the_truth_is_what_a_reader_of_the_files_can_tell() {
    check(default_campaign());
    for seed in [3, 4] {
        check(&Simulated::new(Campaign {
            seed,
            flights: 0,
            hours: 10,
            satellites: 3,
        }));
    }
}

#[test]
fn every_kind_of_fate_happens() {
    let rows = default_campaign().rows("truth.csv");
    let fates: BTreeSet<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    let all = ["damaged", "duplicate", "late", "lost", "overlap", "reset"];
    assert_eq!(fates, BTreeSet::from(all));
}

#[test]
fn a_pass_begins_with_the_end_of_the_one_before() {
    let campaign = default_campaign();
    let mut files = campaign.of(Kind::SatellitePackets);
    files.sort();
    let overlaps = |name: &str| -> u64 {
        let rows = campaign.rows("truth.csv");
        let of = rows
            .iter()
            .filter(|row| row[0] == name && row[1] == "overlap");
        of.map(|row| row[5].parse::<u64>().unwrap()).sum()
    };
    for pair in files.windows(2) {
        if pair[0].parent() != pair[1].parent() {
            continue;
        }
        let intact = |packet: &Vec<u8>| remainder(packet) == 0;
        let before = packets(&pair[0]).into_iter().filter(intact);
        let before: BTreeSet<Vec<u8>> = before.collect();
        let shared = packets(&pair[1]);
        let shared = shared
            .iter()
            .filter(|packet| before.contains(*packet))
            .count() as u64;
        assert_eq!(shared, overlaps(&campaign.name(&pair[1])), "{:?}", pair[1]);
        assert!(shared > 90);
    }
}

#[test]
fn what_is_asked_for_again_in_the_next_pass_fills_the_loss() {
    let campaign = default_campaign();
    let labels = campaign.rows("labels.csv");
    let label = labels
        .iter()
        .find(|row| row[5].contains("in the next pass"));
    let satellite = &label.expect("a loss that is filled later")[1];
    let rows = campaign.rows("truth.csv");
    let of = |fate: &str| -> Vec<(String, Vec<String>)> {
        let rows = rows
            .iter()
            .filter(|row| row[0].contains(satellite.as_str()));
        let rows = rows.filter(|row| row[1] == fate && row[5] != "1");
        rows.map(|row| (row[0].clone(), row[2..].to_vec()))
            .collect()
    };
    let (mut lost, mut late) = (of("lost"), of("late"));
    assert_eq!(lost.len(), 6);
    assert!(lost[0].0 < late[0].0, "a later file");
    lost.sort_by(|a, b| a.1.cmp(&b.1));
    late.sort_by(|a, b| a.1.cmp(&b.1));
    let counts = |rows: Vec<(String, Vec<String>)>| -> Vec<Vec<String>> {
        rows.into_iter().map(|row| row.1).collect()
    };
    assert_eq!(counts(lost), counts(late));
}
