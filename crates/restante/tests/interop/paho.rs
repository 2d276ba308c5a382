//! The scenarios of `tests/interop/*.py`, each against Debian's mosquitto first, where that does as the standard says:
//! a scenario that is wrong is not to be blamed on us.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use restante_testkit::{Broker, mosquitto::Mosquitto, process::Process, tools};

/// How long one scenario may take; only one that hangs does.
const SCENARIO_LIMIT: Duration = Duration::from_secs(240);

/// Who passes a scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Passes {
    /// Mosquitto and we.
    Both,
    /// We: what mosquitto does not do stands beside the scenario.
    Ours,
}

macro_rules! scenarios {
    ($($name:ident: $($version:literal)+, $passes:ident;)*) => {
        const ALL: &[(&str, &[&str], Passes)] = &[$((stringify!($name), &[$($version),+], Passes::$passes),)*];

        $(#[test]
        fn $name() {
            play(stringify!($name), &[$($version),+], Passes::$passes);
        })*
    };
}

scenarios! {
    every_qos: "3.1.1" "5.0", Both;
    retained: "3.1.1" "5.0", Both;
    wills: "3.1.1" "5.0", Both;
    a_session_waits: "3.1.1" "5.0", Both;
    large_payloads: "3.1.1" "5.0", Both;
    many_clients: "3.1.1" "5.0", Both;
    a_flood_of_qos_2_both_ways: "3.1.1" "5.0", Both;
    shared_subscriptions: "5.0", Both;
    a_shared_queue_waits: "5.0", Both;
    messages_expire: "5.0", Both;
    sessions_expire: "5.0", Both;
    properties_pass_through: "5.0", Both;
    request_and_response: "5.0", Both;
    subscription_options: "5.0", Both;
    subscription_identifiers: "5.0", Both;
    topic_aliases: "5.0", Both;
    a_receive_maximum_of_one: "5.0", Both;
    a_maximum_packet_size: "5.0", Both;
    delayed_wills: "5.0", Both;
    assigned_client_ids: "5.0", Both;
    a_takeover: "5.0", Ours;
}

/// The list above is that of the scripts.
#[test]
fn no_scenario_is_forgotten() {
    let Some(python) = tools::paho_python() else {
        return;
    };
    let output = Command::new(python)
        .arg(scripts().join("run.py"))
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let expected: Vec<String> = ALL
        .iter()
        .map(|(name, versions, passes)| {
            format!(
                "{name} {} {}",
                versions.join(" "),
                format!("{passes:?}").to_lowercase()
            )
        })
        .collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
}

fn play(name: &str, versions: &[&str], passes: Passes) {
    let Some(python) = tools::paho_python() else {
        return;
    };
    for version in versions {
        // A fresh broker each time: what one version left behind is not there for the next.
        if passes == Passes::Both
            && tools::program("mosquitto").is_some()
            && let Some(mosquitto) = Mosquitto::start()
        {
            let said = run(&python, mosquitto.address(), version, name);
            assert!(
                said.is_ok(),
                "mosquitto does otherwise, so the scenario is wrong: {said:?}"
            );
        }
        let broker = Broker::run();
        if let Err(said) = run(&python, broker.address(), version, name) {
            panic!("{said}\nrestante wrote:\n{}", broker.output());
        }
    }
}

fn run(python: &Path, address: SocketAddr, version: &str, scenario: &str) -> Result<(), String> {
    let mut command = Command::new(python);
    // Nothing is written beside the scripts.
    command.arg("-B").arg(scripts().join("run.py"));
    command.args([
        &address.ip().to_string(),
        &address.port().to_string(),
        version,
        scenario,
    ]);
    let mut process = Process::start("python", &mut command);
    let status = process.wait(SCENARIO_LIMIT);
    if status.success() {
        Ok(())
    } else {
        Err(process.output())
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop")
}
