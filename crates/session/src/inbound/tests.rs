use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::samples::{publish, terms};

fn inbound(version: Version, receipts: &[u16]) -> Inbound {
    Inbound::new(&terms(version), receipts)
}

fn aliased(topic: &str, alias: u16) -> Publish<'_> {
    Publish {
        topic_alias: Some(alias),
        ..publish(QoS::AtMostOnce, 0, topic)
    }
}

#[test]
fn mqtt_3_3_4_7_more_publishes_than_the_receive_maximum() {
    let mut inbound = inbound(Version::V5, &[]);
    for id in 1..=4 {
        let qos = if id % 2 == 0 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        inbound.publish(&publish(qos, id, "a")).unwrap();
    }
    inbound.publish(&publish(QoS::AtMostOnce, 0, "a")).unwrap();
    // A repetition of a publish that is counted is not counted again.
    let again = inbound.publish(&publish(QoS::ExactlyOnce, 1, "a")).unwrap();
    assert_eq!(again.novelty, Novelty::Duplicate);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(inbound.publish(&publish(qos, 9, "a")).unwrap_err().reason, 0x93);
    }
    // PUBACK, a refusing PUBREC and PUBREL make room.
    inbound.acknowledged();
    inbound.refused(1);
    inbound.pubrel(3);
    assert_eq!((inbound.unfinished(), inbound.receipts()), (1, 0));
    for id in 11..14 {
        inbound.publish(&publish(QoS::AtLeastOnce, id, "a")).unwrap();
    }
    assert_eq!(
        inbound
            .publish(&publish(QoS::AtLeastOnce, 14, "a"))
            .unwrap_err()
            .reason,
        0x93
    );
}

#[test]
fn a_3x_client_may_use_all_packet_ids_at_once() {
    let mut inbound = inbound(Version::V311, &[]);
    for id in 1..=u16::MAX {
        let arrival = inbound.publish(&publish(QoS::ExactlyOnce, id, "a")).unwrap();
        assert_eq!(arrival.novelty, Novelty::Fresh);
    }
    // More than there are ids is no honest client.
    assert_eq!(
        inbound
            .publish(&publish(QoS::AtLeastOnce, 1, "a"))
            .unwrap_err()
            .reason,
        0x93
    );
}

#[test]
fn mqtt_4_3_3_10_a_packet_id_with_a_receipt_is_a_duplicate_until_its_pubrel() {
    let mut inbound = inbound(Version::V5, &[7, 7, 0]);
    assert_eq!(inbound.receipts(), 1);
    let dup = Publish {
        dup: true,
        ..publish(QoS::ExactlyOnce, 7, "a")
    };
    // With or without the flag: the packet id decides.
    for packet in [dup, publish(QoS::ExactlyOnce, 7, "a")] {
        assert_eq!(inbound.publish(&packet).unwrap().novelty, Novelty::Duplicate);
    }
    // At QoS 1 the same number is another exchange.
    assert_eq!(
        inbound
            .publish(&publish(QoS::AtLeastOnce, 7, "a"))
            .unwrap()
            .novelty,
        Novelty::Fresh
    );
    assert_eq!(inbound.pubrel(7), ReleaseOutcome::Known);
    assert_eq!(
        inbound
            .publish(&publish(QoS::ExactlyOnce, 7, "a"))
            .unwrap()
            .novelty,
        Novelty::Fresh
    );
}

#[test]
fn a_repeated_pubrel_is_answered_and_told_to_5_0_clients() {
    for (version, reason) in [(Version::V5, 0x92), (Version::V311, 0), (Version::V31, 0)] {
        let mut inbound = inbound(version, &[7]);
        assert_eq!(inbound.pubrel(7), ReleaseOutcome::Known);
        assert_eq!(inbound.pubrel(7), ReleaseOutcome::Unknown { reason });
    }
}

#[test]
fn a_publish_that_was_refused_may_come_again_under_its_id() {
    let mut inbound = inbound(Version::V5, &[]);
    for _ in 0..10 {
        let arrival = inbound.publish(&publish(QoS::ExactlyOnce, 1, "a")).unwrap();
        assert_eq!(arrival.novelty, Novelty::Fresh);
        inbound.refused(1);
    }
    assert_eq!(inbound.unfinished(), 0);
}

#[test]
fn mqtt_3_3_2_8_aliases_out_of_range_and_not_set() {
    for (version, topic, alias, expected) in [
        (Version::V5, "a", 0, Some(0x94)),
        (Version::V5, "a", 4, Some(0x94)),
        (Version::V5, "a", u16::MAX, Some(0x94)),
        (Version::V5, "", 1, Some(0x82)),
        (Version::V5, "a", 3, None),
        (Version::V311, "a", 1, Some(0x94)),
    ] {
        let answer = inbound(version, &[])
            .publish(&aliased(topic, alias))
            .map(|arrival| arrival.topic.to_owned());
        match expected {
            Some(reason) => assert_eq!(answer.unwrap_err().reason, reason, "{alias}"),
            None => assert_eq!(answer.as_deref(), Ok(topic)),
        }
    }
    let no_topic = inbound(Version::V5, &[])
        .publish(&publish(QoS::AtMostOnce, 0, ""))
        .unwrap_err();
    assert_eq!(no_topic.reason, 0x82);
}

#[test]
fn a_hole_below_an_alias_is_not_set() {
    let mut inbound = inbound(Version::V5, &[]);
    inbound.publish(&aliased("a", 3)).unwrap();
    assert_eq!(inbound.publish(&aliased("", 2)).unwrap_err().reason, 0x82);
}

#[test]
fn aliases_take_bounded_memory() {
    let mut terms = terms(Version::V5);
    terms.alias_max_in = u16::MAX;
    let mut inbound = Inbound::new(&terms, &[]);
    let topic = "x".repeat(1 << 16);
    for alias in 1..=16 {
        inbound.publish(&aliased(&topic, alias)).unwrap();
    }
    assert_eq!(inbound.publish(&aliased("y", 17)).unwrap_err().reason, 0x97);
    // An alias that changes gives its bytes back.
    inbound.publish(&aliased("y", 16)).unwrap();
    inbound.publish(&aliased(&topic[1..], 17)).unwrap();
}

proptest! {
    #[test]
    fn mqtt_3_3_2_12_aliases_resolve_as_in_a_map(
        steps in prop::collection::vec((0..5u16, prop::option::of("[a-c]{1,2}")), 1..60)
    ) {
        let mut inbound = inbound(Version::V5, &[]);
        let mut naive: BTreeMap<u16, String> = BTreeMap::new();
        for (alias, topic) in steps {
            let valid = (1..=3).contains(&alias);
            let expected = match &topic {
                Some(topic) if valid => {
                    naive.insert(alias, topic.clone());
                    Some(topic.clone())
                }
                None if valid => naive.get(&alias).cloned(),
                _ => None,
            };
            let packet = aliased(topic.as_deref().unwrap_or(""), alias);
            let resolved = inbound.publish(&packet).ok().map(|arrival| arrival.topic.to_owned());
            prop_assert_eq!(resolved, expected);
        }
    }
}
