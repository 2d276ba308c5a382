use proptest::prelude::*;

use super::*;

const KNOWN: &[&str] = &["id", "topic", "payload", "qos", "flags.retain", "clientid"];

fn mysql(text: &str) -> Result<SqlTemplate, Unfit> {
    SqlTemplate::parse(text, SqlDialect::MySql, KNOWN)
}

fn postgres(text: &str) -> Result<SqlTemplate, Unfit> {
    SqlTemplate::parse(text, SqlDialect::Postgres, KNOWN)
}

fn rendered(template: Result<SqlTemplate, Unfit>) -> (String, Vec<String>) {
    let template = template.unwrap();
    (
        template.text,
        template.variables.iter().map(|name| name.to_string()).collect(),
    )
}

#[test]
fn variables_become_parameters_in_their_order() {
    let text = "insert into t(a, b) values(${topic}, ${flags.retain}) -- done\non duplicate key update a = ${topic};";
    let (sql, variables) = rendered(mysql(text));
    assert_eq!(
        sql,
        "insert into t(a, b) values(?, ?)  \non duplicate key update a = ?"
    );
    assert_eq!(variables, ["topic", "flags.retain", "topic"]);
    let (sql, _) = rendered(postgres("select * from t where a=${topic} and b=${qos}::int"));
    assert_eq!(sql, "select * from t where a=$1 and b=$2::int");
}

#[test]
fn a_variable_alone_in_quotes_is_one_too() {
    let (sql, variables) = rendered(mysql("select '${topic}', \"${qos}\""));
    assert_eq!((sql.as_str(), variables.len()), ("select ?, ?", 2));
    let (sql, _) = rendered(postgres("select '${topic}'"));
    assert_eq!(sql, "select $1");
}

#[test]
fn what_is_quoted_stays_as_it_is() {
    for text in [
        r"select 'it''s; -- not # a /* comment ?', ' \' :a'",
        "select `a;b?`, `a``b`, x /*! STRAIGHT_JOIN */ from t /*+ NO_INDEX */",
        "select a - -1, a--1, 5 / 2",
    ] {
        assert_eq!(rendered(mysql(text)), (text.to_owned(), vec![]), "{text}");
    }
    for text in [
        r"select 'a\', E'it\'s;', $$ it's; -- '$$, $tag$ $$ ' $tag$, U&'\0041'",
        r#"select "a;b", "a""b", a$b, payload ? 'key', x::jsonb ->> 'a'"#,
        "select 1 # 2",
    ] {
        assert_eq!(rendered(postgres(text)), (text.to_owned(), vec![]), "{text}");
    }
}

#[test]
fn comments_are_left_out_with_all_that_is_in_them() {
    let (sql, variables) = rendered(mysql("select 1 # ${nothing} it's\n + 1 /* ${ ' */ + 2 -- x"));
    assert_eq!((sql.as_str(), variables.len()), ("select 1  \n + 1   + 2", 0));
    let (sql, _) = rendered(postgres("select /* a /* b */ ' */ 2 --x"));
    assert_eq!(sql, "select   2");
}

#[test]
fn what_cannot_be_is_refused_with_its_position() {
    let cases: &[(SqlDialect, &str, (u32, u32), &str)] = &[
        (
            SqlDialect::MySql,
            "select\n  ${topi}",
            (2, 3),
            "did you mean ${topic}",
        ),
        (
            SqlDialect::MySql,
            "select '${topi}'",
            (1, 9),
            "did you mean ${topic}",
        ),
        (
            SqlDialect::MySql,
            "select ${username}",
            (1, 8),
            "there are ${id}, ${topic}",
        ),
        (SqlDialect::MySql, "select ${topic", (1, 8), "never closed"),
        (SqlDialect::MySql, "select 'abc", (1, 8), "never closed"),
        (SqlDialect::MySql, "select `abc", (1, 8), "never closed"),
        (SqlDialect::MySql, r"select 'abc\'", (1, 8), "never closed"),
        (SqlDialect::Postgres, "select $a$ x $b$", (1, 8), "$a$"),
        (SqlDialect::Postgres, "select /* /* */", (1, 8), "never closed"),
        (SqlDialect::MySql, "select 'a/${topic}'", (1, 11), "concat"),
        (SqlDialect::MySql, "select `${topic}`", (1, 9), "not for a name"),
        (
            SqlDialect::Postgres,
            "select \"${topic}\"",
            (1, 9),
            "not for a name",
        ),
        (SqlDialect::Postgres, "select $$a${topic}$$ ", (1, 11), "concat"),
        (
            SqlDialect::MySql,
            "delete from a; delete from b",
            (1, 16),
            "second statement",
        ),
        (SqlDialect::MySql, "select ?", (1, 8), "without a name"),
        (SqlDialect::MySql, "select :name", (1, 8), "without a name"),
        (SqlDialect::Postgres, "select $1", (1, 8), "without a name"),
        (SqlDialect::Postgres, " -- nothing", (1, 1), "no statement"),
    ];
    for (dialect, text, at, words) in cases {
        let complaint = SqlTemplate::parse(text, *dialect, KNOWN).unwrap_err();
        assert_eq!(complaint.at, Some(*at), "{text}: {complaint}");
        assert!(complaint.why.contains(words), "{text}: {complaint}");
    }
}

#[test]
fn c04_a_word_spelled_like_a_variable_is_pointed_out() {
    let warned = |text: &str| mysql(text).unwrap().warnings;
    let found = warned("insert into msg(topic, qos) values (topic, 'qos')");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].at, Some((1, 37)));
    assert!(found[0].why.contains("${topic}"));
    assert_eq!(warned("delete from t where topic = topic").len(), 1);
    for fine in [
        "insert into sub(topic, qos) values(${topic}, ${qos})",
        "insert into t(topic) values (${topic}) on duplicate key update topic = values(topic)",
        "select topic, qos from t where clientid = ${clientid} order by topic",
        "select * from a join b on a.topic = b.topic where a.qos = qos(1)",
    ] {
        assert!(warned(fine).is_empty(), "{fine}: {:?}", warned(fine));
    }
}

#[test]
fn the_verb_is_the_first_word() {
    assert_eq!(
        mysql("/* x */ INSERT into t values (1)").unwrap().verb(),
        "insert"
    );
    assert_eq!(postgres("(Select 1)").unwrap().verb(), "select");
}

proptest! {
    /// Whatever is written, it ends in an answer, and an answer has a place within the text.
    #[test]
    fn nothing_makes_it_fall(text in r"[ -~\nä]{0,60}", mysql in any::<bool>()) {
        let dialect = if mysql { SqlDialect::MySql } else { SqlDialect::Postgres };
        match SqlTemplate::parse(&text, dialect, KNOWN) {
            Ok(template) => {
                let left = template.text.contains("${");
                prop_assert!(!left, "{}", template.text);
            }
            Err(complaint) => {
                let (line, _) = complaint.at.unwrap();
                prop_assert!((line as usize) <= text.matches('\n').count() + 1);
            }
        }
    }

    /// Quotes, comments and variables in any order: quoted text comes out as it went in, every variable is bound once.
    #[test]
    fn pieces_put_together_come_apart_again(
        pieces in proptest::collection::vec(prop_oneof![
            Just(("'it''s ; -- ? $$'", "'it''s ; -- ? $$'", 0)),
            Just(("${topic}", "§", 1)),
            Just(("'${payload}'", "§", 1)),
            Just(("/* ' ${x */", " ", 0)),
            Just(("-- it's ${\n", " \n", 0)),
            Just(("a1", "a1", 0)),
            Just(("=", "=", 0)),
        ], 1..12),
        mysql in any::<bool>(),
    ) {
        let dialect = if mysql { SqlDialect::MySql } else { SqlDialect::Postgres };
        let text = pieces.iter().map(|piece| piece.0).collect::<Vec<_>>().join(" ");
        let mut number = 0;
        let mut expected = String::new();
        for (index, (_, one, variables)) in pieces.iter().enumerate() {
            if index > 0 {
                expected.push(' ');
            }
            if *variables == 1 {
                number += 1;
                expected.push_str(&if mysql { "?".to_owned() } else { format!("${number}") });
            } else {
                expected.push_str(one);
            }
        }
        if expected.trim().is_empty() {
            prop_assert!(SqlTemplate::parse(&text, dialect, KNOWN).is_err());
        } else {
            let template = SqlTemplate::parse(&text, dialect, KNOWN).unwrap();
            prop_assert_eq!(template.text, expected.trim_end());
            prop_assert_eq!(template.variables.len(), number);
        }
    }
}
