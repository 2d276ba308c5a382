use super::*;

const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

fn binding(seq: u64, packet_id: u16, qos: QoS, released: bool) -> Binding {
    Binding {
        seq: Seq(seq),
        packet_id,
        qos,
        released,
        retain: false,
        aside: false,
    }
}

fn done(seq: u64, qos: QoS, refused: bool) -> Answer {
    Answer::Done {
        seq: Seq(seq),
        qos,
        stored: qos == QOS2,
        refused,
    }
}

fn begin(outbound: &mut Outbound, seq: u64, qos: QoS) -> Option<u16> {
    outbound
        .begin(Seq(seq), qos, false, false)
        .map(|begun| begun.packet_id)
}

fn resent(outbound: &mut Outbound) -> Vec<(u16, ResendKind)> {
    std::iter::from_fn(|| outbound.resend())
        .map(|resend| (resend.binding.packet_id, resend.kind))
        .collect()
}

#[test]
fn mqtt_3_3_4_9_the_window_is_never_exceeded() {
    let mut outbound = Outbound::new(2, 0, Vec::new());
    assert_eq!(begin(&mut outbound, 10, QOS1), Some(1));
    assert_eq!(begin(&mut outbound, 11, QOS2), Some(2));
    assert_eq!((outbound.room(), begin(&mut outbound, 12, QOS1)), (0, None));
    assert_eq!(outbound.answer(AckKind::PubAck, 1, 0), done(10, QOS1, false));
    assert_eq!(begin(&mut outbound, 12, QOS1), Some(3));
    // PUBREC gives no room yet, PUBCOMP does.
    outbound.answer(AckKind::PubRec, 2, 0);
    assert_eq!(outbound.room(), 0);
    assert_eq!(outbound.answer(AckKind::PubComp, 2, 0), done(11, QOS2, false));
    assert_eq!(outbound.room(), 1);
    assert_eq!(begin(&mut outbound, 13, QoS::AtMostOnce), None);
}

#[test]
fn k02_pubrec_releases_once_and_pubrel_repeats() {
    let mut outbound = Outbound::new(5, 0, Vec::new());
    begin(&mut outbound, 10, QOS2);
    for first in [true, false, false] {
        let release = Answer::Release {
            packet_id: 1,
            seq: Seq(10),
            first,
        };
        assert_eq!(outbound.answer(AckKind::PubRec, 1, 0x10), release);
    }
    assert_eq!(outbound.bindings(), [binding(10, 1, QOS2, true)]);
    // The client took the message: a late refusal changes nothing.
    assert!(matches!(
        outbound.answer(AckKind::PubRec, 1, 0x80),
        Answer::Release { first: false, .. }
    ));
    assert_eq!(outbound.answer(AckKind::PubComp, 1, 0x92), done(10, QOS2, false));
}

#[test]
fn k44_a_refusal_ends_the_delivery() {
    let mut outbound = Outbound::new(5, 0, Vec::new());
    begin(&mut outbound, 10, QOS1);
    begin(&mut outbound, 11, QOS2);
    assert_eq!(outbound.answer(AckKind::PubAck, 1, 0x80), done(10, QOS1, true));
    assert_eq!(outbound.answer(AckKind::PubRec, 2, 0x97), done(11, QOS2, true));
    assert_eq!(outbound.in_flight(), 0);
}

#[test]
fn acknowledgements_of_nothing_are_no_error() {
    let mut outbound = Outbound::new(5, 0, Vec::new());
    for (kind, reason, pubrel) in [
        (AckKind::PubAck, 0, None),
        (AckKind::PubRec, 0, Some(0x92)),
        (AckKind::PubRec, 0x80, None),
        (AckKind::PubComp, 0, None),
    ] {
        assert_eq!(
            outbound.answer(kind, 7, reason),
            Answer::Unknown { pubrel },
            "{kind:?}"
        );
    }
}

#[test]
fn acknowledgements_of_the_wrong_kind_are_protocol_errors() {
    for (qos, released, kind) in [
        (QOS1, false, AckKind::PubRec),
        (QOS1, false, AckKind::PubComp),
        (QOS2, false, AckKind::PubAck),
        (QOS2, true, AckKind::PubAck),
        (QOS2, false, AckKind::PubComp),
    ] {
        let stored = binding(10, 7, qos, released);
        let mut outbound = Outbound::new(5, 0, vec![stored]);
        match outbound.answer(kind, 7, 0) {
            Answer::WrongKind(violation) => assert_eq!(violation.reason, 0x82),
            other => panic!("{qos:?} {released} {kind:?}: {other:?}"),
        }
        assert_eq!(outbound.bindings(), [stored]);
    }
}

#[test]
fn mqtt_4_4_0_1_what_was_in_flight_goes_first_in_order_under_its_ids() {
    let stored = vec![
        binding(10, 65_534, QOS1, false),
        binding(11, 65_535, QOS2, true),
        binding(12, 1, QOS2, false),
    ];
    let mut outbound = Outbound::new(5, 2, stored.clone());
    assert_eq!((outbound.room(), begin(&mut outbound, 13, QOS1)), (0, None));
    assert_eq!(
        resent(&mut outbound),
        [
            (65_534, ResendKind::Publish),
            (65_535, ResendKind::PubRel),
            (1, ResendKind::Publish)
        ]
    );
    assert_eq!(outbound.room(), 2);
    assert_eq!(begin(&mut outbound, 13, QOS1), Some(2));
    assert_eq!(outbound.bindings()[..3], stored);
}

#[test]
fn a_smaller_receive_maximum_sends_the_rest_later_and_in_order() {
    let stored = (1..=5)
        .map(|id| binding(u64::from(id), id, QOS1, false))
        .collect();
    let mut outbound = Outbound::new(2, 6, stored);
    assert_eq!(
        resent(&mut outbound),
        [(1, ResendKind::Publish), (2, ResendKind::Publish)]
    );
    assert_eq!(resent(&mut outbound), []);
    outbound.answer(AckKind::PubAck, 2, 0);
    assert_eq!(resent(&mut outbound), [(3, ResendKind::Publish)]);
    // A client may acknowledge what its last connection brought it.
    assert!(matches!(
        outbound.answer(AckKind::PubAck, 4, 0),
        Answer::Done { stored: true, .. }
    ));
    assert_eq!((resent(&mut outbound), outbound.room()), (vec![], 0));
    outbound.answer(AckKind::PubAck, 1, 0);
    assert_eq!(resent(&mut outbound), [(5, ResendKind::Publish)]);
    assert_eq!(outbound.room(), 0);
    outbound.answer(AckKind::PubAck, 3, 0);
    assert_eq!(begin(&mut outbound, 6, QOS1), Some(6));
}

#[test]
fn a_pubrec_for_what_waits_to_be_sent_again_spares_the_publish() {
    let stored = (1..=3)
        .map(|id| binding(u64::from(id), id, QOS2, false))
        .collect();
    let mut outbound = Outbound::new(1, 4, stored);
    assert_eq!(resent(&mut outbound), [(1, ResendKind::Publish)]);
    assert!(matches!(
        outbound.answer(AckKind::PubRec, 2, 0),
        Answer::Release { first: true, .. }
    ));
    for id in [1, 2] {
        outbound.answer(AckKind::PubRec, id, 0);
        outbound.answer(AckKind::PubComp, id, 0);
    }
    assert_eq!(resent(&mut outbound), [(3, ResendKind::Publish)]);
}

#[test]
fn stored_bindings_that_cannot_be_are_left_out() {
    let good = binding(10, 5, QOS1, false);
    let stored = vec![
        good,
        binding(11, 0, QOS1, false),
        binding(12, 5, QOS2, false),
        binding(13, 6, QoS::AtMostOnce, false),
    ];
    let mut outbound = Outbound::new(5, 0, stored);
    assert_eq!(outbound.bindings(), [good]);
    assert_eq!(resent(&mut outbound), [(5, ResendKind::Publish)]);
}

#[test]
fn what_cannot_be_sent_is_given_up() {
    let stored = (1..=3)
        .map(|id| binding(u64::from(id), id, QOS1, false))
        .collect();
    let mut outbound = Outbound::new(5, 4, stored);
    let abandoned = |seq, stored| {
        Some(Abandoned {
            seq: Seq(seq),
            stored,
        })
    };
    assert_eq!(outbound.abandon(1), abandoned(1, true));
    assert_eq!(outbound.abandon(3), abandoned(3, true));
    assert_eq!(outbound.abandon(3), None);
    assert_eq!(resent(&mut outbound), [(2, ResendKind::Publish)]);
    assert_eq!(outbound.room(), 4);
    for (seq, id, qos) in [(7, 4, QOS1), (8, 5, QOS2)] {
        begin(&mut outbound, seq, qos);
        assert_eq!(outbound.abandon(id), abandoned(seq, qos == QOS2));
    }
}

#[test]
fn bound_messages_are_known_as_ranges() {
    let mut outbound = Outbound::new(10, 0, vec![binding(30, 9, QOS1, false)]);
    resent(&mut outbound);
    for seq in [12, 10, 11, 20] {
        begin(&mut outbound, seq, QOS1);
    }
    let ranges = [(10, 12), (20, 20), (30, 30)].map(|(first, last)| (Seq(first), Seq(last)));
    assert_eq!(outbound.bound_ranges(), ranges);
}

#[test]
fn k10_ids_are_reserved_before_use_and_not_wasted_by_a_clean_end() {
    let mut outbound = Outbound::new(5, 0, Vec::new());
    let stored = outbound.reserve_ahead().unwrap();
    assert_eq!((stored, outbound.reserve_ahead()), (2049, None));
    let begun = outbound.begin(Seq(1), QOS1, false, false).unwrap();
    assert_eq!((begun.packet_id, begun.reserve), (1, None));
    assert_eq!(outbound.next_packet_id(), 2);
    // Without a reservation beforehand, the first delivery asks for one.
    let mut outbound = Outbound::new(5, 2049, Vec::new());
    let begun = outbound.begin(Seq(2), QOS1, false, false).unwrap();
    assert_eq!((begun.packet_id, begun.reserve), (2049, Some(2050 + 2048)));
}

#[test]
fn the_largest_window_leaves_half_of_the_ids_free() {
    let mut outbound = Outbound::new(u16::MAX, 0, Vec::new());
    let mut newest = 0;
    while let Some(id) = begin(&mut outbound, 1, QOS1) {
        newest = id;
    }
    assert_eq!((newest, outbound.in_flight()), (32_768, 32_768));
    // Only the newest is ever acknowledged: ids go round and past the ones that stay open.
    for turn in 0..40_000u32 {
        outbound.answer(AckKind::PubAck, newest, 0);
        newest = begin(&mut outbound, 1, QOS1).unwrap();
        assert!(newest >= 32_768, "{turn} {newest}");
    }
    assert_eq!(outbound.in_flight(), 32_768);
}

#[test]
fn k01_a_publish_that_was_held_back_leaves_only_while_it_is_owed() {
    let stored = (1..=3)
        .map(|id| binding(u64::from(id), id, QOS2, false))
        .collect();
    let mut outbound = Outbound::new(5, 4, stored);
    assert_eq!(resent(&mut outbound).len(), 3);
    let due = |outbound: &Outbound| [1, 2, 3, 4].map(|id| outbound.is_publish_due(id));
    assert_eq!(due(&outbound), [true, true, true, false]);
    // The client answers what its last connection brought it before ours has left.
    outbound.answer(AckKind::PubRec, 1, 0);
    outbound.answer(AckKind::PubRec, 2, 0x80);
    assert_eq!(due(&outbound), [false, false, true, false]);
}

#[test]
fn k10_an_end_is_logged_where_a_binding_is_stored() {
    let stored = vec![binding(1, 1, QOS1, false), binding(2, 2, QOS2, true)];
    let mut outbound = Outbound::new(5, 3, stored);
    assert_eq!(resent(&mut outbound).len(), 2);
    begin(&mut outbound, 3, QOS1);
    begin(&mut outbound, 4, QOS2);
    for (kind, id, expected) in [
        (AckKind::PubAck, 1, true),
        (AckKind::PubComp, 2, true),
        (AckKind::PubAck, 3, false),
        (AckKind::PubRec, 4, true),
    ] {
        let reason = if kind == AckKind::PubRec { 0x80 } else { 0 };
        match outbound.answer(kind, id, reason) {
            Answer::Done { stored, .. } => assert_eq!(stored, expected, "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn k15_what_has_begun_can_be_bound_before_the_end() {
    let mut outbound = Outbound::new(5, 1, vec![]);
    begin(&mut outbound, 1, QOS1);
    begin(&mut outbound, 2, QOS2);
    begin(&mut outbound, 3, QOS1);
    let ids = |bindings: Vec<Binding>| {
        bindings
            .iter()
            .map(|binding| binding.packet_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(outbound.bind_begun(|id| id == 1)), [1]);
    begin(&mut outbound, 4, QOS1);
    assert_eq!(outbound.bind_one(4).map(|binding| binding.packet_id), Some(4));
    assert_eq!(
        (outbound.bind_one(4), outbound.bind_one(2), outbound.bind_one(9)),
        (None, None, None)
    );
    assert_eq!(ids(outbound.bind_begun(|_| true)), [3]);
    assert_eq!(ids(outbound.bind_begun(|_| true)), []);
    assert_eq!(outbound.without_binding().count(), 0);
    assert!(matches!(
        outbound.answer(AckKind::PubAck, 1, 0),
        Answer::Done { stored: true, .. }
    ));
}
