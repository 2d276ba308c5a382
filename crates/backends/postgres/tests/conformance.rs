//! The suite that every backend passes, on the tables of both layouts.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use restante_backend::{
    Backend, Work,
    conformance::{self, Ground, Samples},
    messages::{KeepSpec, Layout, Mode},
};
use restante_postgres::{Config, Postgres as Pool};
use restante_testkit::databases::{Database, Postgres};

/// A database whose tables were made in this order: those that both layouts name are the first one's.
struct Tables {
    database: Database,
}

impl Tables {
    async fn of(layouts: [Layout; 2]) -> Option<Tables> {
        let tables = Tables {
            database: Postgres::database()?,
        };
        let schema = tables.pool().schema().unwrap();
        for layout in layouts {
            let spec = KeepSpec {
                layout,
                mode: Mode::Queue,
                ttl: None,
                templates: BTreeMap::new(),
            };
            schema.install(&spec).await.unwrap();
        }
        tables
            .database
            .sql("create table seen (clientid varchar(200), topic varchar(200), payload bytea)");
        Some(tables)
    }

    fn pool(&self) -> Pool {
        Pool::new(&Config {
            server: format!("{}:{}", self.database.login.host, self.database.login.port),
            database: self.database.name.clone(),
            username: self.database.login.username.clone(),
            password: self.database.login.password.clone(),
            ..Config::default()
        })
    }
}

impl Ground for Tables {
    fn fresh(&self) -> Work<'_, Arc<dyn Backend>> {
        Box::pin(async {
            let names = [
                "mqtt_msg",
                "mqtt_sub",
                "mqtt_retain",
                "mqtt_client",
                "mqtt_acked",
                "seen",
            ];
            let clear = names.map(|name| format!("DELETE FROM {name};"));
            self.database.sql(&clear.concat());
            Arc::new(self.pool()) as Arc<dyn Backend>
        })
    }

    fn statements(&self) -> Option<Samples> {
        Some(Samples {
            good: "insert into seen values (${clientid}, ${topic}, ${payload})",
            refused: "insert into nowhere values (${clientid}, ${topic}, ${payload})",
            unknown: ("insert into seen\n values (${clientid}, ${payloda})", (2, 23)),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_tables_of_the_plugin() {
    let Some(tables) = Tables::of([Layout::Plugin, Layout::Backends]).await else {
        return;
    };
    conformance::run(&tables).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_tables_of_the_back_ends() {
    let Some(tables) = Tables::of([Layout::Backends, Layout::Plugin]).await else {
        return;
    };
    conformance::run(&tables).await.assert_passed();
}
