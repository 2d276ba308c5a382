//! The offline-message plugin: its walk-throughs, and what its pages say of tables and keys.

use restante_model::QoS;
use restante_testkit::{Broker, Client, Connect, process::Process, tools};

use crate::{
    broker, payloads,
    server::{SERVERS, Server},
    wait_for,
};

const THREE: [&str; 3] = [
    "hello-from-offline1",
    "hello-from-offline2",
    "hello-from-offline3",
];

/// A subscriber has nothing of `t/2` waiting: what is published now is the first it gets, and what waits comes first.
fn has_nothing_waiting(broker: &Broker, client: &mut Client, publisher: &mut Client) {
    client.subscribe(&[("t/2", QoS::AtLeastOnce)]);
    publisher.publish_acked("t/2", b"live");
    assert_eq!(
        payloads(&client.take_publishes(1)),
        ["live"],
        "{}",
        broker.output()
    );
}

#[test]
fn what_was_published_with_nobody_there_comes_to_a_fresh_client_and_the_next_one_gets_nothing() {
    for make in SERVERS {
        let Some(server) = make() else { continue };
        let broker = broker(&server.keeping("\"t/#\"")).start();
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        for payload in THREE {
            publisher.publish_acked("t/2", payload.as_bytes());
        }
        let expected: Vec<[String; 4]> = THREE
            .iter()
            .map(|payload| ["t/2", payload, "1", "publisher"].map(str::to_owned))
            .collect();
        wait_for(expected, || server.messages("t/2"));
        let mut first = broker.connect(&Connect::v311("Sai0aeph8ohV4eesh9gu"));
        first.subscribe(&[("t/2", QoS::AtLeastOnce)]);
        assert_eq!(payloads(&first.take_publishes(3)), THREE);
        wait_for(Vec::new(), || server.messages("t/2"));
        first.disconnect();
        let mut second = broker.connect(&Connect::v311("eiv4Ro3aijoo6Ahd2ohM"));
        has_nothing_waiting(&broker, &mut second, &mut publisher);
        wait_for(Vec::new(), || server.messages("t/2"));
    }
}

/// The same walk with the command line clients of another project, and the broker started anew in between.
#[test]
fn the_walk_with_command_line_clients_and_a_kill_in_between() {
    if tools::program("mosquitto_pub").is_none() || tools::program("mosquitto_sub").is_none() {
        return;
    }
    for make in SERVERS {
        let Some(server) = make() else { continue };
        let mut broker = broker(&server.keeping("\"t/#\"")).start();
        for payload in THREE {
            run(&broker, "mosquitto_pub", &["-q", "1", "-t", "t/2", "-m", payload]);
        }
        broker.restart_killed();
        let got = run(
            &broker,
            "mosquitto_sub",
            &["-q", "1", "-t", "t/2", "-i", "aingooWah7ohB5ooy2ie", "-C", "3"],
        );
        assert_eq!(got, THREE);
        wait_for(Vec::new(), || server.messages("t/2"));
        let mut second = broker.connect(&Connect::v5("ohng0Ahpah6ohShee3ze"));
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        has_nothing_waiting(&broker, &mut second, &mut publisher);
    }
}

fn run(broker: &Broker, program: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = std::process::Command::new(tools::program(program).unwrap());
    let port = broker.address().port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port]).args(arguments);
    let mut process = Process::start(program, &mut command);
    let status = process.wait(crate::PATIENCE);
    let said = process.output();
    assert!(
        status.success(),
        "{program} ended with {status}: {said}\n{}",
        broker.output()
    );
    said.lines().map(str::to_owned).collect()
}

#[test]
fn subscriptions_are_stored_made_again_and_forgotten() {
    for make in SERVERS {
        let Some(server) = make() else { continue };
        let broker = broker(&server.keeping("\"t/#\"")).start();
        let mut client = broker.connect(&Connect::v5("c1"));
        client.subscribe(&[
            ("t/1", QoS::AtLeastOnce),
            ("t/+/x", QoS::ExactlyOnce),
            ("other", QoS::AtLeastOnce),
        ]);
        let rows = |server: &Server| server.subscriptions("c1");
        let row = |filter: &str, qos: &str| (filter.to_owned(), qos.to_owned());
        wait_for(vec![row("t/+/x", "2"), row("t/1", "1")], || rows(&server));
        client.disconnect();
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        for topic in ["t/1", "t/2/x"] {
            publisher.publish_acked(topic, topic.as_bytes());
        }
        // It comes back with nothing in its hands: its subscriptions are made on its behalf, and what waited comes.
        let mut client = broker.connect(&Connect::v5("c1"));
        let mut got = payloads(&client.take_publishes(2));
        got.sort();
        assert_eq!(got, ["t/1", "t/2/x"]);
        client.unsubscribe(&["t/1"]);
        wait_for(vec![row("t/+/x", "2")], || rows(&server));
        client.disconnect();
        publisher.publish_acked("t/1", b"waits for somebody else");
        let mut client = broker.connect(&Connect::v5("c1"));
        publisher.publish_acked("t/3/x", b"live");
        assert_eq!(payloads(&client.take_publishes(1)), ["live"]);
        wait_for(1, || server.messages("t/1").len());
    }
}

/// A user comes with the data in place.
#[test]
fn what_the_plugin_has_written_is_read_before_what_is_new() {
    for make in SERVERS {
        let Some(server) = make() else { continue };
        server.put("t/1", "from before");
        let broker = broker(&server.keeping("\"t/#\"")).start();
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        publisher.publish_acked("t/1", b"new");
        let mut client = broker.connect(&Connect::v5("c"));
        client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
        assert_eq!(payloads(&client.take_publishes(2)), ["from before", "new"]);
        wait_for(Vec::new(), || server.messages("t/1"));
    }
}

#[test]
fn topics_that_are_not_named_are_none_of_its_business() {
    for make in SERVERS {
        let Some(server) = make() else { continue };
        let broker = broker(&server.keeping("\"t/#\"")).start();
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        publisher.publish_acked("other", b"x");
        publisher.publish_acked("t/1", b"y");
        wait_for(1, || server.messages("t/1").len());
        assert!(server.messages("other").is_empty());
    }
}
