//! The reason for all this: a persistent `mosquitto_sub` leaves, messages are published for it, and it comes back.

use restante_testkit::Broker;

use crate::mosquitto_clients::{VERSIONS, publish_lines, run, there};

const EACH: usize = 1000;

/// What happens to the broker while the client is away.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// SIGTERM, and a start.
    Restart,
    /// SIGKILL, and a start.
    Kill,
}

#[test]
fn a_thousand_of_each_wait_in_memory() {
    waits("memory", Meanwhile::Nothing);
}

#[test]
fn a_thousand_of_each_wait_on_disk() {
    waits("log", Meanwhile::Nothing);
}

#[test]
fn a_thousand_of_each_wait_through_a_restart() {
    waits("log", Meanwhile::Restart);
}

#[test]
fn a_thousand_of_each_wait_through_a_kill() {
    waits("log", Meanwhile::Kill);
}

/// 1,000 messages at QoS 1 and then 1,000 at QoS 2 are published; the client gets all of them, in their order, none
/// twice, and nothing after them. (By turns the order could not be seen: it prints QoS 2 when the PUBREL comes.)
fn waits(store: &str, meanwhile: Meanwhile) {
    if !there() {
        return;
    }
    let mut broker = Broker::builder().top("store", &format!("{store:?}")).start();
    for version in VERSIONS {
        let session = ["-V", version, "-i", version, "-c", "-q", "2", "-t", "door/#"];
        run(&broker, "mosquitto_sub", &[&session[..], &["-E"]].concat());
        let lines: Vec<String> = (0..2 * EACH)
            .map(|number| format!("{version} {number}"))
            .collect();
        for (turn, lines) in lines.chunks(EACH).enumerate() {
            publish_lines(&broker, version, ["1", "2"][turn], "door/open", lines);
        }
        away(&mut broker, meanwhile);
        let all = lines.len().to_string();
        let came = run(&broker, "mosquitto_sub", &[&session[..], &["-C", &all]].concat());
        let first = came.iter().zip(&lines).position(|(came, sent)| came != sent);
        let around = first.map(|at| &came[at.saturating_sub(3)..came.len().min(at + 3)]);
        assert_eq!(
            (came.len(), first),
            (lines.len(), None),
            "{version}: around the first other line: {around:?}"
        );
        // What would come twice would come before this one.
        away(&mut broker, meanwhile);
        publish_lines(&broker, version, "2", "door/open", &["the end".to_owned()]);
        let last = run(&broker, "mosquitto_sub", &[&session[..], &["-C", "1"]].concat());
        assert_eq!(last, ["the end"], "{version}");
        run(
            &broker,
            "mosquitto_sub",
            &["-V", version, "-i", version, "-t", "other", "-E"],
        );
    }
}

fn away(broker: &mut Broker, meanwhile: Meanwhile) {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Restart => {
            let status = broker.stop();
            assert!(status.success(), "{status}:\n{}", broker.output());
            broker.start();
        }
        Meanwhile::Kill => broker.restart_killed(),
    }
}
