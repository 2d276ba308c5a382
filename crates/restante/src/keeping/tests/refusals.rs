use super::*;

#[test]
fn pools_that_are_not_there() {
    let keep = |name: &str| wrong(&format!("[[keep]]\ntopics = [\"t\"]\nin = \"{name}\"\n"));
    for (name, hint) in [
        ("redis.mian", "did you mean \"redis.main\"?"),
        ("other", "did you mean \"postgres.other\"?"),
        ("embeded", "did you mean \"embedded\"?"),
        ("x", "there are redis.main, mysql.main, postgres.other, embedded"),
    ] {
        assert_eq!(
            keep(name),
            [format!(
                "restante.toml:6:6: keep.in: there is no pool \"{name}\"; {hint}"
            )]
        );
    }
    let report = read("[[keep]]\ntopics = [\"t\"]\nin = \"redis.main\"\n");
    assert!(
        report.result.unwrap_err()[0]
            .hint
            .contains("write a section like [backend.redis.main]")
    );
    assert_eq!(
        wrong("[[hook]]\non = \"client.connected\"\ndo = \"on_client_connected\"\npool = \"embedded\"\n"),
        [
            "restante.toml:7:8: hook.pool: the embedded store has no functions and no statements; write [[keep]] instead"
        ]
    );
}

#[test]
fn everything_wrong_with_a_section_is_told_at_its_place() {
    let check = |text: &str, expected: &[&str]| assert_eq!(wrong(text), expected, "{text}");
    check(
        "[[keep]]\n[[keep]]\ntopics = []\nin = \"\"\n",
        &[
            "restante.toml:4:1: keep.in: it is not said where; name a pool, like in = \"redis.main\", or in = \
             \"embedded\"",
            "restante.toml:4:1: keep.topics: there are no topics; say what is to be kept, like topics = [\"t/#\"]",
            "restante.toml:6:10: keep.topics: there are no topics; say what is to be kept, like topics = [\"t/#\"]",
            "restante.toml:7:6: keep.in: it cannot be empty; name a pool, like \"redis.main\"",
        ],
    );
    check(
        "[[keep]]\ntopics = [\"t/#\", \"a/#/b\", \"$share/g/t\", 5]\nin = \"embedded\"\nfirst_subscribe = \"last \
         0\"\nbatch_size = 0\nmod = \"queue\"\nmode = \"queu\"\n",
        &[
            "restante.toml:5:18: keep.topics: \"a/#/b\" is not a topic filter: '#' must stand alone in the last level",
            "restante.toml:5:27: keep.topics: \"$share/g/t\" is a shared subscription; write the topic filter alone",
            "restante.toml:5:41: keep.topics: expected a text in quotes, found an integer",
            "restante.toml:7:19: keep.first_subscribe: 0 is out of range; it takes 1 to 1000000000",
            "restante.toml:8:14: keep.batch_size: 0 is out of range; it takes 1 to 10000",
            "restante.toml:9:1: keep.mod: there is no such setting; did you mean mode?",
            "restante.toml:10:8: keep.mode: \"queu\" is none of \"queue\", \"pubsub\", \"latest\", \"history\"; did you \
             mean \"queue\"?",
        ],
    );
    check(
        "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\n[keep.sql]\ninsert_messages_sql = \"x\"\nbatch_size = 5\n",
        &[
            "restante.toml:8:1: keep.sql.insert_messages_sql: there is no such setting; did you mean \
             insert_message_sql?",
            "restante.toml:9:1: keep.sql.batch_size: there is no such setting; batch_size stands outside of sql",
        ],
    );
    check(
        "[[hook]]\non = \"message.published\"\ndo = \"on_message_pub\"\npool = \"mysql.main\"\n[[hook]]\norder = -1\n",
        &[
            "restante.toml:5:6: hook.on: there is no event \"message.published\"; did you mean \"message.publish\"?",
            "restante.toml:6:6: hook.do: there is no function \"on_message_pub\"; did you mean \"on_message_publish\"?",
            "restante.toml:8:1: hook.do: it is not said what to do; write one of do, sql and commands",
            "restante.toml:8:1: hook.on: it is not said at which event; write on = \"message.publish\" or another",
            "restante.toml:8:1: hook.pool: it is not said in which pool; write pool = \"mysql.main\" or another",
            "restante.toml:9:9: hook.order: -1 is below 0; it takes 0 to 1000000",
        ],
    );
}

#[test]
fn what_a_kind_cannot_do_is_refused() {
    let check = |text: &str, expected: &[&str]| assert_eq!(wrong(text), expected, "{text}");
    check(
        "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nmode = \"latest\"\n",
        &[
            "restante.toml:7:8: keep.mode: mysql cannot do \"latest\" in the layout \"plugin\"; there it can do \
           \"queue\", \"pubsub\", \"history\"",
        ],
    );
    check(
        "[[hook]]\non = \"session.subscribed\"\ndo = \"on_message_fetch_for_queue\"\npool = \"mysql.main\"\n",
        &[
            "restante.toml:6:6: hook.do: mysql has no on_message_fetch_for_queue; there it has on_message_fetch, \
           on_retain_lookup",
        ],
    );
    check(
        "[[hook]]\non = \"client.connected\"\ncommands = [\"SET a b\"]\npool = \"mysql.main\"\n",
        &["restante.toml:6:12: hook.commands: mysql does not take commands; it takes sql = [\"…\"]"],
    );
    check(
        "[[hook]]\non = \"client.connected\"\nsql = [\"a\"]\ncommands = [\"SET a b\"]\npool = \"mysql.main\"\n",
        &["restante.toml:7:12: hook.commands: sql stands there already; make two hooks of it"],
    );
    check(
        "[[hook]]\non = \"message.acked\"\ndo = \"on_message_publish\"\npool = \"mysql.main\"\n[[hook]]\non = \
         \"client.connected\"\ntopic = \"a\"\ndo = \"on_client_connected\"\npool = \"mysql.main\"\n",
        &[
            "restante.toml:5:6: hook.on: on_message_publish has nothing to do at message.acked; it belongs at \
             message.publish",
            "restante.toml:10:9: hook.topic: client.connected has no topic that a filter could be compared with; leave \
             it out",
        ],
    );
}

#[test]
fn c13_k34_two_sources_of_backlog_are_refused_with_both_places() {
    let found = wrong(
        "[[keep]]\ntopics = [\"t/#\"]\nin = \"mysql.main\"\n[[keep]]\nin = \"redis.main\"\ntopics = [\"t/+/x\"]\n",
    );
    assert_eq!(
        found,
        [
            "restante.toml:9:10: keep.topics: with the keep at restante.toml:5:10: some topics would have two sources \
          of backlog, and a client would get their messages twice; take topics that do not overlap, or mode = \
          \"history\" for one of them"
        ]
    );
    let found = wrong(
        "[[hook]]\non = \"session.subscribed\"\ndo = \"on_message_fetch\"\npool = \"postgres.other\"\n[[keep]]\ntopics \
         = [\"t/#\"]\nin = \"mysql.main\"\n",
    );
    assert!(
        found[0]
            .starts_with("restante.toml:9:10: keep.topics: with the hook at restante.toml:5:6: some topics"),
        "{found:?}"
    );
}

#[test]
fn k41_to_wait_for_the_database_needs_a_deadline() {
    let text = "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nack_after = \"backend\"\n";
    assert_eq!(
        wrong(text),
        [
            "restante.toml:7:13: keep.ack_after: a publisher would wait for the database without end; write \
          ack_deadline = \"5s\" in the section [outbox]"
        ]
    );
    keeping(&format!(
        "{text}[outbox]\nack_deadline = \"5s\"\non_ack_deadline = \"refuse\"\n"
    ));
    // A deadline that was refused itself is one mistake, not two.
    assert_eq!(
        wrong(&format!("{text}[outbox]\nack_deadline = \"1d\"\n")).len(),
        1
    );
}

/// What a reader of statements complains about is told at the line and column within the file.
#[test]
fn c04_complaints_about_texts_stand_where_the_letters_are() {
    /// Complains about the last letter; the second line of it if there are two.
    fn read_text(text: &str, _: &[&'static str]) -> Result<Vec<Unfit>, Unfit> {
        let line = text.lines().count();
        let column = text.lines().last().unwrap_or_default().chars().count();
        Ok(vec![Unfit {
            why: "here".to_owned(),
            at: Some((line as u32, column as u32)),
        }])
    }
    let place = |value: &str| {
        let text = format!("[[hook]]\non = \"client.connected\"\npool = \"mysql.main\"\nsql = [{value}]\n");
        let mut reading = Reading::default();
        crate::config::read_file(
            &Arc::from("x"),
            &format!("[backend.mysql.main]\n{text}"),
            &mut reading,
        );
        let mut complaints = Complaints::default();
        let statement = reading.draft.hooks[0].sql[0].clone();
        texts::one_for_test(&reading, "hook[0].sql[0]", &statement, read_text, &mut complaints);
        complaints.reach(&mut reading);
        match &reading.warnings[0].origin {
            Origin::File { line, column, .. } => (*line, *column),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(place("\"select\""), (5, 14));
    assert_eq!(place("  'select'"), (5, 16));
    assert_eq!(place("\"\"\"\nselect\n  1\"\"\""), (7, 3));
    assert_eq!(place("'''select\n  1'''"), (6, 3));
    // With escapes no letter stands where it was counted: the text's own place is told.
    assert_eq!(place("\"sel\\u0065ct\""), (5, 8));
}

#[test]
fn what_is_not_built_yet_is_named_at_its_place() {
    let unbuilt =
        |text: &str| -> Vec<String> { keeping(text).unbuilt.iter().map(Problem::to_string).collect() };
    assert_eq!(
        unbuilt("[[keep]]\ntopics = [\"t\"]\nin = \"embedded\"\n"),
        [
            "restante.toml:6:6: keep.in: a keep in the embedded store is not built yet; name a pool; what absent \
             sessions are owed is in the embedded store without a keep"
        ]
    );
    let several = "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nmode = \"pubsub\"\nfirst_subscribe = \"last 5\"\noffline_opts = \
                   { max_returned_count = 5, when_more = \"newest\" }\n";
    assert_eq!(unbuilt(several).len(), 2);
    assert_eq!(
        unbuilt("[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\n"),
        [""; 0]
    );
}
