//! The six templates of the offline-message plugin (seeds 1 and 2): what each may use, and which of them a user wrote.

use crate::{
    messages::{KeepSpec, KeptMessage, Layout, Mode},
    statement::Value,
    tables::SubscriptionRow,
    template::sql::{SqlDialect, SqlTemplate},
    trouble::Unfit,
};

/// The names of the six.
pub const NAMES: &[&str] = &[
    "insert_message_sql",
    "delete_message_sql",
    "select_message_sql",
    "insert_subscription_sql",
    "select_subscriptions_sql",
    "delete_subscription_sql",
];

/// What is known of a message when it is stored.
const MESSAGE: &[&str] = &[
    "id",
    "from",
    "topic",
    "qos",
    "payload",
    "flags.retain",
    "timestamp",
];
/// What is known of it when it is deleted.
const GONE: &[&str] = &["id", "topic"];
/// What is known when a topic's messages are read (C15: they are read by topic).
const ASKED: &[&str] = &["topic"];
/// What is known of a subscription when it is stored.
const SUBSCRIPTION: &[&str] = &["clientid", "topic", "qos"];
/// What is known of it when it is removed.
const UNSUBSCRIBED: &[&str] = &["clientid", "topic"];
/// What is known when a client's subscriptions are read.
const CLIENT: &[&str] = &["clientid"];

/// Those that the user wrote; `None` = the layout's default.
#[derive(Clone, Debug, Default)]
pub struct Six {
    /// Stores a message.
    pub insert_message: Option<SqlTemplate>,
    /// Deletes one.
    pub delete_message: Option<SqlTemplate>,
    /// Reads those of a topic.
    pub select_message: Option<SqlTemplate>,
    /// Stores a subscription.
    pub insert_subscription: Option<SqlTemplate>,
    /// Reads those of a client.
    pub select_subscriptions: Option<SqlTemplate>,
    /// Removes one.
    pub delete_subscription: Option<SqlTemplate>,
}

impl Six {
    /// Reads the templates of a keep.
    ///
    /// # Errors
    /// A template that does not parse, one that is none of the six, templates in a layout that has none.
    pub fn of(spec: &KeepSpec, dialect: SqlDialect) -> Result<Six, Unfit> {
        let mut six = Six::default();
        for (name, text) in &spec.templates {
            let (slot, known) = match name.as_str() {
                "insert_message_sql" => (&mut six.insert_message, MESSAGE),
                "delete_message_sql" => (&mut six.delete_message, GONE),
                "select_message_sql" => (&mut six.select_message, ASKED),
                "insert_subscription_sql" => (&mut six.insert_subscription, SUBSCRIPTION),
                "select_subscriptions_sql" => (&mut six.select_subscriptions, CLIENT),
                "delete_subscription_sql" => (&mut six.delete_subscription, UNSUBSCRIBED),
                other => {
                    return Err(Unfit {
                        why: format!("{other} is no template; the six are {}", NAMES.join(", ")),
                        at: None,
                    });
                }
            };
            if spec.layout != Layout::Plugin {
                return Err(Unfit {
                    why: format!(
                        "{name} belongs to layout = \"plugin\"; with \"backends\" use a hook with sql = […]"
                    ),
                    at: None,
                });
            }
            let template = SqlTemplate::parse(text, dialect, known).map_err(|unfit| Unfit {
                why: format!("{name}: {}", unfit.why),
                at: unfit.at,
            })?;
            *slot = Some(template);
        }
        if spec.mode == Mode::Queue && six.select_message.is_some() && six.delete_message.is_none() {
            return Err(Unfit {
                why: "select_message_sql is your own, so delete_message_sql must be too: what is acknowledged would \
                      be deleted where nobody reads"
                    .to_owned(),
                at: None,
            });
        }
        Ok(six)
    }
}

/// The value of a variable of a message that is stored. Flags are 0 and 1, which every column takes.
pub fn of_message(message: &KeptMessage, name: &str) -> Value {
    match name {
        "id" => Value::Text(message.id.text().into()),
        "from" => Value::Text(message.sender.clone()),
        "topic" => Value::Text(message.topic.clone()),
        "qos" => Value::Int(message.qos as i64),
        "payload" => Value::Bytes(message.payload.clone()),
        "flags.retain" => Value::Bool(message.retain),
        "timestamp" => Value::Int(i64::try_from(message.arrived.0).unwrap_or(i64::MAX)),
        _ => Value::Null,
    }
}

/// The value of a variable of a subscription that is stored.
pub fn of_subscription(row: &SubscriptionRow, name: &str) -> Value {
    match name {
        "clientid" => Value::Text(row.client.clone()),
        "topic" => Value::Text(row.filter.clone()),
        "qos" => Value::Int(row.qos as i64),
        _ => Value::Null,
    }
}

/// The values of a template's parameters, in their order.
pub fn bind(template: &SqlTemplate, value: impl Fn(&str) -> Value) -> Vec<Value> {
    template.variables.iter().map(|name| value(name)).collect()
}
