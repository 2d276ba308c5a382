//! Commands that come in on a channel.

use restante_model::QoS;
use restante_redis::{RedisBackend, channel::ChannelCommand};
use restante_testkit::Redis;
use tokio::sync::mpsc;

use crate::house::single;

#[tokio::test(flavor = "multi_thread")]
async fn c03_commands_are_handed_over_until_the_connection_is_lost() {
    let Some(redis) = Redis::start() else { return };
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let (hand, mut handed) = mpsc::channel(16);
    let listening = tokio::spawn(async move {
        backend
            .listen("mqtt_channel", |command| drop(hand.try_send(command)))
            .await
    });
    // Whoever publishes is told how many heard it.
    let documented = r#"{"type": "subscribe", "topic": "topic0", "clientid": "test", "qos": "0"}"#;
    while redis.cli(&["PUBLISH", "mqtt_channel", documented]) == "0" {
        tokio::task::yield_now().await;
    }
    redis.cli(&["PUBLISH", "mqtt_channel", "nonsense"]);
    redis.cli(&["PUBLISH", "elsewhere", documented]);
    redis.cli(&[
        "PUBLISH",
        "mqtt_channel",
        r#"{"type":"unsubscribe","topic":"a b","clientid":"test"}"#,
    ]);
    assert_eq!(
        handed.recv().await.unwrap(),
        Ok(ChannelCommand::Subscribe {
            client: "test".into(),
            topic: "topic0".into(),
            qos: QoS::AtMostOnce,
        })
    );
    assert!(handed.recv().await.unwrap().unwrap_err().contains("JSON"));
    assert_eq!(
        handed.recv().await.unwrap(),
        Ok(ChannelCommand::Unsubscribe {
            client: "test".into(),
            topic: "a b".into(),
        })
    );
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let away = listening.await.unwrap();
    assert!(away.why.contains("mqtt_channel"), "{away}");
}
