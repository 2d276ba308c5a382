//! Topic names and filters: what matches (section 4.7), in every version.

use crate::house::*;

/// Whether a live subscription and one that waits both bring what they should.
fn check(matching: &[(&str, &str, bool)]) {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in [Version::V311, V5] {
        for &(filter, topic, expected) in matching {
            let connect = Connect::new(version, "c").persistent();
            let mut client = broker.connect(&connect);
            assert!(
                client
                    .subscribe(&[(filter, Q1), ("the/marker", Q1)])
                    .iter()
                    .all(|&code| code <= 2),
                "{filter}"
            );
            let wanted = if expected {
                vec![topic, "marker"]
            } else {
                vec!["marker"]
            };
            publisher.publish_acked(topic, topic.as_bytes());
            publisher.publish_acked("the/marker", b"marker");
            assert_eq!(
                payloads(&mut client, wanted.len()),
                wanted,
                "{filter} {topic} live"
            );
            client.disconnect();
            publisher.publish_acked(topic, topic.as_bytes());
            publisher.publish_acked("the/marker", b"marker");
            let mut client = broker.connect(&connect);
            assert_eq!(
                payloads(&mut client, wanted.len()),
                wanted,
                "{filter} {topic} stored"
            );
            client.disconnect();
            broker.connect(&Connect::new(version, "c")).disconnect();
        }
    }
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2] and their examples.
#[test]
fn wildcards_match_whole_levels() {
    check(&[
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+", "finance", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/a/+", "/a/", true),
        ("a/+/+/b", "a///b", true),
    ]);
}

/// [MQTT-4.7.3-4], [MQTT-4.7.3-1]: letters and slashes count.
#[test]
fn names_are_compared_as_they_are() {
    check(&[
        ("ACCOUNTS", "Accounts", false),
        ("Accounts payable", "Accounts payable", true),
        ("/finance", "finance", false),
        ("a/", "a", false),
        ("a//b", "a/b", false),
        ("é", "e\u{301}", false),
        ("/", "/", true),
        (" ", " ", true),
        ("//", "//", true),
    ]);
}

/// [MQTT-4.7.2-1]
#[test]
fn wildcards_do_not_match_a_leading_dollar() {
    check(&[
        ("#", "$house/x", false),
        ("+/x", "$house/x", false),
        ("+/#", "$house/x", false),
        ("$house/#", "$house/x", true),
        ("$house/+", "$house/x", true),
        ("$house/x", "$house/x", true),
        ("house/+", "house/$x", true),
        ("house/#", "house/$x", true),
    ]);
}

/// [MQTT-4.7.3-3]: the longest names and filters there are; of levels we take 128 and no more.
#[test]
fn names_may_be_long_and_have_128_levels() {
    let broker = InProcess::start();
    let longest = "x".repeat(65_535);
    let deepest = "/".repeat(127);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        assert_eq!(client.subscribe(&[(&longest, Q1), (&deepest, Q1)]), [1, 1]);
        let plus = vec!["+"; 128].join("/");
        assert_eq!(client.subscribe(&[(&plus, Q1)]), [1]);
        for topic in [&longest, &deepest] {
            publisher.publish_acked(topic, b"x");
            assert_eq!(client.take_publishes(1)[0].topic, *topic);
        }
    }
}

/// Too many levels: filters are refused in SUBACK, names as names that are not accepted (0x90).
#[test]
fn more_than_128_levels_are_refused() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let invalid = if version == V5 { 0x8f } else { 0x80 };
        let mut witness = broker.connect(&Connect::new(version, "witness"));
        for filter in [
            "/".repeat(128),
            format!("{}#", "a/".repeat(128)),
            "+/".repeat(30_000),
        ] {
            assert_eq!(witness.subscribe(&[(&filter, Q1), ("#", Q1)]), [invalid, 1]);
        }
        for topic in ["/".repeat(128), "a/".repeat(32_767)] {
            for (id, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
                let mut client = broker.connect(&Connect::new(version, "c"));
                client.publish(&publish(qos, id, &topic, b"x"));
                expect_thrown_out(&mut client, 0x90);
            }
            // 3.x says "not authorised" for it.
            let connack = broker
                .open()
                .start(&Connect::new(version, "c").will(Will::new(&topic, b"")));
            assert_eq!(connack.reason, if version == V5 { 0x90 } else { 5 });
        }
        witness.expect_nothing();
    }
}
