//! The private Redis servers come up, answer, and are what they say.

use restante_testkit::{Redis, RedisCluster, SecuredRedis, SentinelRedis};

#[test]
fn a_single_one_answers_and_keeps_what_it_acknowledged() {
    let Some(mut redis) = Redis::start() else { return };
    assert_eq!(redis.cli(&["SET", "a", "b"]), "OK");
    if let Some(node) = redis.node() {
        node.kill();
        node.start_again();
    }
    assert_eq!(redis.cli(&["GET", "a"]), "b");
}

#[test]
fn a_user_may_do_what_the_documentation_says_and_no_more() {
    let Some(redis) = SecuredRedis::start() else {
        return;
    };
    assert_eq!(redis.cli(&["SET", "a", "b"]), "OK");
    let may = |command: &[&str]| {
        let mut all = vec!["ACL", "DRYRUN", SecuredRedis::USER];
        all.extend_from_slice(command);
        redis.cli(&all) == "OK"
    };
    assert!(may(&["HGETALL", "mqtt:msg:a"]));
    assert!(!may(&["HGETALL", "mqtt:acked:a"]));
    assert!(!may(&["EVAL", "return 1", "0"]));
    assert!(!may(&["TYPE", "mqtt:msg:a"]));
}

#[test]
fn sentinels_name_another_master_when_the_first_is_gone() {
    let Some(mut redis) = SentinelRedis::start() else {
        return;
    };
    let old = redis.master();
    redis.node(old).cli(&["SET", "a", "b"]);
    redis.node(old).cli(&["WAIT", "1", "5000"]);
    let new = redis.fail_over();
    assert_ne!(old, new);
    assert_eq!(redis.node(new).cli(&["GET", "a"]), "b");
}

#[test]
fn a_replica_of_the_cluster_takes_over() {
    let Some(mut redis) = RedisCluster::start() else {
        return;
    };
    redis.cli(&["SET", "a", "b"]);
    redis.fail_over("a");
    assert_eq!(redis.cli(&["GET", "a"]), "b");
}
