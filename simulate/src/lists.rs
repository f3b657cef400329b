//! The lists of a campaign: flights, labels, and the truth about links.

use std::io;

use crate::constellation;
use crate::downlink::Event;
use crate::engine::Fault;
use crate::flight::{Outcome, Plan};
use crate::labels::{self, Label};
use crate::output::{Folder, Kind};

/// Columns of `flights.csv`.
const FLIGHTS: &str = "flight,liftoff_time,is_golden,payload_kg,target_altitude_km,\
separation_s,orbit_s,insertion_altitude_km,insertion_speed_m_s\n";
/// Columns of `truth.csv`.
const TRUTH: &str = "source,fate,apid,from_seq,to_seq,packets\n";

/// A shaft turns on for so long.
const SPIN_DOWN_S: f64 = 1.0;

/// The lists as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    flights: String,
    labels: Vec<Label>,
    truth: String,
}

impl Lists {
    pub(crate) fn add_flight(&mut self, plan: &Plan, outcome: Outcome) {
        self.flights.push_str(&format!(
            "{},{},{},{:.1},{:.2},{:.2},{:.2},{:.3},{:.2}\n",
            plan.name(),
            plan.liftoff(),
            plan.number == 1,
            outcome.payload_kg,
            outcome.target_m / 1000.0,
            outcome.separation_s,
            outcome.orbit_s,
            outcome.altitude_m / 1000.0,
            outcome.speed_m_s,
        ));
        self.label_flight(plan, &outcome);
        self.add_events(&outcome.file, &outcome.events);
    }

    fn label_flight(&mut self, plan: &Plan, outcome: &Outcome) {
        let mut label = |what, channel: String, from_s: f64, to_s: f64, description: String| {
            self.labels.push(Label {
                what,
                vehicle: plan.name(),
                channel,
                from: plan.liftoff().after(from_s),
                to: plan.liftoff().after(to_s),
                description,
            });
        };
        for fault in &plan.faults {
            match *fault {
                Fault::Bearing { engine, from_s, .. } => label(
                    "turbopump_bearing",
                    format!("engine_vibration.bands engine {engine}"),
                    from_s,
                    outcome.separation_s + SPIN_DOWN_S,
                    format!(
                        "The outer race of the turbopump bearing of engine {engine} wears out; vibration and bearing temperature rise and shaft speed falls"
                    ),
                ),
                Fault::StuckValve {
                    engine,
                    from_s,
                    to_s,
                } => label(
                    "stuck_valve",
                    format!("engine.ox_valve_position engine {engine}"),
                    from_s,
                    to_s,
                    format!(
                        "The main oxidizer valve of engine {engine} does not follow its command"
                    ),
                ),
            }
        }
        for outage in &plan.outages {
            let later = match outage.replayed_at_s {
                Some(at) => format!("replayed from the recorder at {at} s"),
                None => "never replayed".to_owned(),
            };
            let description = format!("Black-out of the link; {later}");
            label(
                "black_out",
                "all".to_owned(),
                outage.from_s,
                outage.to_s,
                description,
            );
        }
    }

    pub(crate) fn add_satellite(&mut self, outcome: constellation::Outcome) {
        self.add_files(outcome.events);
        self.labels.extend(outcome.labels);
    }

    pub(crate) fn add_files(&mut self, files: Vec<(String, Vec<Event>)>) {
        for (file, events) in files {
            self.add_events(&file, &events);
        }
    }

    fn add_events(&mut self, file: &str, events: &[Event]) {
        for event in events {
            self.truth.push_str(&format!(
                "{file},{},{},{},{},{}\n",
                event.fate.name(),
                event.apid,
                event.from_seq,
                event.to_seq,
                event.packets
            ));
        }
    }

    pub(crate) fn write(self, folder: &mut Folder<'_>) -> io::Result<()> {
        let flights = format!("{FLIGHTS}{}", self.flights);
        folder.write_lines("flights.csv", Kind::Flights, &flights)?;
        folder.write_lines("labels.csv", Kind::Labels, &labels::csv(&self.labels))?;
        let truth = format!("{TRUTH}{}", self.truth);
        folder.write_lines("truth.csv", Kind::Truth, &truth)
    }
}
