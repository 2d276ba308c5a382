use super::*;
use crate::samples::{connect, limits};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

#[test]
fn mqtt_3_1_3_8_empty_client_ids() {
    for (version, clean, accepted) in [
        (Version::V31, false, false),
        (Version::V31, true, false),
        (Version::V311, false, false),
        (Version::V311, true, true),
        (Version::V5, false, true),
        (Version::V5, true, true),
    ] {
        let asked = Connect {
            client_id: "",
            clean,
            ..connect(version)
        };
        match accept(&asked, &limits()) {
            Ok(terms) => assert!(accepted && terms.assigned_id_needed, "{version:?} {clean}"),
            Err(refusal) => {
                assert!(!accepted, "{version:?} {clean}");
                assert_eq!((refusal.reason_5, refusal.code_3x), (0x85, 2));
            }
        }
    }
    assert!(
        !accept(&connect(Version::V5), &limits())
            .unwrap()
            .assigned_id_needed
    );
}

#[test]
fn k21_authentication_methods_are_refused() {
    let asked = Connect {
        authentication_method: Some("SCRAM-SHA-1"),
        ..connect(Version::V5)
    };
    assert_eq!(accept(&asked, &limits()).unwrap_err().reason_5, 0x8C);
}

#[test]
fn k21_session_expiry_is_capped_and_the_cap_is_told() {
    for (version, clean, asked, cap, expected, told) in [
        (Version::V31, true, None, u32::MAX, 0, None),
        (Version::V31, false, None, u32::MAX, 3600, None),
        (Version::V311, true, None, u32::MAX, 0, None),
        // The cap is for clients that can be told; 3.x clients have a setting of their own.
        (Version::V311, false, None, 10, 3600, None),
        (Version::V5, false, None, u32::MAX, 0, None),
        (Version::V5, true, Some(100), u32::MAX, 100, None),
        (Version::V5, false, Some(u32::MAX), u32::MAX, u32::MAX, None),
        (Version::V5, false, Some(100), 100, 100, None),
        (Version::V5, false, Some(101), 100, 100, Some(100)),
        (Version::V5, false, Some(u32::MAX), 100, 100, Some(100)),
    ] {
        let limits = ServerLimits {
            session_expiry_max: cap,
            ..limits()
        };
        let asked = Connect {
            clean,
            session_expiry: asked,
            ..connect(version)
        };
        let terms = accept(&asked, &limits).unwrap();
        assert_eq!(terms.session_expiry, expected, "{asked:?}");
        assert_eq!(terms.session_expiry_told, told, "{asked:?}");
        assert_eq!(terms.is_persistent(), expected > 0);
        assert_eq!(terms.connack(false, "", &limits).session_expiry, told);
    }
}

#[test]
fn session_expiry_may_change_at_disconnect_but_not_from_zero() {
    let limits = ServerLimits {
        session_expiry_max: 100,
        ..limits()
    };
    for (at_connect, at_disconnect, expected) in [
        (Some(50), None, Some(50)),
        (Some(50), Some(0), Some(0)),
        (Some(50), Some(70), Some(70)),
        (Some(50), Some(u32::MAX), Some(100)),
        (None, None, Some(0)),
        (None, Some(0), Some(0)),
        (None, Some(1), None),
    ] {
        let asked = Connect {
            session_expiry: at_connect,
            ..connect(Version::V5)
        };
        let answer = accept(&asked, &limits)
            .unwrap()
            .session_expiry_at_disconnect(at_disconnect);
        match expected {
            Some(seconds) => assert_eq!(answer, Ok(seconds)),
            None => assert_eq!(answer.unwrap_err().reason, 0x82),
        }
    }
}

#[test]
fn mqtt_3_1_2_21_the_servers_keep_alive_is_told_to_5_0_clients_only() {
    for (version, asked, cap, effective, told) in [
        (Version::V5, 60, 0, 60, None),
        (Version::V5, 60, 60, 60, None),
        (Version::V5, 61, 60, 60, Some(60)),
        (Version::V5, 0, 60, 60, Some(60)),
        (Version::V5, 0, 0, 0, None),
        (Version::V311, 61, 60, 61, None),
        (Version::V31, 0, 60, 0, None),
    ] {
        let limits = ServerLimits {
            keep_alive_max: cap,
            ..limits()
        };
        let asked = Connect {
            keep_alive: asked,
            ..connect(version)
        };
        let terms = accept(&asked, &limits).unwrap();
        assert_eq!(
            (terms.keep_alive, terms.server_keep_alive),
            (effective, told),
            "{asked:?}"
        );
    }
}

#[test]
fn k18_what_a_client_announces_is_capped() {
    for (announced, expected) in [(None, 10), (Some(1), 1), (Some(15), 15), (Some(u16::MAX), 20)] {
        let asked = Connect {
            receive_maximum: announced,
            ..connect(Version::V5)
        };
        assert_eq!(
            accept(&asked, &limits()).unwrap().inflight,
            expected,
            "{announced:?}"
        );
    }
    let asked = Connect {
        topic_alias_maximum: 100,
        maximum_packet_size: Some(1000),
        ..connect(Version::V5)
    };
    let terms = accept(&asked, &limits()).unwrap();
    assert_eq!((terms.alias_max_out, terms.packet_size_max_out), (3, 1000));
}

#[test]
fn a_3x_client_is_held_to_nothing_it_cannot_be_told() {
    for version in [Version::V31, Version::V311] {
        let terms = accept(&connect(version), &limits()).unwrap();
        assert_eq!(terms.receive_maximum, u16::MAX);
        assert_eq!((terms.alias_max_in, terms.alias_max_out), (0, 0));
        assert_eq!(terms.packet_size_max_out, u32::MAX);
        let connack = terms.connack(true, "meter-7", &limits());
        assert_eq!(
            connack,
            ConnAckTerms {
                session_present: true,
                session_expiry: None,
                receive_maximum: None,
                maximum_packet_size: None,
                topic_alias_maximum: None,
                assigned_client_id: None,
                server_keep_alive: None,
            }
        );
    }
}

#[test]
fn a_connack_says_what_differs_from_the_defaults() {
    let asked = Connect {
        client_id: "",
        clean: true,
        ..connect(Version::V5)
    };
    let terms = accept(&asked, &limits()).unwrap();
    let connack = terms.connack(true, "auto-1", &limits());
    assert!(!connack.session_present, "[MQTT-3.2.2-2]");
    assert_eq!(connack.assigned_client_id, Some("auto-1"));
    assert_eq!(connack.receive_maximum, Some(4));
    assert_eq!(connack.maximum_packet_size, Some(1 << 20));
    assert_eq!(connack.topic_alias_maximum, Some(3));
    let generous = ServerLimits {
        receive_maximum: u16::MAX,
        topic_alias_max: 0,
        ..limits()
    };
    let connack = accept(&connect(Version::V5), &generous)
        .unwrap()
        .connack(true, "meter-7", &generous);
    assert!(connack.session_present);
    assert_eq!(
        (connack.receive_maximum, connack.topic_alias_maximum),
        (None, None)
    );
    assert_eq!(connack.assigned_client_id, None);
}

#[test]
fn limits_of_zero_never_close_a_window() {
    let limits = ServerLimits {
        receive_maximum: 0,
        inflight_default: 0,
        inflight_max: 0,
        ..limits()
    };
    for version in VERSIONS {
        let terms = accept(&connect(version), &limits).unwrap();
        assert!(terms.inflight > 0 && terms.receive_maximum > 0);
    }
}
