//! Topic aliases both ways (sections 3.1.2.11.5, 3.2.2.3.8, 3.3.2.3.4).

use crate::house::*;

fn aliased(alias: u16, topic: &str, payload: &[u8]) -> Publish {
    Publish {
        topic_alias: Some(alias),
        ..Publish::qos0(topic, payload)
    }
}

fn witness(broker: &InProcess) -> Client {
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("#", Q2)]);
    witness
}

/// [MQTT-3.3.2-12], [MQTT-3.2.2-17]: all up to the maximum, set and used and set again, at each QoS.
#[test]
fn every_alias_up_to_the_maximum_is_taken() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let mut client = broker.connect(&Connect::v5("c"));
    let maximum = client.connack().topic_alias_maximum.expect("aliases are offered");
    for round in 0..2 {
        for alias in 1..=maximum {
            client.publish(&aliased(alias, &format!("{round}/{alias}"), b"set"));
        }
        for alias in 1..=maximum {
            client.publish(&aliased(alias, "", b"use"));
        }
        for what in ["set", "use"] {
            for alias in 1..=maximum {
                let message = witness.expect_publish();
                assert_eq!(
                    (message.topic.as_str(), message.topic_alias),
                    (&*format!("{round}/{alias}"), None)
                );
                assert_eq!(text_of(message), what);
            }
        }
    }
    for (id, qos) in [(1, Q1), (2, Q2)] {
        client.publish(&Publish {
            topic_alias: Some(5),
            ..publish(qos, id, "", b"x")
        });
        assert_eq!(witness.take_publishes(1)[0].topic, "1/5");
    }
}

/// [MQTT-3.3.2-8], [MQTT-3.3.2-9]: 0, beyond the maximum (0x94), and one that stands for nothing.
#[test]
fn aliases_that_are_none_end_the_connection() {
    let broker = InProcess::start();
    for (alias, topic, reason) in [
        (0, "a", 0x94),
        (0, "", 0x94),
        (33, "a", 0x94),
        (u16::MAX, "a", 0x94),
        (33, "", 0x94),
        (1, "", 0x82),
        (32, "", 0x82),
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&crate::say::frame(
            0x30,
            &[
                &crate::say::field(topic),
                &[3, 0x23],
                &u16::to_be_bytes(alias),
                b"x",
            ],
        ));
        expect_thrown_out(&mut client, reason);
    }
}

/// [MQTT-3.2.2-18]: where none are offered, none are taken.
#[test]
fn without_an_offer_no_alias_is_taken() {
    let broker = InProcess::with(|settings| settings.session.topic_alias_max = 0);
    let mut client = broker.connect(&Connect::v5("c"));
    assert_eq!(client.connack().topic_alias_maximum, None);
    client.publish(&aliased(1, "a", b"x"));
    expect_thrown_out(&mut client, 0x94);
}

/// [MQTT-3.3.2-7]: they end with the connection, the session notwithstanding.
#[test]
fn aliases_end_with_the_connection() {
    let broker = InProcess::start();
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.publish(&aliased(1, "a", b"x"));
    client.disconnect();
    let mut client = broker.connect(&connect);
    client.publish(&aliased(1, "", b"x"));
    expect_thrown_out(&mut client, 0x82);
}

/// [MQTT-3.1.2-26], [MQTT-3.1.2-27], [MQTT-3.3.2-11]: ours are within what the client takes, and resolve to the topic.
#[test]
fn our_aliases_are_within_the_clients_maximum_and_true() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for maximum in [0, 1, 3, u16::MAX] {
        let connect = Connect {
            topic_alias_maximum: maximum,
            ..Connect::v5("c").persistent()
        };
        let mut client = broker.connect(&connect);
        client.subscribe(&[("site/#", Q2)]);
        let mut used = 0;
        for reconnected in [false, true] {
            if reconnected {
                client.disconnect();
                client = broker.connect(&connect);
            }
            let mut known = std::collections::HashMap::new();
            for n in 0..200u32 {
                let topic = format!("site/{}/temperature", n * n % 7);
                send(
                    &mut publisher,
                    [Q0, Q1, Q2][n as usize % 3],
                    &topic,
                    topic.as_bytes(),
                );
                let message = client.take_publishes(1).remove(0);
                let mut name = message.topic.clone();
                if let Some(alias) = message.topic_alias {
                    assert!((1..=maximum).contains(&alias), "{alias} of {maximum}");
                    used += 1;
                    if name.is_empty() {
                        name = known
                            .get(&alias)
                            .cloned()
                            .expect("the alias was set on this connection");
                    }
                    known.insert(alias, name.clone());
                }
                assert_eq!((name, text_of(message)), (topic.clone(), topic));
            }
        }
        assert_eq!(used > 0, maximum > 0);
        client.disconnect_with(0, Some(0));
    }
}
